from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrine.catalog.duplicates import settle
from vitrine.catalog.keys import Keys
from vitrine.product import deletion_wins, is_stale

Row = tuple[str | None, int, int]
MAX_IMAGES = 4
LOWEST, HIGHEST = -(2**63), 2**63 - 1
VERSIONS = st.one_of(st.integers(0, 3), st.sampled_from([LOWEST, -1, HIGHEST]))
ROWS = st.lists(st.tuples(st.sampled_from([None, "a", "b", "c"]), st.integers(-1, MAX_IMAGES), VERSIONS), max_size=30)


def keys(rows: Sequence[Row], *, chunk_rows: int = 7) -> Keys:
    ids = [row[0] for row in rows]
    chunks = [ids[start : start + chunk_rows] for start in range(0, len(ids), chunk_rows)]
    return Keys(
        pa.chunked_array(chunks, pa.large_string()),
        np.array([row[1] for row in rows], np.int8),
        np.array([row[2] for row in rows], np.int64),
    )


def dropped(rows: Sequence[Row], version_of: str = "product", deleted: dict[str, int] | None = None) -> list[int]:
    settled = settle(keys(rows), version_of=version_of, max_images=MAX_IMAGES, deleted=deleted or {})
    found: list[int] = np.flatnonzero(settled.dropped).tolist()
    return found


def is_superseded(rows: Sequence[Row], number: int, version_of: str, deleted: dict[str, int]) -> bool:
    product, position, version = rows[number]
    if product is None:
        return False
    if product in deleted and deletion_wins(version, deleted[product]):
        return True
    others = [(other, row) for other, row in enumerate(rows) if row[0] == product]
    if version_of == "product" and any(is_stale(version, row[2]) for _, row in others):
        return True
    if not 0 <= position < MAX_IMAGES:
        return False
    return any(row[1] == position and (row[2], other) > (version, number) for other, row in others)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(ROWS, st.sampled_from(["product", "picture"]), st.dictionaries(st.sampled_from("abz"), VERSIONS))
def test_settling_agrees_with_the_rule_told_row_by_row(
    rows: list[Row], version_of: str, deleted: dict[str, int]
) -> None:
    expected = [number for number in range(len(rows)) if is_superseded(rows, number, version_of, deleted)]
    assert dropped(rows, version_of, deleted) == expected


@settings(max_examples=100, deadline=None, derandomize=True)
@given(ROWS)
def test_the_version_of_a_row_is_the_highest_of_its_product(rows: list[Row]) -> None:
    settled = settle(keys(rows), version_of="picture", max_images=MAX_IMAGES, deleted={})
    highest = [row[2] if row[0] is None else max(other[2] for other in rows if other[0] == row[0]) for row in rows]
    assert settled.versions.tolist() == highest


def test_only_the_rows_of_a_products_highest_version_count() -> None:
    assert dropped([("a", 0, 1), ("a", 1, 1), ("a", 0, 2)]) == [0, 1]


def test_where_versions_are_of_pictures_each_position_keeps_its_own_highest() -> None:
    assert dropped([("a", 0, 1), ("a", 1, 1), ("a", 0, 2)], "picture") == [0]


def test_of_equal_versions_the_later_row_wins() -> None:
    assert dropped([("a", 0, 1), ("b", 0, 1), ("a", 0, 1)]) == [0]


@pytest.mark.parametrize(("deleted_at", "expected"), [(0, []), (1, [0]), (2, [0])])
def test_of_equal_versions_the_delete_wins(deleted_at: int, expected: list[int]) -> None:
    assert dropped([("a", 0, 1), ("b", 0, 1)], deleted={"a": deleted_at}) == expected


def test_rows_without_an_id_neither_drop_nor_are_dropped() -> None:
    assert dropped([(None, 0, 1), (None, 0, 2)]) == []


def test_a_row_without_a_position_is_dropped_for_its_version_only() -> None:
    assert dropped([("a", -1, 1), ("a", -1, 2), ("a", -1, 2)]) == [0]
