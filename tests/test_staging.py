"""Between embedding and loading."""

from dataclasses import fields

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine import staging
from vitrine.errors import BadInput
from vitrine.features import FeatureStore, lookup
from vitrine.index import schema
from vitrine.index.ledger import LedgerRow
from vitrine.manifest import OUTCOME_SCHEMA, Manifest
from vitrine.run import Run
from vitrine.testing import FakeEmbedder


def test_what_was_embedded_is_found_in_the_feature_store(small_run, drawn_pictures) -> None:
    columns = {"product_id": list("abc"), "image": drawn_pictures[:3]}
    small = small_run(columns, rows_per_group=1)
    rows = [row for one in small.done for row in pq.read_table(small.run.file(one.rows_file)).to_pylist()]
    found = lookup(small.features, [row[schema.IMAGE_SHA256] for row in rows])
    assert {key: vector.tolist() for key, vector in found.items()} == {
        row[schema.IMAGE_SHA256]: row[schema.VECTOR] for row in rows
    }


@pytest.mark.parametrize("rows_per_pass", [1_000_000, 7, 1])
def test_reused_rows_get_the_vectors_of_their_own_pictures(
    small_run, drawn_pictures, rows_per_pass, monkeypatch
) -> None:
    monkeypatch.setattr(staging, "_ROWS_PER_PASS", rows_per_pass)
    images = drawn_pictures[:30] + drawn_pictures[:5]
    columns = {"product_id": [str(number) for number in range(35)], "image": images}
    small_run(columns, rows_per_group=10)
    again = small_run(columns, "b", rows_per_group=10)
    files = staging.join_hits(again.run, again.done, again.features)
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert sorted(row[schema.IMAGE_ID] for row in rows) == sorted(f"{number}/0" for number in range(35))
    for row in rows:
        (alone,) = FakeEmbedder(dim=16).embed([(0, images[int(row[schema.PRODUCT_ID])])])
        assert row[schema.VECTOR] == alone.vectors[0].tolist()


def test_reused_rows_have_the_layout_of_embedded_ones(small_run, drawn_pictures) -> None:
    columns = {"product_id": ["a"], "image": drawn_pictures[:1], "title": ["shirt"]}
    first = small_run(columns)
    again = small_run(columns, "b")
    (reused,) = staging.join_hits(again.run, again.done, again.features)
    assert pq.read_table(reused) == pq.read_table(first.run.file(first.done[0].rows_file))


def test_without_hits_nothing_is_joined(small_run, drawn_pictures) -> None:
    small = small_run({"product_id": ["a"], "image": drawn_pictures[:1]})
    assert staging.join_hits(small.run, small.done, small.features) == []


def test_a_vector_that_the_store_lost_is_named(small_run, drawn_pictures, tmp_path) -> None:
    columns = {"product_id": ["a"], "image": drawn_pictures[:1]}
    small_run(columns)
    again = small_run(columns, "b")
    empty = FeatureStore(str(tmp_path / "elsewhere"), "model0", 16)
    with pytest.raises(BadInput, match=r"lost the vector of picture [0-9a-f]{64} during the run: start a new --run"):
        staging.join_hits(again.run, again.done, empty)


def test_the_ledger_names_what_a_product_lacks(small_run, drawn_pictures) -> None:
    images = [[drawn_pictures[0], b"<html>", None], [None], [drawn_pictures[1]]]
    small = small_run({"product_id": ["some", "none", "all"], "images": images, "version": [3, 4, 5]})
    none, some = staging.ledger_rows(small.run, small.done, ())
    assert none == LedgerRow("none", 4, missing=((0, "", "missing"),))
    assert (some.product_id, some.version, some.deleted) == ("some", 3, False)
    assert [(position, reason) for position, _, reason in some.missing] == [(1, "unsupported_format"), (2, "missing")]
    assert len(some.missing[0][1]) == 64


def test_rows_without_a_usable_id_are_not_in_the_ledger(small_run, drawn_pictures) -> None:
    columns = {"product_id": ["x" * 257, None, "a"], "image": [drawn_pictures[0], drawn_pictures[1], drawn_pictures[2]]}
    small = small_run(columns)
    assert small.done[0].rejected == 2
    assert staging.ledger_rows(small.run, small.done, ()) == []


EARLIER = LedgerRow("a", 5, deleted=True)


@pytest.mark.parametrize(
    ("product_id", "version", "image", "expected"),
    [
        ("b", 9, True, [EARLIER]),  # the catalogue does not state it
        ("a", 4, True, [EARLIER]),  # an older statement
        ("a", 5, True, [EARLIER]),  # of equal versions the delete wins
        ("a", 6, True, []),  # stated again
        ("a", 6, False, [LedgerRow("a", 6, missing=((0, "", "missing"),))]),
    ],
)
def test_an_earlier_delete_stands_until_a_higher_version(
    small_run, drawn_pictures, product_id, version, image, expected
) -> None:
    columns = {"product_id": [product_id], "image": [drawn_pictures[0] if image else b""], "version": [version]}
    small = small_run(columns, deleted={"a": 5})
    assert staging.ledger_rows(small.run, small.done, [EARLIER]) == expected


def test_a_delete_that_came_after_the_plan_stands(small_run, drawn_pictures) -> None:
    small = small_run({"product_id": ["a"], "image": drawn_pictures[:1], "version": [5]})
    assert staging.ledger_rows(small.run, small.done, [EARLIER]) == [EARLIER]


def test_a_product_that_has_all_pictures_again_leaves_the_ledger(small_run, drawn_pictures) -> None:
    small = small_run({"product_id": ["a"], "image": drawn_pictures[:1], "version": [5]})
    assert staging.ledger_rows(small.run, small.done, [LedgerRow("a", 5, missing=((0, "x", "corrupt"),))]) == []


NOTHING = {field.name: "" if field.type is str else 0 for field in fields(Manifest)}


@pytest.fixture(scope="module")
def small_outcomes(tmp_path_factory):
    """`small_outcomes({product: (version, broken)})`: a run that stated these products, a picture each."""
    run = Run("a", str(tmp_path_factory.mktemp("run")), "model0", "products", 0, 0)

    def note(products):
        blank = {field.name: "" if field.type == pa.string() else 0 for field in OUTCOME_SCHEMA}
        rows = [
            {
                **blank,
                "product_id": key,
                "version": version,
                "outcome": "rejected" if broken else "embedded",
                "reason": "corrupt" if broken else "",
            }
            for key, (version, broken) in products.items()
        ]
        pq.write_table(pa.Table.from_pylist(rows, OUTCOME_SCHEMA), run.file("outcomes.parquet"))
        return run, [Manifest(**{**NOTHING, "outcomes_file": "outcomes.parquet"})]

    return note


VERSIONS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3))


@given(stated=VERSIONS, broken=st.frozensets(st.sampled_from("abcd")), earlier=VERSIONS)
def test_of_both_statements_the_higher_version_stands(small_outcomes, stated, broken, earlier) -> None:
    run, done = small_outcomes({key: (version, key in broken) for key, version in stated.items()})
    before = [LedgerRow(key, version, missing=((9, "old", "corrupt"),)) for key, version in earlier.items()]
    found = {row.product_id: row.version for row in staging.ledger_rows(run, done, before)}
    expected = {}
    for key in {*stated, *earlier}:
        if earlier.get(key, -1) > stated.get(key, -1):
            expected[key] = earlier[key]
        elif key in broken and key in stated:
            expected[key] = stated[key]
    assert found == expected
