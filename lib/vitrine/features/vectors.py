"""Vectors as Arrow columns, and which of them can be used."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vitrine.embedding import Vectors

UNIT_TOLERANCE = 1e-3


def vector_column(vectors: Vectors) -> pa.Array:
    """(n, dim) float32 vectors as an Arrow list<float>, which Milvus imports and Parquet keeps exactly."""
    offsets = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(vectors).reshape(-1)))


def vector_matrix(column: pa.ChunkedArray, dim: int) -> Vectors:
    """Inverse of `vector_column`."""
    flat: Vectors = column.combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    return flat.reshape(len(column), dim)


def are_unit(vectors: Vectors) -> NDArray[np.bool_]:
    """For each of (n, dim) vectors whether it is finite and of length 1."""
    with np.errstate(invalid="ignore", over="ignore"):
        usable: NDArray[np.bool_] = np.abs(np.linalg.norm(vectors, axis=1) - 1) <= UNIT_TOLERANCE
    return usable
