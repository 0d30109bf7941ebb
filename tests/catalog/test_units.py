from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrine.catalog.units import LEAST_ROWS, MOST_BYTES, MOST_ROWS, RowGroup, Unit, cut

GROUPS = st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 10**9)), max_size=8)


def row_groups(shapes: Sequence[tuple[int, int]]) -> list[RowGroup]:
    """Row groups (rows, bytes) of one file."""
    starts = np.cumsum([0, *(rows for rows, _ in shapes)]).tolist()
    return [
        RowGroup("catalog.parquet", number, start, start, rows, size_bytes if rows else 0)
        for number, (start, (rows, size_bytes)) in enumerate(zip(starts, shapes, strict=False))
    ]


def units(groups: Sequence[RowGroup], *, slots: int = 2, dropped: Sequence[int] = ()) -> tuple[Unit, ...]:
    marks = np.zeros(sum(group.rows for group in groups), np.bool_)
    marks[list(dropped)] = True
    return cut(groups, slots=slots, dropped=marks, versions=None)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(GROUPS, st.integers(1, 64))
def test_every_row_is_in_exactly_one_unit(shapes: list[tuple[int, int]], slots: int) -> None:
    groups = row_groups(shapes)
    ranges = sorted((unit.first_row, unit.first_row + unit.rows) for unit in units(groups, slots=slots))
    edges = [edge for _, edge in ranges]
    assert [start for start, _ in ranges] == ([0, *edges[:-1]] if ranges else [])
    assert edges[-1:] == ([sum(group.rows for group in groups)] if ranges else [])
    assert all(start < stop for start, stop in ranges)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(GROUPS, st.integers(1, 64))
def test_a_unit_lies_within_its_row_group(shapes: list[tuple[int, int]], slots: int) -> None:
    groups = row_groups(shapes)
    for unit in units(groups, slots=slots):
        group = groups[unit.row_group]
        assert unit.start + unit.rows <= group.rows
        assert unit.first_row == group.first_row + unit.start


@settings(max_examples=200, deadline=None, derandomize=True)
@given(GROUPS, st.integers(1, 64))
def test_units_are_bounded_in_rows_and_bytes(shapes: list[tuple[int, int]], slots: int) -> None:
    groups = row_groups(shapes)
    for unit in units(groups, slots=slots):
        row_bytes = groups[unit.row_group].size_bytes / groups[unit.row_group].rows
        assert unit.rows <= MOST_ROWS
        assert unit.size_bytes <= MOST_BYTES + row_bytes or unit.rows <= LEAST_ROWS


@settings(max_examples=200, deadline=None, derandomize=True)
@given(GROUPS, st.data())
def test_dropped_rows_are_found_again_in_their_units(shapes: list[tuple[int, int]], data: st.DataObject) -> None:
    groups = row_groups(shapes)
    rows = sum(group.rows for group in groups)
    dropped = data.draw(st.sets(st.integers(0, rows - 1), max_size=20)) if rows else set()
    found = [unit.first_row + offset for unit in units(groups, dropped=sorted(dropped)) for offset in unit.dropped]
    assert sorted(found) == sorted(dropped)


def test_units_come_largest_first_and_are_numbered_in_that_order() -> None:
    found = units(row_groups([(100, 2_000_000), (100, 4_000_000), (100, 3_000_000)]), slots=1)
    assert [unit.size_bytes for unit in found] == sorted((unit.size_bytes for unit in found), reverse=True)
    assert [unit.unit_id for unit in found] == [f"{number:06d}" for number in range(len(found))]


@pytest.mark.parametrize("slots", [1, 2, 8])
def test_a_large_catalogue_gives_each_slot_at_least_four_units(slots: int) -> None:
    assert len(units(row_groups([(100_000, 3_000_000_000)]), slots=slots)) >= 4 * slots


def test_units_are_not_cut_below_64_rows() -> None:
    found = units(row_groups([(4 * LEAST_ROWS, 100_000_000)]), slots=100)
    assert [unit.rows for unit in found] == [LEAST_ROWS] * 4
