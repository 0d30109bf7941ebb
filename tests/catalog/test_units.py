import heapq
import logging
from collections.abc import Sequence
from math import ceil

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vitrine.catalog.units import LEAST_ROWS, MOST_BYTES, MOST_PARTS, MOST_ROWS, Piece, RowGroup, Unit, cut, narrowed

Shape = tuple[int, int]
GROUPS = st.lists(st.tuples(st.integers(1, 60_000), st.integers(0, 10**9)), max_size=8)
SLOTS = st.integers(1, 64)


def row_groups(shapes: Sequence[Shape]) -> list[RowGroup]:
    """Row groups (rows, bytes), each the only one of its file."""
    return [RowGroup(f"{number}.parquet", 0, 0, *shape) for number, shape in enumerate(shapes)]


def units(groups: Sequence[RowGroup], *, slots: int = 2, dropped: Sequence[int] = ()) -> tuple[Unit, ...]:
    marks = np.zeros(sum(group.rows for group in groups), np.bool_)
    marks[list(dropped)] = True
    return cut(groups, slots=slots, dropped=marks, versions=None)


def idle_shares(costs: Sequence[float], slots: int) -> list[float]:
    """How much of the run each slot has nothing to do, where a free slot takes the next unit."""
    free_at = [0.0] * slots
    for cost in costs:
        heapq.heapreplace(free_at, free_at[0] + cost)
    return [1 - busy / max(free_at) for busy in free_at]


@settings(max_examples=200)
@given(GROUPS, SLOTS)
def test_every_row_is_in_exactly_one_unit(shapes: list[Shape], slots: int) -> None:
    groups = row_groups(shapes)
    pieces = [piece for unit in units(groups, slots=slots) for piece in unit.pieces]
    for group in groups:
        ranges = sorted((piece.first_row, piece.start + piece.rows) for piece in pieces if piece.file == group.file)
        assert [start for start, _ in ranges] == [0, *(stop for _, stop in ranges)][:-1]
        assert ranges[-1][1] == group.rows
    assert all(piece.rows and piece.start == piece.first_row for piece in pieces)


@settings(max_examples=200)
@given(GROUPS, SLOTS)
def test_units_are_bounded_in_rows_and_bytes(shapes: list[Shape], slots: int) -> None:
    largest = max((size_bytes for _, size_bytes in shapes), default=0)
    for unit in units(row_groups(shapes), slots=slots):
        assert unit.rows <= MOST_ROWS
        assert unit.size_bytes <= max(MOST_BYTES, largest / MOST_PARTS) * 1.1 or unit.rows <= LEAST_ROWS


@settings(max_examples=200)
@given(GROUPS, SLOTS)
def test_a_row_group_is_not_read_from_its_start_more_than_16_times(shapes: list[Shape], slots: int) -> None:
    groups = row_groups(shapes)
    pieces = [piece for unit in units(groups, slots=slots) for piece in unit.pieces]
    for group in groups:
        parts = sum(piece.file == group.file for piece in pieces)
        assert parts <= max(MOST_PARTS, slots, ceil(group.rows / MOST_ROWS))


@settings(max_examples=200)
@given(GROUPS, st.data())
def test_dropped_rows_are_found_again_in_their_units(shapes: list[Shape], data: st.DataObject) -> None:
    groups = row_groups(shapes)
    places = [(group.file, row) for group in groups for row in range(group.rows)]
    dropped = data.draw(st.sets(st.integers(0, len(places) - 1), max_size=20)) if places else set()
    found = []
    for unit in units(groups, dropped=sorted(dropped)):
        rows = [(piece.file, piece.first_row + row) for piece in unit.pieces for row in range(piece.rows)]
        found += [rows[offset] for offset in np.flatnonzero(unit.marks())]
    assert sorted(found) == sorted(places[row] for row in dropped)


def some_files(sizes: st.SearchStrategy[int]) -> st.SearchStrategy[list[Shape]]:
    """Files of one row group each, (rows, bytes a picture)."""
    return st.lists(st.tuples(sizes, st.integers(100, 50_000)), min_size=1, max_size=40)


