import pytest

from vitrine.errors import Unavailable
from vitrine.index import collections, guarded, ledger, stated
from vitrine.index.collections import Facts
from vitrine.index.guarded import Write
from vitrine.index.ledger import LedgerRow
from vitrine.testing import MemoryStore


@pytest.fixture
def view(near_store):
    return collections.create(near_store, Facts("shop", "r", "m", 2, "2026-01-01T00:00:00Z"))


def write(store, collection, *writes, may_write=lambda: None, between=lambda: None):
    guarded.write(store, collection, writes, may_write=may_write, between=between)


def seen(store, collection, *products):
    found = stated.read(store, collection, products)
    return [(sorted(one.rows), one.version, one.ledger is not None) for one in found.values()]


def test_rows_take_the_place_of_others_and_what_is_not_listed_goes(near_store, view, picture):
    write(near_store, view, Write("p", (picture("p/0", [1, 0]), picture("p/1", [0, 1]), picture("p/2", [0, 1]))))

    new = (picture("p/0", [0, 1], version=2), picture("p/1", [1, 0], version=2))
    write(near_store, view, Write("p", new, gone=("p/2",)))

    assert seen(near_store, view, "p") == [(["p/0", "p/1"], 2, False)]
    read = stated.read(near_store, view, ["p"], vectors=True)["p"].rows
    assert [read[key]["vector"].tolist() for key in ("p/0", "p/1")] == [[0, 1], [1, 0]]


def test_a_ledger_row_comes_and_goes(near_store, view, picture):
    row = picture("p/0", [1, 0])
    lacks = LedgerRow("p", 1, missing=((1, "ab", "corrupt"),))
    write(near_store, view, Write("p", (row,), ledger=lacks))
    assert list(ledger.read(near_store, view.ledger)) == [lacks]

    write(near_store, view, Write("p", (row,), in_ledger=True))

    assert seen(near_store, view, "p") == [(["p/0"], 1, False)]


def test_a_product_that_loses_all_rows_is_in_the_ledger(near_store, view, picture):
    write(near_store, view, Write("p", (picture("p/0", [1, 0]),)), Write("q", (picture("q/0", [1, 0]),)))

    deleted, unusable = LedgerRow("p", 2, deleted=True), LedgerRow("q", 2, missing=((0, "ab", "corrupt"),))
    write(near_store, view, Write("p", gone=("p/0",), ledger=deleted), Write("q", gone=("q/0",), ledger=unusable))

    assert seen(near_store, view, "p", "q") == [([], 2, True), ([], 2, True)]


def test_a_kill_before_any_call_loses_no_version(picture):
    """Whatever was written, the versions that the view states are the old or the new ones, and a second try ends it."""
    for calls in range(8):
        store = MemoryStore()
        view = collections.create(store, Facts("shop", "r", "m", 2, "2026-01-01T00:00:00Z"))
        write(store, view, Write("p", (picture("p/0", [1, 0]), picture("p/1", [1, 0]))))
        write(store, view, Write("q", (picture("q/0", [1, 0]),)), Write("r", ledger=LedgerRow("r", 1, deleted=True)))
        writes = [
            Write("p", (picture("p/0", [0, 1], version=2),), gone=("p/1",), ledger=LedgerRow("p", 2)),
            Write("q", gone=("q/0",), ledger=LedgerRow("q", 2, deleted=True)),
            Write("r", (picture("r/0", [1, 0], version=2),), in_ledger=True),
        ]

        killed = fuse(calls)
        try:
            write(store, view, *writes, may_write=killed)
        except Unavailable:
            found = stated.read(store, view, ["p", "q", "r"])
            assert {one.version for one in found.values()} <= {1, 2}
            assert not (found["q"].version == 1 and not found["q"].rows)
        else:
            assert calls > 5

        write(store, view, *writes)
        assert seen(store, view, "p", "q", "r") == [(["p/0"], 2, True), ([], 2, True), (["r/0"], 2, False)]


def fuse(calls):
    left = iter(range(calls))

    def may_write():
        if next(left, None) is None:
            raise Unavailable("killed")

    return may_write


def test_between_the_halves_rows_are_there_and_ledgers_of_those_that_leave(picture):
    store = MemoryStore()
    view = collections.create(store, Facts("shop", "r", "m", 2, "2026-01-01T00:00:00Z"))
    write(store, view, Write("q", (picture("q/0", [1, 0]),)))
    found = []

    stays = Write("p", (picture("p/0", [1, 0]),), ledger=LedgerRow("p", 1))
    leaves = Write("q", gone=("q/0",), ledger=LedgerRow("q", 2, deleted=True))
    write(store, view, stays, leaves, between=lambda: found.extend(seen(store, view, "p", "q")))

    assert found == [(["p/0"], 1, False), (["q/0"], 2, True)]


def test_calls_are_bounded_and_keep_products_whole(monkeypatch, picture):
    store = MemoryStore()
    view = collections.create(store, Facts("shop", "r", "m", 2, "2026-01-01T00:00:00Z"))
    monkeypatch.setattr(guarded, "BYTES_PER_CALL", 1_000)
    calls = []
    monkeypatch.setattr(store, "upsert", lambda _, rows: calls.append([row["image_id"] for row in rows]))

    write(store, view, *(Write(one, tuple(picture(f"{one}/{i}", [1, 0]) for i in range(4))) for one in "abc"))

    assert calls == [[f"{one}/{i}" for i in range(4)] for one in "abc"]
