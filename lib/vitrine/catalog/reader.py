"""Pictures of the catalogue, unit by unit, in file order and bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vitrine.catalog.columns import Layout, is_scalar, is_wrapped
from vitrine.catalog.rows import positions, products, texts
from vitrine.catalog.sources import open_parquet, partition_values, readable, shown
from vitrine.catalog.units import Piece, Unit
from vitrine.errors import BadInput, BadRecord
from vitrine.product import Product, Reason, Reject, check_product_id

BATCH_BYTES = 16_000_000
BATCH_ROWS = 64


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of the catalogue as it was read.

    `row` counts within the file. `data` are inline bytes, `uri` is the address where the catalogue has addresses.
    With a reject the picture cannot be used; a duplicate is superseded by another row, and its data is not read.
    """

    product: Product
    position: int
    file: str
    row: int
    data: bytes | None
    uri: str
    reject: Reject | None
    duplicate: bool


def read(unit: Unit, columns: Layout) -> Iterator[Picture]:
    """Read the pictures of a unit in file order, holding about 16 MB of them and the pages they stand in.

    Each row gives at least one picture, a row with a list one for each entry.

    Raises:
        BadInput: a file is broken or is not the one that was planned.
        Unavailable: its store did not answer.
    """
    marks, versions, offset = unit.marks(), np.frombuffer(unit.versions, np.int64), 0
    for file, pieces in groupby(unit.pieces, key=lambda piece: piece.file):
        partitions = partition_values(file, columns.partitions)
        with readable(file), open_parquet(file, streamed=True) as parquet:
            for piece in pieces:
                row = piece.first_row
                of_piece = marks[offset : offset + piece.rows]
                for batch in _batches(parquet, piece, columns, pictures=not of_piece.all()):
                    part = slice(offset, offset + batch.num_rows)
                    arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
                    for name, value in partitions.items():
                        arrays[name] = pa.repeat(pa.scalar(value, pa.string()), batch.num_rows)
                    stated = versions[part].tolist() if unit.versions else None
                    rows = _Rows(shown(file), row, batch.num_rows, arrays, marks[part].tolist(), stated)
                    yield from _pictures(rows, columns)
                    row, offset = row + batch.num_rows, part.stop


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a file that were read together; `first_row` counts within it."""

    file: str
    first_row: int
    rows: int
    arrays: dict[str, pa.Array]
    dropped: list[bool]
    versions: list[int] | None


def _pictures(rows: _Rows, columns: Layout) -> Iterator[Picture]:
    stated = products(rows.arrays, columns, versions=rows.versions)
    entries = _entries(rows.arrays.get(columns.picture, pa.nulls(rows.rows, pa.binary())), columns)
    of_rows = zip(stated, positions(rows.arrays, columns), entries.bounds, rows.dropped, strict=False)
    for row, (product, position, (start, stop), duplicate) in enumerate(of_rows, rows.first_row):
        unusable = None if duplicate else _unusable(product)
        for index in range(start, max(stop, start + 1)):
            place, data, uri = position + index - start, None, ""
            reject = unusable or (None if duplicate else _misplaced(place, columns))
            if not duplicate and reject is None:
                data, uri = entries.content(index if index < stop else None)
                reject = None if data or uri else Reject(Reason.MISSING, f"nothing in {columns.picture}")
            yield Picture(product, place, rows.file, row, data, uri, reject, duplicate)


@dataclass(frozen=True, slots=True)
class _Entries:
    """The pictures of a batch: which entries each row has, and their bytes or addresses."""

    bounds: list[tuple[int, int]]
    images: pa.Array | None
    uris: list[str | None]

    def content(self, index: int | None) -> tuple[bytes | None, str]:
        """Bytes and address of an entry, nothing where a row has none."""
        if index is None:
            return None, ""
        if self.images is None:
            return None, self.uris[index] or ""
        return self.images[index].as_py() or None, ""


def _entries(column: pa.Array, layout: Layout) -> _Entries:
    if layout.is_list:
        edges = [0, *pc.cumulative_sum(pc.fill_null(pc.list_value_length(column), 0)).to_pylist()]
        column = pc.list_flatten(column)
    else:
        edges = list(range(len(column) + 1))
    bounds = list(pairwise(edges))
    if not layout.is_inline:
        return _Entries(bounds, None, texts(column))
    return _Entries(bounds, pc.struct_field(column, "bytes") if is_wrapped(column.type) else column, [])


def _unusable(product: Product) -> Reject | None:
    try:
        check_product_id(product.product_id)
    except BadRecord as error:
        return Reject(Reason(error.reason), error.detail)
    return None


def _misplaced(position: int, layout: Layout) -> Reject | None:
    if position < 0:
        return Reject(Reason.BAD_POSITION, "position is null or negative")
    if position >= layout.max_images:
        return Reject(Reason.TOO_MANY_IMAGES, f"position {position}, at most {layout.max_images} pictures")
    return None


def _batches(parquet: pq.ParquetFile, piece: Piece, layout: Layout, *, pictures: bool) -> Iterator[pa.RecordBatch]:
    """The rows of a piece, exactly; pyarrow reads a row group from its start."""
    stop, before = piece.start + piece.rows, 0
    if not _is_as_planned(parquet, piece, layout):
        raise BadInput(f"{shown(piece.file)} has changed since it was planned: start a new run")
    batches = parquet.iter_batches(
        batch_size=_batch_rows(parquet.metadata.row_group(piece.row_group)),
        row_groups=[piece.row_group],
        columns=_wanted(parquet.schema_arrow, layout, pictures=pictures),
        use_threads=False,
    )
    for batch in batches:
        first, last = max(piece.start - before, 0), min(stop - before, batch.num_rows)
        if first < last:
            yield batch.slice(first, last - first)
        before += batch.num_rows
        if before >= stop:
            return


def _is_as_planned(parquet: pq.ParquetFile, piece: Piece, layout: Layout) -> bool:
    metadata, names = parquet.metadata, {*parquet.schema_arrow.names, *layout.partitions}
    has_rows = piece.row_group < metadata.num_row_groups
    has_rows = has_rows and piece.start + piece.rows <= metadata.row_group(piece.row_group).num_rows
    return has_rows and layout.named <= names


def _batch_rows(group: pq.RowGroupMetaData) -> int:
    chunks = (group.column(number) for number in range(group.num_columns))
    size_bytes = sum(chunk.total_uncompressed_size for chunk in chunks)
    rows: int = BATCH_BYTES * group.num_rows // max(size_bytes, 1)
    return max(1, min(BATCH_ROWS, rows))


def _wanted(schema: pa.Schema, layout: Layout, *, pictures: bool) -> list[str]:
    """The columns to read: those with a meaning and attributes; a list is read anyway, for its length."""
    used = layout.named - {layout.picture, *layout.partitions}
    others = {field.name for field in schema if is_scalar(field.type)} - {layout.picture, *layout.partitions}
    if not pictures and not layout.is_list:
        return sorted(used | others)
    wrapped = is_wrapped(schema.field(layout.picture).type)
    return [f"{layout.picture}.bytes" if wrapped else layout.picture, *sorted(used | others)]
