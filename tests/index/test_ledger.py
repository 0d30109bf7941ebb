import json

from hypothesis import given
from hypothesis import strategies as st

from vitrine.index import collections, ledger, schema
from vitrine.index.ledger import LedgerRow, merge, merged, to_row

MISSING = st.tuples(st.integers(0, 40), st.text(max_size=30), st.sampled_from(["missing", "truncated"]))
ROWS = st.builds(
    LedgerRow,
    product_id=st.sampled_from("ab"),
    version=st.integers(0, 3),
    deleted=st.booleans(),
    missing=st.lists(MISSING, max_size=2).map(tuple),
)


def decoded(row):
    return {**row, "missing": json.loads(row["missing"])}


@given(st.lists(MISSING, max_size=ledger.MAX_IMAGES, unique_by=lambda one: one[0]))
def test_a_row_comes_back_as_it_was_stated(missing):
    stated = LedgerRow("p", 3, missing=tuple(sorted(missing)))

    assert ledger.from_row(decoded(to_row(stated))) == stated


def test_missing_pictures_fit_into_their_field_whatever_their_addresses_hold():
    for character in ("x", "é", '"', "\x01", "\ud800"):
        stated = LedgerRow("p", 1, missing=tuple((i, character * 5_000, "image_unavailable") for i in range(40)))

        text = to_row(stated)["missing"]

        assert len(text.encode()) <= schema.JSON_MAX_BYTES
        assert [entry[0] for entry in json.loads(text)["images"]] == list(range(32))


def test_the_longest_plain_address_is_hardly_cut():
    row = to_row(LedgerRow("p", 1, missing=((0, "u" * 2048, "missing"),)))

    [[_, kept, _]] = json.loads(row["missing"])["images"]

    assert len(kept) > 1_900


@given(st.text(max_size=200), st.lists(MISSING, max_size=3, unique_by=lambda one: one[0]))
def test_what_an_event_said_of_missing_pictures_comes_back_as_text(statement, missing):
    stated = LedgerRow("p", 3, missing=tuple(sorted(missing)), statement=statement)

    assert ledger.from_row(decoded(to_row(stated))) == stated


def test_a_statement_that_does_not_fit_beside_the_missing_pictures_is_left_out():
    missing = ((0, "ab", "corrupt"),)

    for statement in ("x" * 70_000, '"' * 40_000, "\x01" * 11_000):
        row = to_row(LedgerRow("p", 1, missing=missing, statement=statement))

        assert len(row["missing"].encode()) <= schema.JSON_MAX_BYTES
        assert ledger.from_row(decoded(row)) == LedgerRow("p", 1, missing=missing)


def test_the_higher_version_stands():
    old, new = LedgerRow("p", 1, deleted=True), LedgerRow("p", 2)

    assert merge(old, new) == new
    assert merge(new, old) == new


def test_of_equal_versions_a_delete_wins():
    deleted, present = LedgerRow("p", 1, deleted=True), LedgerRow("p", 1)

    assert merge(deleted, present) == merge(present, deleted) == deleted


def test_of_equal_versions_without_a_delete_the_new_stands():
    new = LedgerRow("p", 1, missing=((0, "ab", "missing"),))

    assert merge(LedgerRow("p", 1), new) == new


@given(st.lists(ROWS, max_size=5), st.lists(ROWS, max_size=5))
def test_merged_ledgers_hold_each_product_once_at_its_highest_version(previous, new):
    rows = merged(previous, new)

    assert [row.product_id for row in rows] == sorted({row.product_id for row in [*previous, *new]})
    for row in rows:
        said = [one for one in [*previous, *new] if one.product_id == row.product_id]
        highest = max(one.version for one in said)
        assert row.version == highest
        assert row.deleted == any(one.deleted for one in said if one.version == highest)


def test_a_ledger_is_read_as_it_was_written(store):
    made = collections.create(store, collections.Facts("shop", "r", "m", 2, "2026-01-01T00:00:00Z"))
    rows = [LedgerRow(f"p{i}", i, deleted=i % 2 == 0, missing=((0, "ab", "truncated"),)) for i in range(1_200)]

    assert ledger.write(store, made.ledger, rows) == 1_200

    assert sorted(ledger.read(store, made.ledger), key=lambda row: row.version) == rows


def test_an_empty_ledger_is_read_as_nothing(store):
    made = collections.create(store, collections.Facts("shop", "r", "m", 2, "2026-01-01T00:00:00Z"))

    assert ledger.write(store, made.ledger, []) == 0
    assert list(ledger.read(store, made.ledger)) == []
