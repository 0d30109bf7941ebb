"""Tastes: for each user the decayed mean of the vectors of what was viewed or bought."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vitrine.embedding import Vectors
from vitrine.index import schema
from vitrine.index.filters import where
from vitrine.index.merging import Row, groups
from vitrine.index.recommendations import KEYS_PER_QUERY
from vitrine.index.store import Store
from vitrine.storage import Directory

TASTE_SCHEMA = pa.schema(
    [
        (schema.USER_HASH, pa.string()),
        (schema.INTEREST, pa.int32()),
        (schema.VECTOR, pa.list_(pa.float32())),
        (schema.WEIGHT, pa.float64()),
        ("model_id", pa.string()),
    ]
)
FILE = "part-0.parquet"
EVENT_COLUMNS = ("product_id", "weight", "event_ts")
FIXED_POINT = 1 << 40
"""Weights are summed as integers of this fraction, so that no order of events changes a bit."""
PRODUCTS_PER_BATCH = 50_000
CACHED_VECTORS = 50_000

VectorsOf = Callable[[Collection[str]], Mapping[str, Vectors]]
Weights = dict[str, int]


@dataclass(frozen=True, slots=True)
class Tasted:
    """How many users have a taste now, and how many have none since no product of theirs has a vector."""

    users: int
    without: int


def write_tastes(
    events: Sequence[str],
    place: Directory,
    vectors_of: VectorsOf,
    *,
    model_id: str,
    now: datetime,
    half_life_days: float,
    users: Collection[str] | None = None,
) -> Tasted:
    """Write `part-0.parquet` with a taste for each user hash, or for those of `users`, in the order of hashes.

    `events` are Parquet files of cleaned events, each sorted by user_id; times without a zone are UTC. A user's taste
    is the unit vector of `sum(weight * 2 ** (-(now - event_ts) / half life) * vector of the product)`, each factor of
    age at most 1; its weight is the sum of what stands before the vectors that are there. Neither the order of events
    nor their files change a bit.

    Memory holds the events of 2,048 rows a file, the products of one user, and 50,000 vectors beside those of a batch
    of users that know 50,000 products, or of one user that knows more.

    Raises:
        BadInput: a file is not sorted by user_id.
    """
    known = count = 0
    cache = _Cache(vectors_of)
    with place.output(FILE) as stream, pq.ParquetWriter(stream, TASTE_SCHEMA) as writer:
        for batch in _batches(_weights(events, now, half_life_days, users)):
            rows = list(_tastes(batch, cache, model_id))
            writer.write_table(pa.Table.from_pylist(rows, schema=TASTE_SCHEMA))
            known, count = known + len(rows), count + len(batch)
    return Tasted(known, count - known)


def served_vectors(store: Store, collection: str) -> VectorsOf:
    """Looks products up in a collection: the unit mean of each one's pictures, (dim,) float32, where it has any."""

    def look(product_ids: Collection[str]) -> dict[str, Vectors]:
        wanted, found = sorted(product_ids), dict[str, Vectors]()
        for start in range(0, len(wanted), KEYS_PER_QUERY):
            some = where(schema.PRODUCT_ID, wanted[start : start + KEYS_PER_QUERY])
            rows = store.query(collection, some, fields=[schema.IMAGE_ID, schema.PRODUCT_ID, schema.VECTOR])
            pictures: dict[str, list[Any]] = {}
            for row in sorted(rows, key=lambda row: str(row[schema.IMAGE_ID])):
                pictures.setdefault(str(row[schema.PRODUCT_ID]), []).append(row[schema.VECTOR])
            found |= {one: _unit(np.sum(listed, axis=0, dtype=np.float64)) for one, listed in pictures.items()}
        return found

    return look


class _Cache:
    """Vectors of products that were asked for lately; a product without a vector is remembered too."""

    def __init__(self, vectors_of: VectorsOf) -> None:
        self._vectors_of = vectors_of
        self._kept: dict[str, Vectors | None] = {}

    def __call__(self, product_ids: Collection[str]) -> dict[str, Vectors | None]:
        found = {one: self._kept[one] for one in product_ids if one in self._kept}
        missing = [one for one in product_ids if one not in found]
        looked = self._vectors_of(missing) if missing else {}
        new = {one: looked.get(one) for one in missing}
        if len(self._kept) + len(new) > CACHED_VECTORS:
            self._kept.clear()
        if len(new) <= CACHED_VECTORS:
            self._kept |= new
        return found | new


def _weights(
    events: Sequence[str], now: datetime, half_life_days: float, users: Collection[str] | None
) -> Iterator[tuple[str, Weights]]:
    """Each user with the decayed weights of their products, in fixed point."""
    for user_hash, rows in groups(events, "user_id", EVENT_COLUMNS):
        if users is None or user_hash in users:
            weights: Weights = {}
            for row in rows:
                weight = row["weight"] * _age_factor(row, now, half_life_days)
                weights[row["product_id"]] = weights.get(row["product_id"], 0) + round(weight * FIXED_POINT)
            yield user_hash, weights


def _age_factor(row: Row, now: datetime, half_life_days: float) -> float:
    at = row["event_ts"]
    days = (now - (at if at.tzinfo else at.replace(tzinfo=UTC))).total_seconds() / 86_400
    return float(2 ** -(max(days, 0.0) / half_life_days))


def _batches(users: Iterator[tuple[str, Weights]]) -> Iterator[dict[str, Weights]]:
    batch: dict[str, Weights] = {}
    size = 0
    for user_hash, weights in users:
        batch[user_hash] = weights
        size += len(weights)
        if size >= PRODUCTS_PER_BATCH:
            yield batch
            batch, size = {}, 0
    if batch:
        yield batch


def _tastes(batch: dict[str, Weights], cache: _Cache, model_id: str) -> Iterator[Row]:
    vectors = cache({product_id for weights in batch.values() for product_id in weights})
    for user_hash, weights in batch.items():
        known = [(weight / FIXED_POINT, vectors[one]) for one, weight in sorted(weights.items()) if weight]
        held = [(weight, vector) for weight, vector in known if vector is not None]
        total = sum((weight * vector.astype(np.float64) for weight, vector in held), start=np.zeros(1))
        if np.any(total):
            weight = sum(weight for weight, _ in held)
            yield {
                "user_hash": user_hash,
                "interest": 0,
                "vector": _unit(total),
                "weight": weight,
                "model_id": model_id,
            }


def _unit(vector: NDArray[np.float64]) -> Vectors:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)
