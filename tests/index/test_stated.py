import numpy as np
import pytest

from vitrine.index import collections, stated
from vitrine.index.collections import Facts
from vitrine.index.ledger import LedgerRow, to_row
from vitrine.index.stated import Stated
from vitrine.testing import MemoryStore


def view(store, *, rows=(), ledger=()):
    made = collections.create(store, Facts("shop", "r", "m", 2, "2026-01-01T00:00:00Z"))
    store.upsert(made.name, list(rows))
    store.upsert(made.ledger, [to_row(one) for one in ledger])
    return made


def test_every_product_that_is_asked_for_is_answered(store, picture):
    rows = [picture("a/0", [1, 0], version=3), picture("a/1", [0, 1], version=3), picture("b/c/0", [1, 0])]
    lacks = LedgerRow("a", 3, missing=((2, "ab", "corrupt"),), statement='{"title":"ä \\"x\\""}')
    made = view(store, rows=rows, ledger=[lacks, LedgerRow("gone", 5, deleted=True)])

    found = stated.read(store, made, ["a", "gone", 'who "knows"', "b/c"])

    assert list(found) == ["a", "gone", 'who "knows"', "b/c"]
    assert [sorted(one.rows) for one in found.values()] == [["a/0", "a/1"], [], [], ["b/c/0"]]
    assert [one.version for one in found.values()] == [3, 5, None, 1]
    assert [one.deleted for one in found.values()] == [False, True, False, False]
    assert found["a"].ledger == lacks
    assert "vector" not in found["a"].rows["a/0"]


def test_vectors_come_where_they_are_asked_for(near_store, picture):
    made = view(near_store, rows=[picture("a/0", [0.6, 0.8])])

    [row] = stated.read(near_store, made, ["a"], vectors=True)["a"].rows.values()

    assert row["vector"].dtype == np.float32
    assert row["vector"].tolist() == pytest.approx([0.6, 0.8])


def test_more_products_than_a_call_takes_are_read_in_several(monkeypatch, picture):
    store = MemoryStore()
    made = view(store, rows=[picture(f"p{i}/0", [1, 0], version=i) for i in range(5)])
    monkeypatch.setattr(stated, "PRODUCTS_PER_CALL", 2)

    found = stated.read(store, made, [f"p{i}" for i in range(5)])

    assert {product_id: one.version for product_id, one in found.items()} == {f"p{i}": i for i in range(5)}


@pytest.mark.parametrize(
    ("rows", "ledger", "version", "deleted"),
    [
        ([1], LedgerRow("p", 2, deleted=True), 2, True),  # its rows are still to go
        ([2], LedgerRow("p", 2, deleted=True), 2, True),
        ([1, 3], LedgerRow("p", 2, deleted=True), 3, False),  # listed again, the ledger row still to go
        ([], LedgerRow("p", 2), 2, False),
        ([3, 4], None, 4, False),
    ],
)
def test_the_higher_of_rows_and_ledger_speaks(rows, ledger, version, deleted):
    said = Stated("p", {f"p/{position}": {"version": one} for position, one in enumerate(rows)}, ledger)

    assert (said.version, said.deleted) == (version, deleted)


def test_what_was_written_just_now_is_read_and_each_key_is_one_row(server, picture):
    made = view(server, rows=[picture("a/0", [1, 0], version=0)])

    for version in range(1, 6):
        server.upsert(made.name, [picture("a/0", [1, 0], version=version)])
        assert stated.read(server, made, ["a"])["a"].version == version

    assert server.count(made.name) == 1
