"""What the recommendation job wrote as Parquet, gathered into one value a row of a collection."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import merge
from itertools import groupby
from operator import itemgetter

import numpy as np

from vitrine.errors import ModelMismatch
from vitrine.index import schema
from vitrine.index.merging import Row, groups
from vitrine.index.recommendations import Interest, Item, Related
from vitrine.index.staged import read

RELATED_COLUMNS = ("related_id", "score", "rank", "pair_count", "support", "related_support")
ITEM_COLUMNS = ("product_id", "score", "rank")
TASTE_COLUMNS = ("interest", "weight", "vector", "model_id")


def related(files: Sequence[str], popular: Iterable[Related]) -> Iterator[Related]:
    """A value for each product that has related ones or is popular, from files of `related_items`.

    Raises:
        BadInput: a file is not sorted by product_id.
    """
    places = {one.product_id: one for one in popular}
    for product_id, rows in groups(files, "product_id", RELATED_COLUMNS):
        pairs = sorted(rows, key=itemgetter("rank"))
        items = tuple(map(_paired, pairs))
        yield replace(places.pop(product_id, Related(product_id, 0)), support=pairs[0]["support"], items=items)
    yield from places.values()


def interests(items: Sequence[str], tastes: Sequence[str], dim: int) -> Iterator[Interest]:
    """The interests of each user, from files of `user_items` and `taste`; the items stand with interest 0.

    Raises:
        BadInput: a file is not sorted by user_hash.
    """
    listed = ((user_hash, 0, rows) for user_hash, rows in groups(items, "user_hash", ITEM_COLUMNS))
    tasted = ((user_hash, 1, rows) for user_hash, rows in groups(tastes, "user_hash", TASTE_COLUMNS))
    for user_hash, parts in groupby(merge(listed, tasted, key=itemgetter(0, 1)), itemgetter(0)):
        found = {what: list(rows) for _, what, rows in parts}
        ranked = sorted((Item(**item) for item in _stated(found.get(0, []), ITEM_COLUMNS)), key=lambda item: item.rank)
        yield from _of_user(user_hash, tuple(ranked), _stated(found.get(1, []), TASTE_COLUMNS), dim)


def model_of(tastes: Sequence[str]) -> tuple[str, int]:
    """Model and dimension of the vectors in files of `taste`; an empty id and 2 where there are none.

    Raises:
        ModelMismatch: they are of two models.
    """
    model_id, dim = "", len(schema.CONSTANT_VECTOR)
    for batch in read(tastes, ["model_id", schema.VECTOR]):
        for found in batch.column("model_id").unique().to_pylist():
            if model_id not in {"", found}:
                raise ModelMismatch("taste", found=found, wanted=model_id)
            model_id, dim = found, len(batch.column(schema.VECTOR)[0])
    return model_id, dim


def _of_user(user_hash: str, items: tuple[Item, ...], tastes: Iterable[Row], dim: int) -> Iterator[Interest]:
    by_interest = {taste["interest"]: taste for taste in tastes}
    if 0 not in by_interest:
        yield Interest(user_hash, 0, items, 0.0, np.eye(1, dim, dtype=np.float32)[0])
    for interest, taste in sorted(by_interest.items()):
        vector = np.asarray(taste["vector"], dtype=np.float32)
        yield Interest(user_hash, interest, items if interest == 0 else (), taste["weight"], vector)


def _paired(pair: Row) -> Item:
    return Item(pair["related_id"], pair["score"], pair["rank"], pair["pair_count"], pair["related_support"])


def _stated(rows: Iterable[Row], columns: Sequence[str]) -> list[Row]:
    return [{name: row[name] for name in columns} for row in rows]
