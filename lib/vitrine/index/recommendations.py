"""Rows of the collections `related` and `users`: what they hold, and how they are read."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from vitrine.embedding import Vectors
from vitrine.index import schema
from vitrine.index.filters import where
from vitrine.index.rows import Row
from vitrine.index.store import Store

KEYS_PER_QUERY = 500
"""Products of one query: 500 times 32 pictures are within the 16,384 rows that Milvus answers."""
JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
RELATED_NAMES = tuple(field.name for field in schema.RELATED_FIELDS if field.name != schema.VECTOR)
USER_NAMES = tuple(field.name for field in schema.USER_FIELDS)


@dataclass(frozen=True, slots=True)
class Item:
    """A product of a ranked list, `rank` from 1; pairs and support are 0 in the list of a user."""

    product_id: str
    score: float
    rank: int
    pair_count: int = 0
    support: int = 0


@dataclass(frozen=True, slots=True)
class Related:
    """What is bought together with a product, best first, and in how many sessions the product is.

    `popular_rank` counts from 1 within the category `popular_in`; it is 0 for a product that is not among its most
    popular ones.
    """

    product_id: str
    support: int
    items: tuple[Item, ...] = ()
    popular_in: str = ""
    popular_rank: int = 0


@dataclass(frozen=True, slots=True)
class Interest:
    """What a user may like: a ranked list (with interest 0), and a taste.

    `vector` is (dim,) float32 of unit length, `weight` the decayed weight of the events behind it; a weight of 0
    says that there is no taste.
    """

    user_hash: str
    interest: int
    items: tuple[Item, ...]
    weight: float
    vector: Vectors


def fit_items(items: Iterable[Item], max_bytes: int = schema.ITEMS_MAX_BYTES) -> tuple[str, int]:
    """JSON of the items up to the first that does not fit into `max_bytes`, and how many are cut off.

    Milvus 2.3 takes only objects as JSON, so the list stands below the key `items`.
    """
    stated = [{name: getattr(item, name) for name in Item.__slots__} for item in items]
    whole = JSON.encode({schema.ITEMS: stated})
    if len(whole.encode()) <= max_bytes:
        return whole, 0
    ends = np.cumsum([len(JSON.encode(item).encode()) + len(",") for item in stated])
    kept = int(np.searchsorted(ends, max_bytes - len(JSON.encode({schema.ITEMS: []})) + len(","), side="right"))
    return JSON.encode({schema.ITEMS: stated[:kept]}), len(stated) - kept


def related_row(stated: Related) -> tuple[Row, int]:
    """The row as Milvus keeps it, and how many of its items had to be cut."""
    items, cut = fit_items(stated.items)
    row: Row = {
        schema.PRODUCT_ID: stated.product_id,
        schema.SUPPORT: stated.support,
        schema.POPULAR_IN: stated.popular_in,
        schema.POPULAR_RANK: stated.popular_rank,
        schema.ITEMS: items,
        schema.VECTOR: list(schema.CONSTANT_VECTOR),
    }
    return row, cut


def interest_row(stated: Interest) -> tuple[Row, int]:
    """The row as Milvus keeps it, and how many of its items had to be cut."""
    items, cut = fit_items(stated.items)
    row: Row = {
        schema.INTEREST_ID: f"{stated.user_hash}/{stated.interest}",
        schema.USER_HASH: stated.user_hash,
        schema.INTEREST: stated.interest,
        schema.WEIGHT: stated.weight,
        schema.ITEMS: items,
        schema.VECTOR: stated.vector,
    }
    return row, cut


def related(store: Store, collection: str, product_ids: Sequence[str]) -> dict[str, Related]:
    """The rows of these products, at most 500, by product; products without a row are not in it."""
    found = store.query(collection, where(schema.PRODUCT_ID, product_ids), fields=RELATED_NAMES)
    return {one.product_id: one for one in map(_related, found)}


def popular(store: Store, collection: str, category: str, k: int) -> list[str]:
    """The `k` most popular products of a category, best first; fewer where fewer are kept (50)."""
    matching = f"{where(schema.POPULAR_IN, category)} and {where(schema.POPULAR_RANK, range(1, k + 1))}"
    found = map(_related, store.query(collection, matching, fields=RELATED_NAMES))
    return [one.product_id for one in sorted(found, key=lambda one: one.popular_rank)]


def interests(store: Store, collection: str, user_hash: str) -> list[Interest]:
    """The rows of a user, by the number of the interest; empty for one that is not known."""
    found = store.query(collection, where(schema.USER_HASH, user_hash), fields=USER_NAMES)
    return sorted(map(_interest, found), key=lambda one: one.interest)


def _related(row: dict[str, Any]) -> Related:
    return Related(**{**row, schema.ITEMS: _items(row)})


def _interest(row: dict[str, Any]) -> Interest:
    return Interest(
        user_hash=row[schema.USER_HASH],
        interest=row[schema.INTEREST],
        items=_items(row),
        weight=row[schema.WEIGHT],
        vector=np.asarray(row[schema.VECTOR], dtype=np.float32),
    )


def _items(row: Row) -> tuple[Item, ...]:
    listed = cast(dict[str, list[dict[str, Any]]], row[schema.ITEMS])
    return tuple(Item(**item) for item in listed[schema.ITEMS])
