"""Searches that answer products, each once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from vitrine.embedding import Vectors
from vitrine.index import schema
from vitrine.index.filters import where
from vitrine.index.rows import Row
from vitrine.index.store import MAX_ROWS, Found, Store

WIDER = 4
STORED_FIELDS = tuple(field.name for field in schema.PICTURE_FIELDS)


@dataclass(frozen=True, slots=True)
class Hit:
    """One product of an answer: its best picture, and the cosine between that and the query."""

    product_id: str
    image_id: str
    score: float
    version: int
    title: str
    category: str
    brand: str
    price: float
    in_stock: bool
    attributes: dict[str, str]
    image_uri: str
    image_sha256: str


HIT_FIELDS = tuple(name for name in Hit.__slots__ if name != "score")


def search(
    store: Store,
    collection: str,
    vectors: Vectors,
    k: int,
    *,
    filter: str = "",
) -> list[list[Hit]]:
    """For each of the (n, dim) vectors up to `k` products, best first, each with its best picture.

    Fewer only where the rows that pass `filter` hold fewer products (or 16,384 rows hold fewer).
    """
    answers: dict[int, list[Hit]] = {}
    limit = min(max(2 * k, 16), MAX_ROWS)
    while missing := [i for i in range(len(vectors)) if i not in answers]:
        found = store.search(collection, vectors[missing], limit, fields=HIT_FIELDS, matching=filter)
        for i, rows in zip(missing, found, strict=True):
            hits = _products(rows)
            if len(hits) >= k or len(rows) < limit or limit == MAX_ROWS:
                answers[i] = hits[:k]
        limit = min(limit * WIDER, MAX_ROWS)
    return [answers[i] for i in range(len(vectors))]


def nearest(
    store: Store, collection: str, vectors: Vectors, k: int, *, filter: str = "", without: Collection[str] = ()
) -> list[Hit]:
    """The `k` products nearest to any of the (n, dim) vectors, best first, but for those `without`.

    Each vector asks for `k` and those left out; a product's best answer counts.
    """
    best: dict[str, Hit] = {}
    for hits in search(store, collection, vectors, k + len(without), filter=filter):
        for hit in hits:
            if hit.product_id not in without:
                best[hit.product_id] = max(best.get(hit.product_id, hit), hit, key=lambda one: one.score)
    return sorted(best.values(), key=lambda hit: -hit.score)[:k]


def vectors_of_pictures(store: Store, collection: str, image_ids: Sequence[str]) -> Vectors:
    """The vectors of pictures, (n, dim) float32 in their order; zeros for one that is not there any more."""
    fields = [schema.IMAGE_ID, schema.VECTOR]
    rows = store.query(collection, where(schema.IMAGE_ID, image_ids), fields=fields) if image_ids else []
    found = {row[schema.IMAGE_ID]: np.asarray(row[schema.VECTOR], dtype=np.float32) for row in rows}
    missing = np.zeros(next(map(len, found.values()), 0), dtype=np.float32)
    return np.array([found.get(image_id, missing) for image_id in image_ids], dtype=np.float32)


def vectors_of(store: Store, collection: str, product_id: str) -> list[Row]:
    """The rows of a product with all their fields, by position; vectors are (dim,) float32. Empty if unknown."""
    rows = store.query(collection, where(schema.PRODUCT_ID, product_id), fields=STORED_FIELDS)
    arrays = [{**row, schema.VECTOR: np.asarray(row[schema.VECTOR], dtype=np.float32)} for row in rows]
    return sorted(arrays, key=lambda row: cast(int, row[schema.POSITION]))


def _products(rows: Sequence[Found]) -> list[Hit]:
    best: dict[str, Hit] = {}
    for score, row in rows:
        hit = Hit(score=score, **row)  # type: ignore[arg-type]
        best.setdefault(hit.product_id, hit)
    return list(best.values())
