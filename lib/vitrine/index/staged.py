"""Reading the rows that workers staged as Parquet files, a bounded number at a time."""

from collections.abc import Iterator, Sequence
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from vitrine.embedding import Vectors
from vitrine.index import schema

READ_ROWS = 2_048


def read(files: Sequence[str], columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Batches of at most 2,048 rows of the files (paths or URIs), in order; all columns, or those named."""
    for name in files:
        with open_file(name) as file:
            yield from file.iter_batches(READ_ROWS, columns=list(columns) if columns else None)


def count_rows(files: Sequence[str]) -> int:
    """How many rows the files hold; reads their footers only."""
    total = 0
    for name in files:
        with open_file(name) as file:
            total += file.metadata.num_rows
    return total


def open_file(name: str) -> pq.ParquetFile:
    """The Parquet file at a path or URI; close it."""
    if "://" not in name:
        return pq.ParquetFile(name)
    filesystem, path = fs.FileSystem.from_uri(name)
    return pq.ParquetFile(path, filesystem=filesystem)


def vectors(batch: pa.RecordBatch) -> Vectors:
    """The vector column of a batch as (n, dim) float32, not copied."""
    values = batch.column(schema.VECTOR).flatten().to_numpy(zero_copy_only=False)
    return cast(Vectors, values.reshape(len(batch), -1))
