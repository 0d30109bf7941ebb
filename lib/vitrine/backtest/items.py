"""Ids as numbers: the items of a training part, in the order that decides between equal scores."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vitrine.ranking import Indices


def distinct(ids: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The different ids as strings, by number where all are integers, else by letters."""
    unique = pc.unique(_flat(ids).cast(pa.string()))
    try:
        return unique.take(pc.sort_indices(unique.cast(pa.int64())))
    except pa.ArrowInvalid:
        return unique.take(pc.sort_indices(unique))


def numbers(ids: pa.Array | pa.ChunkedArray, known: pa.Array) -> Indices:
    """Places of `ids` in `known`, from 0; -1 for one that is not there."""
    places = pc.index_in(_flat(ids).cast(pa.string()), value_set=known)
    return np.asarray(pc.fill_null(places, -1), dtype=np.int64)


def _flat(ids: pa.Array | pa.ChunkedArray) -> pa.Array:
    return ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
