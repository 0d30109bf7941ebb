"""Plain searches: what is near a vector or a stored product, and what is stored."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitrine.client import recommending
from vitrine.client.shop import UnknownProduct
from vitrine.client.sight import Sight
from vitrine.embedding import Vectors
from vitrine.errors import BadInput
from vitrine.index import schema
from vitrine.index.collections import Collection
from vitrine.index.filters import where
from vitrine.index.rows import Row
from vitrine.index.search import HIT_FIELDS, Hit, nearest, search, vectors_of


@dataclass(frozen=True, slots=True)
class Taste:
    """Whose taste puts hits into order, and how much it counts, from 0 to 1."""

    user: str | None
    weight: float


def nearest_to(sight: Sight, collection: Collection, vector: Vectors, k: int, matching: str, taste: Taste) -> list[Hit]:
    """The `k` products of the collection nearest to a (dim,) vector, in the order of the taste.

    Raises:
        BadInput: the vector has another dimension than the collection.
        ModelMismatch: the user's taste is of another model than the collection.
    """
    if vector.shape != (collection.facts.dim,):
        raise BadInput(f"the vector has shape {vector.shape}, {collection.name} holds ({collection.facts.dim},)")
    query = np.asarray(vector, dtype=np.float32)[np.newaxis]
    if taste.user is None:
        return search(sight.store, collection.name, query, k, filter=matching)[0]
    hits = search(sight.store, collection.name, query, recommending.pool(k), filter=matching)[0]
    return recommending.personal(sight.shop(collection), hits, taste.user, taste.weight)[:k]


def like_product(sight: Sight, product_id: str, k: int, matching: str) -> list[Hit]:
    """The `k` products nearest to any picture of a stored one, without itself.

    Raises:
        UnknownProduct: the product has no rows.
    """
    collection = sight.products()
    rows = vectors_of(sight.store, collection.name, product_id)
    if not rows:
        raise UnknownProduct(f"{collection.facts.alias} has no product {product_id!r}")
    queries = np.stack([np.asarray(row[schema.VECTOR], dtype=np.float32) for row in rows])
    return nearest(sight.store, collection.name, queries, k, filter=matching, without=[product_id])


def pictures_of(sight: Sight, product_id: str) -> list[Hit]:
    """The pictures of a stored product, by position.

    Raises:
        UnknownProduct: the product has no rows.
    """
    collection = sight.products()
    fields = [*HIT_FIELDS, schema.POSITION]
    rows = sight.store.query(collection.name, where(schema.PRODUCT_ID, product_id), fields=fields)
    if not rows:
        raise UnknownProduct(f"{collection.facts.alias} has no product {product_id!r}")
    return _hits(sorted(rows, key=lambda row: int(str(row[schema.POSITION]))))


def picture(sight: Sight, image_id: str) -> Hit:
    """A stored picture with its product.

    Raises:
        UnknownProduct: it is not stored.
    """
    collection = sight.products()
    rows = sight.store.query(collection.name, where(schema.IMAGE_ID, image_id), fields=HIT_FIELDS)
    if not rows:
        raise UnknownProduct(f"{collection.facts.alias} has no picture {image_id!r}")
    return _hits(rows)[0]


def rehearse(sight: Sight) -> Collection:
    """What is served, after it has answered a search and its model was there."""
    collection = sight.products()
    anywhere = np.eye(1, collection.facts.dim, dtype=np.float32)
    search(sight.store, collection.name, anywhere, 1)
    sight.embedder(collection)
    return collection


def _hits(rows: Sequence[Row]) -> list[Hit]:
    return [Hit(score=1.0, **{name: row[name] for name in HIT_FIELDS}) for row in rows]  # type: ignore[arg-type]
