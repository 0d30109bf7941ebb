"""Units of work: the catalogue cut into pieces of row groups, and those put together to about equal shares."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vitrine.catalog.columns import Layout
from vitrine.catalog.sources import shown

logger = logging.getLogger(__name__)

UNITS_PER_SLOT = 12
"""A unit is then at most a sixth of a slot's bytes and rows, so the slots end within a sixth of the run."""
LEAST_ROWS = 64
MOST_ROWS = 20_000
MOST_BYTES = 256_000_000
MOST_PARTS = 16
"""Of one row group: each part reads the row group from its start, which is 7.5 times its bytes for 16 parts. A process
reads 2.5 GB in a second and embeds 6 MB of pictures (the bundled network on a CPU), so that is 2 % of the work; it is a
quarter where a process reads 180 MB/s."""
FETCHED_BYTES = 30_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A row range inside one row group: `start` counts within it, `first_row` is the same row within the file."""

    file: str
    row_group: int
    start: int
    rows: int
    first_row: int


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of work: row ranges, those of one file side by side.

    Two arrays over its rows, as bytes: `dropped` holds booleans, true for a row that is a duplicate; `versions`, only
    with columns.version_of = picture, the int64 version of each row's product. Empty where there is nothing to say.
    """

    unit_id: str
    pieces: tuple[Piece, ...]
    size_bytes: int
    dropped: bytes
    versions: bytes

    @property
    def rows(self) -> int:
        """Rows of all pieces."""
        return sum(piece.rows for piece in self.pieces)

    def marks(self) -> NDArray[np.bool_]:
        """For each row whether it is dropped."""
        return np.frombuffer(self.dropped, np.bool_) if self.dropped else np.zeros(self.rows, np.bool_)


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One row group of the catalogue; `first_row` counts within its file, `size_bytes` is what its pictures weigh."""

    file: str
    number: int
    first_row: int
    rows: int
    size_bytes: int


def row_groups(file: str, metadata: pq.FileMetaData, layout: Layout) -> Iterator[RowGroup]:
    """The row groups of a file that have rows, by its footer."""
    first_row = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if group.num_rows:
            yield RowGroup(file, number, first_row, group.num_rows, _picture_bytes(group, layout))
        first_row += group.num_rows


def cut(
    groups: Sequence[RowGroup],
    *,
    slots: int,
    dropped: NDArray[np.bool_],
    versions: NDArray[np.int64] | None,
) -> tuple[Unit, ...]:
    """Cut row groups, in catalogue order, into units for `slots` that work side by side, largest first.

    Of two measures, a unit's share of all bytes and its share of all rows, the mean is about equal, so none is large
    whether bytes or pictures cost. `dropped` (n,) marks the catalogue's duplicates, `versions` (n,) are the versions
    that units carry.
    """
    whole = _Whole(groups, max(slots, 1))
    units, start = [], 0
    for pieces, load in _packed(groups, whole):
        stop = start + load.rows
        marks = dropped[start:stop]
        carried = b"" if versions is None else versions[start:stop].tobytes()
        unit = Unit("", pieces, round(load.size_bytes), marks.tobytes() if marks.any() else b"", carried)
        units.append((whole.share(load), unit))
        start = stop
    units.sort(key=lambda unit: -unit[0])
    return tuple(replace(unit, unit_id=f"{number:06d}") for number, (_, unit) in enumerate(units))


def narrowed(unit: Unit, places: Iterable[tuple[str, int]]) -> Unit:
    """What of a unit must be read for some rows, given as (shown file, row within it); none counts as a duplicate.

    Of each piece that has some it holds the rows from the first of them to the last.
    """
    wanted = sorted(places)
    pieces, versions, offset = [], b"", 0
    for piece in unit.pieces:
        low, high = piece.first_row, piece.first_row + piece.rows
        rows = [row - low for file, row in wanted if file == shown(piece.file) and low <= row < high]
        if rows:
            first, last = rows[0], rows[-1]
            part = replace(piece, start=piece.start + first, rows=last - first + 1, first_row=low + first)
            pieces.append(part)
            versions += unit.versions[8 * (offset + first) : 8 * (offset + last + 1)]
        offset += piece.rows
    return replace(unit, pieces=tuple(pieces), dropped=b"", versions=versions)


@dataclass(frozen=True, slots=True)
class _Load:
    """What some rows weigh."""

    rows: int
    size_bytes: float

    def __add__(self, other: "_Load") -> "_Load":
        return _Load(self.rows + other.rows, self.size_bytes + other.size_bytes)


class _Whole:
    """The whole catalogue, and how much of it a unit should be."""

    def __init__(self, groups: Sequence[RowGroup], slots: int) -> None:
        self._rows = max(sum(group.rows for group in groups), 1)
        self._bytes = max(sum(group.size_bytes for group in groups), 1)
        self.slots = slots
        self.aim = 1 / (UNITS_PER_SLOT * slots)

    def share(self, load: _Load) -> float:
        """The mean of its share of all rows and its share of all bytes."""
        return (load.rows / self._rows + load.size_bytes / self._bytes) / 2

    def holds(self, load: _Load) -> bool:
        """Whether it is not too much for one unit."""
        return self.share(load) <= self.aim and load.rows <= MOST_ROWS and load.size_bytes <= MOST_BYTES


def _packed(groups: Sequence[RowGroup], whole: _Whole) -> Iterator[tuple[tuple[Piece, ...], _Load]]:
    """Neighbouring pieces as units: as many as are not too much together, at least one."""
    waiting: list[Piece] = []
    load = _Load(0, 0)
    for group in groups:
        for start, stop in _ranges(group, whole):
            more = _Load(stop - start, group.size_bytes * (stop - start) / group.rows)
            if waiting and not whole.holds(load + more):
                yield tuple(waiting), load
                waiting, load = [], _Load(0, 0)
            waiting.append(Piece(group.file, group.number, start, stop - start, group.first_row + start))
            load += more
    if waiting:
        yield tuple(waiting), load


def _ranges(group: RowGroup, whole: _Whole) -> Iterator[tuple[int, int]]:
    share = whole.share(_Load(group.rows, group.size_bytes))
    wanted = max(ceil(share / whole.aim), ceil(group.size_bytes / MOST_BYTES))
    most = whole.slots * max(MOST_PARTS // whole.slots, 1)  # the same number for each slot
    parts = max(ceil(group.rows / MOST_ROWS), min(wanted, most, ceil(group.rows / LEAST_ROWS)))
    if parts > 1 and group.size_bytes > MOST_BYTES:
        _advise(group, parts)
    return pairwise(group.rows * part // parts for part in range(parts + 1))


def _advise(group: RowGroup, parts: int) -> None:
    facts = f"file={shown(group.file)} row_group={group.number} megabytes={group.size_bytes // 1_000_000}"
    advice = "write the file with row groups of 64 to 256 MB"
    logger.warning("large row group %s: %d units read it, each from its start; %s", facts, parts, advice)


def _picture_bytes(group: pq.RowGroupMetaData, layout: Layout) -> int:
    chunks = [group.column(number) for number in range(group.num_columns)]
    pictures = [chunk for chunk in chunks if f"{chunk.path_in_schema}.".startswith(f"{layout.picture}.")]
    if layout.is_inline:
        return sum(int(chunk.total_compressed_size) for chunk in pictures)
    return FETCHED_BYTES * sum(int(chunk.num_values) for chunk in pictures)
