"""Units of work: the catalogue cut into row ranges of about equal bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vitrine.catalog.columns import Layout

UNITS_PER_SLOT = 4
LEAST_ROWS = 64
MOST_ROWS = 20_000
MOST_BYTES = 256_000_000
FETCHED_BYTES = 30_000


@dataclass(frozen=True, slots=True)
class Unit:
    """One piece of work: a row range inside one row group of one file.

    `start` counts within the row group, `first_row` is the same row within the file. `dropped` are offsets within
    the unit, ascending, of rows that are duplicates. `versions`, only with columns.version_of = picture, gives the
    product's version for each row.
    """

    unit_id: str
    file: str
    row_group: int
    start: int
    rows: int
    first_row: int
    size_bytes: int
    dropped: tuple[int, ...]
    versions: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One row group of the catalogue: `first_row` counts within its file, `offset` within the catalogue."""

    file: str
    number: int
    first_row: int
    offset: int
    rows: int
    size_bytes: int


def row_groups(files: Sequence[tuple[str, pq.FileMetaData]], layout: Layout) -> Iterator[RowGroup]:
    """The row groups of all files in catalogue order, with what their pictures weigh by the footers."""
    offset = 0
    for file, metadata in files:
        first_row = 0
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            yield RowGroup(file, number, first_row, offset, group.num_rows, _picture_bytes(group, layout))
            first_row += group.num_rows
            offset += group.num_rows


def cut(
    groups: Sequence[RowGroup],
    *,
    slots: int,
    dropped: NDArray[np.bool_],
    versions: NDArray[np.int64] | None,
) -> tuple[Unit, ...]:
    """Cut row groups into units, largest first, so that each of `slots` gets several of about equal bytes.

    `dropped` (n,) marks the catalogue's duplicates, `versions` (n,) are the versions that units carry.
    """
    aim_bytes = min(sum(group.size_bytes for group in groups) / (UNITS_PER_SLOT * max(slots, 1)), MOST_BYTES)
    rows = np.flatnonzero(dropped)
    units = []
    for group in groups:
        for start, stop in _ranges(group, aim_bytes):
            offset, end = group.offset + start, group.offset + stop
            low, high = np.searchsorted(rows, (offset, end))
            unit = Unit(
                unit_id="",
                file=group.file,
                row_group=group.number,
                start=start,
                rows=stop - start,
                first_row=group.first_row + start,
                size_bytes=round(group.size_bytes * (stop - start) / group.rows),
                dropped=tuple((rows[low:high] - offset).tolist()),
                versions=None if versions is None else tuple(versions[offset:end].tolist()),
            )
            units.append(unit)
    units.sort(key=lambda unit: -unit.size_bytes)
    return tuple(replace(unit, unit_id=f"{number:06d}") for number, unit in enumerate(units))


def _ranges(group: RowGroup, aim_bytes: float) -> Iterator[tuple[int, int]]:
    row_bytes = max(group.size_bytes / max(group.rows, 1), 1)
    parts = ceil(group.rows / min(max(aim_bytes / row_bytes, LEAST_ROWS), MOST_ROWS))
    return pairwise(group.rows * part // parts for part in range(parts + 1) if parts)


def _picture_bytes(group: pq.RowGroupMetaData, layout: Layout) -> int:
    chunks = [group.column(number) for number in range(group.num_columns)]
    pictures = [chunk for chunk in chunks if f"{chunk.path_in_schema}.".startswith(f"{layout.picture}.")]
    if layout.is_inline:
        return sum(int(chunk.total_compressed_size) for chunk in pictures)
    return FETCHED_BYTES * sum(int(chunk.num_values) for chunk in pictures)
