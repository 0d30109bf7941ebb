"""From staged Parquet files into a collection, and until searches go through its index."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vitrine.index import schema
from vitrine.index.rows import Row
from vitrine.index.staged import read, vectors
from vitrine.index.store import Store

ROW_OVERHEAD_BYTES = 200
POLL_S = 1.0

logger = logging.getLogger(__name__)


def load_rows(
    store: Store,
    collection: str,
    files: Sequence[str],
    *,
    insert_bytes: int,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Insert the rows of staged Parquet files, in their order; returns how many.

    A call carries about `insert_bytes` at most, or one row. `progress` hears the number of rows of each call.
    """
    total = 0
    for batch in read(files):
        for rows in _calls(batch, insert_bytes):
            store.insert(collection, rows)
            total += len(rows)
            if progress:
                progress(len(rows))
    return total


def finish(store: Store, collection: str) -> None:
    """Flush, index, release and load a collection, and wait until no row is outside the index."""
    store.prepare(collection)
    while waiting := store.pending(collection):
        logger.info("indexing collection=%s pending_rows=%d", collection, waiting)
        time.sleep(POLL_S)


def _calls(batch: pa.RecordBatch, insert_bytes: int) -> Iterator[list[Row]]:
    ends = np.cumsum(_row_bytes(batch))
    start = 0
    while start < len(batch):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + insert_bytes, side="right")))
        yield _rows(batch.slice(start, stop - start))
        start = stop


def _row_bytes(batch: pa.RecordBatch) -> NDArray[np.int64]:
    sizes = np.full(len(batch), ROW_OVERHEAD_BYTES, dtype=np.int64)
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if pa.types.is_string(field.type):
            sizes += pc.binary_length(column).to_numpy(zero_copy_only=False)
    return np.asarray(sizes + vectors(batch)[0].nbytes)


def _rows(batch: pa.RecordBatch) -> list[Row]:
    rows = cast(list[Row], batch.drop_columns([schema.VECTOR]).to_pylist())
    for row, vector in zip(rows, vectors(batch), strict=True):
        row[schema.VECTOR] = vector
    return rows
