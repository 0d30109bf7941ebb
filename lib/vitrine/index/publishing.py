"""Recommendations into new collections, and behind their aliases: versioned and swapped like the products."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vitrine.index import collections, gates, gathering, schema
from vitrine.index.collections import Collection, Facts
from vitrine.index.load import finish
from vitrine.index.popularity import popular_products
from vitrine.index.recommendations import interest_row, related_row
from vitrine.index.rows import Row
from vitrine.index.schema import Contents
from vitrine.index.store import Store
from vitrine.settings import Milvus

ROW_OVERHEAD_BYTES = 500


@dataclass(frozen=True, slots=True)
class Published:
    """What an alias serves now: its rows, and the items cut off because a row holds 60 kB of them.

    `retired` names the older collections that were dropped.
    """

    collection: str
    rows: int
    cut_items: int
    retired: tuple[str, ...]


def publish_related(
    store: Store,
    milvus: Milvus,
    *,
    alias: str,
    related: Sequence[str],
    supports: Sequence[str],
    run: str,
    as_of: str,
) -> Published:
    """Serve what is bought together behind the alias.

    `related` are Parquet files of `related_items`, each sorted by product_id; `supports` of product_id and support,
    a row a product, for what is popular in the categories of the products that `milvus.alias` serves.

    Raises:
        BadInput: a file is not sorted, or an alias serves other contents.
        GateFailed: a row is missing; the alias stays where it is.
    """
    served = collections.current(store, milvus.alias, Contents.PRODUCTS)
    popular = popular_products(store, served.name, supports) if served else ()
    facts = Facts(alias, run, "", len(schema.CONSTANT_VECTOR), as_of, contents=Contents.RELATED)
    return _publish(store, milvus, facts, map(related_row, gathering.related(related, popular)))


def publish_users(
    store: Store,
    milvus: Milvus,
    *,
    alias: str,
    items: Sequence[str],
    tastes: Sequence[str],
    run: str,
    as_of: str,
) -> Published:
    """Serve what users may like behind the alias.

    `items` are Parquet files of `user_items`, `tastes` of `taste`, each sorted by user_hash. Without tastes the
    collection has a constant vector of two dimensions and no model id.

    Raises:
        BadInput: a file is not sorted, or the alias serves other contents.
        ModelMismatch: the tastes are of two models.
        GateFailed: a row is missing; the alias stays where it is.
    """
    model_id, dim = gathering.model_of(tastes)
    facts = Facts(alias, run, model_id, dim, as_of, contents=Contents.USERS)
    return _publish(store, milvus, facts, map(interest_row, gathering.interests(items, tastes, dim)))


def _publish(store: Store, milvus: Milvus, facts: Facts, rows: Iterable[tuple[Row, int]]) -> Published:
    collections.drop_attempts(store, facts.alias, facts.run)
    made = collections.create(store, facts)
    try:
        count, cut = _fill(store, made, rows, insert_bytes=milvus.insert_bytes)
        finish(store, made.name)
        gates.count(store, made.name, count)
        collections.swap(store, facts.alias, made.name)
    except BaseException:
        collections.abandon(store, made)
        raise
    return Published(made.name, count, cut, tuple(collections.retire(store, facts.alias, milvus.keep)))


def _fill(store: Store, made: Collection, rows: Iterable[tuple[Row, int]], *, insert_bytes: int) -> tuple[int, int]:
    """Insert rows in calls of about `insert_bytes`; how many there were, and how many items were cut from them."""
    count = cut = size_bytes = 0
    waiting: list[Row] = []
    for row, cut_items in rows:
        row_bytes = ROW_OVERHEAD_BYTES + len(str(row[schema.ITEMS]).encode()) + 4 * made.facts.dim
        if waiting and size_bytes + row_bytes > insert_bytes:
            store.insert(made.name, waiting)
            waiting, size_bytes = [], 0
        waiting.append(row)
        count, cut, size_bytes = count + 1, cut + cut_items, size_bytes + row_bytes
    if waiting:
        store.insert(made.name, waiting)
    return count, cut
