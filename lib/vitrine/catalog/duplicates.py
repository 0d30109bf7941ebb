"""Which rows of the catalogue count: a product's newest version, and of equal rows the later."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vitrine.catalog.keys import Keys


@dataclass(frozen=True, slots=True)
class Settled:
    """For each of n rows: `dropped` (n,) bool, superseded; `versions` (n,) int64, the maximum of its product."""

    dropped: NDArray[np.bool_]
    versions: NDArray[np.int64]


def settle(keys: Keys, *, version_of: str, max_images: int, deleted: Mapping[str, int]) -> Settled:
    """Settle versions and duplicates of all rows.

    `version_of` product: rows below their product's highest version are dropped; picture: the highest version of
    each position stays. Of rows of equal product, position and version the last stays. Rows at or below the
    version of their product's delete are dropped. A row without a usable id is never dropped and drops nothing; one
    without a usable position is dropped for its version only.
    """
    codes, products = _codes(keys.ids)
    usable = codes >= 0
    newest = np.full(products + 1, np.iinfo(np.int64).min)
    np.maximum.at(newest, codes, keys.versions)
    newest = newest[codes]
    dropped = _is_deleted(keys, deleted)
    if version_of == "product":
        dropped |= usable & (keys.versions < newest)
    placed = usable & ~dropped & (keys.positions >= 0) & (keys.positions < max_images)
    rows = np.flatnonzero(placed)
    places = codes[rows] * max_images + keys.positions[rows]
    dropped[rows[_replaced(places, keys.versions[rows])]] = True
    return Settled(dropped, np.where(usable, newest, keys.versions))


def _codes(ids: pa.ChunkedArray) -> tuple[NDArray[np.int64], int]:
    """For each row a number of its product, -1 without a usable id, and how many products there are.

    By sorting, which takes half the memory of a hash table of all ids.
    """
    order = pc.sort_indices(ids).to_numpy()
    known = len(ids) - ids.null_count  # nulls come last
    ordered = ids.take(pa.array(order[:known]))
    changes = pc.not_equal(ordered.slice(1), ordered.slice(0, max(known - 1, 0)))
    codes = np.full(len(ids), -1)
    codes[order[:known]] = np.r_[0, np.cumsum(changes.to_numpy())][:known]
    return codes, int(codes.max(initial=-1)) + 1


def _is_deleted(keys: Keys, deleted: Mapping[str, int]) -> NDArray[np.bool_]:
    """Where `vitrine.product.deletion_wins`, for all rows at once."""
    if not deleted:
        return np.zeros(len(keys.versions), np.bool_)
    places = pc.index_in(keys.ids, value_set=pa.array(list(deleted), pa.large_string()))
    known: NDArray[np.bool_] = np.array(places.is_valid())
    deleted_at = np.fromiter(deleted.values(), np.int64)[places.fill_null(0).to_numpy()]
    known &= keys.versions <= deleted_at
    return known


def _replaced(places: NDArray[np.int64], versions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of all but the best of each place: the highest version, then the last."""
    order = np.lexsort((versions, places))
    ordered = places[order]
    replaced: NDArray[np.int64] = order[:-1][ordered[:-1] == ordered[1:]]
    return replaced