@settings(max_examples=300)
@given(
    large=some_files(st.integers(1, 50_000)),
    small=some_files(st.just(1)),
    repeat=st.integers(1, 50),
    slots=st.integers(1, 16),
    by_bytes=st.booleans(),
)
def test_no_slot_idles_more_than_a_fifth_of_the_run_whether_bytes_cost_or_pictures(
    large: list[Shape], small: list[Shape], repeat: int, slots: int, by_bytes: bool
) -> None:
    shapes = [(rows, rows * size) for rows, size in [*large, *small * repeat]]
    rows, size_bytes = (sum(column) for column in zip(*shapes, strict=True))
    largest = max(size / rows for rows, size in shapes)
    # A picture is not cut, a unit has 64 of one row group, and a row group is not cut into more than 16.
    assume(LEAST_ROWS * (1 / rows + largest / size_bytes) < 1 / (6 * slots))
    assume(slots <= MOST_PARTS // 4 or (max(s for _, s in shapes) < size_bytes / 2 and max(shapes)[0] < rows / 2))
    costs = [unit.size_bytes if by_bytes else unit.rows for unit in units(row_groups(shapes), slots=slots)]
    assert max(idle_shares(costs, slots)) <= 0.2


def test_a_hundred_thousand_files_of_one_row_make_few_units() -> None:
    found = units(row_groups([(1, 30_000)] * 100_000), slots=8)
    assert 96 <= len(found) <= 200


def test_a_unit_that_holds_several_pieces_holds_those_of_a_file_side_by_side() -> None:
    groups = [RowGroup(file, number, 10 * number, 10, 1_000) for file in "abc" for number in range(300)]
    for unit in units(groups, slots=1):
        files = [piece.file for piece in unit.pieces]
        assert files == sorted(files)


def test_units_come_largest_first_and_are_numbered_in_that_order() -> None:
    found = units(row_groups([(100, 2_000_000), (100, 4_000_000), (100, 3_000_000)]), slots=1)
    assert [unit.size_bytes for unit in found] == sorted((unit.size_bytes for unit in found), reverse=True)
    assert [unit.unit_id for unit in found] == [f"{number:06d}" for number in range(len(found))]


@pytest.mark.parametrize("slots", [1, 2, 8])
def test_a_large_catalogue_gives_each_slot_several_units(slots: int) -> None:
    assert len(units(row_groups([(1_000, 30_000_000)] * 100), slots=slots)) >= 12 * slots


def test_row_groups_are_not_cut_below_64_rows() -> None:
    found = units(row_groups([(4 * LEAST_ROWS, 100_000_000)]), slots=100)
    assert [unit.rows for unit in found] == [LEAST_ROWS] * 4


@pytest.mark.parametrize("slots", [1, 3, 5, 7, 16, 40])
def test_a_single_large_row_group_is_shared_evenly(slots: int) -> None:
    found = units(row_groups([(100_000, 3_000_000_000)]), slots=slots)
    assert max(idle_shares([unit.rows for unit in found], slots)) < 0.01


def test_a_large_row_group_is_named_with_the_cure(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="vitrine.catalog.units"):
        units(row_groups([(1_000, 10_000_000), (9_000, 900_000_000)]))
    (line,) = caplog.messages
    assert "1.parquet" in line
    assert "64 to 256 MB" in line


def test_what_must_be_read_for_some_rows_is_from_the_first_to_the_last_of_each_piece() -> None:
    pieces = (Piece("a", 0, 5, 10, 5), Piece("a", 2, 0, 4, 40), Piece("b", 0, 0, 6, 0))
    versions = np.arange(100, 120)
    found = narrowed(Unit("7", pieces, 1, b"\1" * 20, versions.tobytes()), [("a", 7), ("b", 1), ("a", 9), ("b", 3)])
    assert found.pieces == (Piece("a", 0, 7, 3, 7), Piece("b", 0, 1, 3, 1))
    assert np.frombuffer(found.versions, np.int64).tolist() == [102, 103, 104, 115, 116, 117]
    assert not found.marks().any()
