"""The key columns of the catalogue: ids, positions and versions of all rows, without their pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vitrine.catalog.columns import Layout, is_text, plain
from vitrine.catalog.sources import first_line, partition_values, shown
from vitrine.errors import BadInput
from vitrine.product import MAX_PRODUCT_ID_BYTES


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of n rows in catalogue order.

    `ids` is a large_string chunked array of n, null where the id cannot be used; `positions` is (n,) int8, outside
    0..max_images - 1 where the position cannot be used; `versions` is (n,) int64.
    """

    ids: pa.ChunkedArray
    positions: NDArray[np.int8]
    versions: NDArray[np.int64]


def join_keys(parts: Sequence[Keys]) -> Keys:
    """The keys of several files as one."""
    return Keys(
        pa.chunked_array([chunk for part in parts for chunk in part.ids.chunks], pa.large_string()),
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.versions for part in parts]),
    )


def read_keys(parquet: pq.ParquetFile, file: str, layout: Layout) -> Keys:
    """Read the key columns of an open file; use it inside `readable(file)`.

    Raises:
        BadInput: a version does not fit into int64 microseconds.
    """
    names = {layout.product_id, layout.position, layout.version} - {""}
    table = parquet.read(columns=sorted(names - set(layout.partitions)), use_threads=False)
    rows = parquet.metadata.num_rows
    columns = dict(zip(table.column_names, table.columns, strict=True))
    for name, value in partition_values(file, layout.partitions).items():
        columns[name] = pa.chunked_array([pa.repeat(pa.scalar(value, pa.string()), rows)])
    return Keys(
        _ids(columns[layout.product_id]),
        _positions(columns.get(layout.position), rows=rows, max_images=layout.max_images),
        _versions(columns.get(layout.version), rows=rows, place=f"{shown(file)}: column {layout.version}"),
    )


def as_ids(column: pa.Array) -> pa.Array:
    """Ids as large_string; text that is not UTF-8 is null."""
    if pa.types.is_integer(plain(column.type)):
        column = column.cast(plain(column.type))
    ids = column.cast(pa.large_string())
    try:
        ids.validate(full=True)
    except pa.ArrowInvalid:
        return pa.array([_decoded(value) for value in ids.cast(pa.large_binary()).to_pylist()], pa.large_string())
    return ids


def as_positions(column: pa.Array) -> NDArray[np.int64]:
    """Positions as int64, null and negative as -1, cut to what an int32 holds."""
    positions: NDArray[np.int64] = pc.fill_null(column.cast(pa.int64(), safe=False), -1).to_numpy()
    return np.clip(positions, -1, np.iinfo(np.int32).max)


def as_versions(column: pa.Array) -> pa.Array:
    """Versions as int64 without nulls, which become 0; times are microseconds since 1970 UTC.

    Raises:
        ArrowInvalid: a value does not fit.
    """
    kind = plain(column.type)
    column = column.cast(kind)
    if is_text(kind):
        return _stated_versions(column)
    if pa.types.is_temporal(kind):
        zone = kind.tz if pa.types.is_timestamp(kind) else None
        micros = pc.cast(column, options=pc.CastOptions(pa.timestamp("us", zone), allow_time_truncate=True))
        column = micros.cast(pa.int64())
    return pc.fill_null(column.cast(pa.int64()), 0)


def _stated_versions(column: pa.Array) -> pa.Array:
    """Versions of a path's partition: whole numbers or dates."""
    try:
        return pc.fill_null(column.cast(pa.int64()), 0)
    except pa.ArrowInvalid:
        return as_versions(column.cast(pa.timestamp("us")))


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _ids(column: pa.ChunkedArray) -> pa.ChunkedArray:
    chunks = []
    for chunk in column.chunks:
        ids = as_ids(chunk)
        size = pc.binary_length(ids)
        usable = pc.and_(pc.greater(size, 0), pc.less_equal(size, MAX_PRODUCT_ID_BYTES))
        chunks.append(pc.if_else(usable, ids, pa.scalar(None, pa.large_string())))
    return pa.chunked_array(chunks, pa.large_string())


def _positions(column: pa.ChunkedArray | None, *, rows: int, max_images: int) -> NDArray[np.int8]:
    if column is None:
        return np.zeros(rows, np.int8)
    return np.clip(as_positions(column), -1, max_images).astype(np.int8)


def _versions(column: pa.ChunkedArray | None, *, rows: int, place: str) -> NDArray[np.int64]:
    if column is None:
        return np.zeros(rows, np.int64)
    try:
        versions: NDArray[np.int64] = as_versions(column).to_numpy()
    except pa.ArrowInvalid as error:
        raise BadInput(f"{place} holds what is no version (int64 or time): correct it ({first_line(error)})") from error
    return versions
