"""Which products of a category are met most often."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import pyarrow as pa

from vitrine.index import schema
from vitrine.index.filters import where
from vitrine.index.recommendations import KEYS_PER_QUERY, Related
from vitrine.index.staged import read
from vitrine.index.store import Store

POPULAR = 50
"""Popular products that are kept of each category."""

Ranked = list[tuple[int, str]]


def popular_products(store: Store, products: str, supports: Sequence[str], k: int = POPULAR) -> Iterator[Related]:
    """The `k` products of each category with the highest support, of equal ones by id, each with its place.

    `supports` are Parquet files of product_id and support, a row a product, in any order; `products` is the
    collection that knows the categories. Products without rows there are not counted. Memory holds a few hundred
    products of each category.
    """
    best: dict[str, Ranked] = defaultdict(list)
    for batch in read(supports, [schema.PRODUCT_ID, schema.SUPPORT]):
        for start in range(0, len(batch), KEYS_PER_QUERY):
            for category, counted in _in_categories(store, products, batch.slice(start, KEYS_PER_QUERY)):
                best[category].append(counted)
                if len(best[category]) >= 4 * k:
                    best[category] = sorted(best[category])[:k]
    for category, ranked in best.items():
        for rank, (negated, product_id) in enumerate(sorted(ranked)[:k], 1):
            yield Related(product_id, -negated, popular_in=category, popular_rank=rank)


def _in_categories(store: Store, products: str, batch: pa.RecordBatch) -> Iterator[tuple[str, tuple[int, str]]]:
    """Each served product with its category, as (-support, product_id): the most popular sorts first."""
    supports = dict(zip(*(batch.column(name).to_pylist() for name in batch.schema.names), strict=True))
    supports.pop(None, None)
    if not supports:
        return
    rows = store.query(products, where(schema.PRODUCT_ID, list(supports)), fields=[schema.PRODUCT_ID, schema.CATEGORY])
    categories = {str(row[schema.PRODUCT_ID]): str(row[schema.CATEGORY]) for row in rows}
    for product_id, category in categories.items():
        yield category, (-supports[product_id], product_id)
