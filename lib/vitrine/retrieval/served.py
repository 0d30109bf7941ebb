"""A collection that is served already, as a gallery: its vectors as they are, and its index beside exact search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from vitrine.embedding import Vectors
from vitrine.errors import BadInput, BadRecord
from vitrine.fetch import Fetcher
from vitrine.index import collections, schema
from vitrine.index.rows import Row
from vitrine.index.schema import Contents
from vitrine.index.store import Store
from vitrine.product import Product
from vitrine.quality import exact_neighbours
from vitrine.retrieval.labelled import Card, card
from vitrine.thumbnails import Thumbnails

K = 10
TIE = 1e-6
"""Scores this close are the same: rounding between two products of the same vectors."""
_FIELDS = (
    schema.IMAGE_ID, schema.PRODUCT_ID, schema.TITLE, schema.CATEGORY, schema.BRAND, schema.ATTRIBUTES,
    schema.IMAGE_SHA256, schema.IMAGE_URI, schema.VECTOR,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Served:
    """Rows of a collection in some order, without their vectors, and these apart: (m, dim) unit rows."""

    store: Store
    collection: str
    model_id: str
    rows: tuple[Row, ...]
    vectors: Vectors
    places: Mapping[str, int]

    def cards(self, columns: Sequence[str]) -> list[Card]:
        """What the rows say of their pictures.

        Raises:
            BadInput: none says anything of a label.
        """
        found = [card(_product(row), columns) for row in self.rows]
        for i, column in enumerate(columns):
            if not any(one.labels[i] for one in found):
                raise BadInput(f"no row of collection {self.collection} says {column}: set --label to what it has")
        return found

    def digests(self) -> list[str]:
        """The sha256 of each row's picture, as hex."""
        return [str(row[schema.IMAGE_SHA256]) for row in self.rows]

    def search(self, query: Vectors) -> list[str]:
        """The ten pictures that the index finds for a (dim,) vector, best first."""
        (found,) = self.store.search(self.collection, query[np.newaxis], K, fields=[schema.IMAGE_ID])
        return [str(row[schema.IMAGE_ID]) for _, row in found]

    def index_recall(self, queries: Vectors) -> float:
        """Share of the ten exact neighbours that the index finds; a row that scores as well as the tenth is one."""
        k = min(K, len(self.vectors))
        exact = exact_neighbours(queries, self.vectors, k)
        least = np.einsum("nd,nd->n", queries, self.vectors[exact[:, -1]]) - TIE
        found = 0
        for query, limit in zip(queries, least, strict=True):
            places = [self.places[image_id] for image_id in self.search(query)[:k] if image_id in self.places]
            found += int(np.count_nonzero(self.vectors[places] @ query >= limit))
        return found / (len(queries) * k)


def read(store: Store, alias: str) -> Served:
    """What the alias serves.

    Raises:
        BadInput: it serves nothing, or no products, or a collection without rows.
    """
    served = collections.current(store, alias, Contents.PRODUCTS)
    if served is None:
        raise BadInput(f"alias {alias} serves nothing: run jobs/reindex.py first, or name another milvus.alias")
    rows, vectors = list[Row](), list[Vectors]()
    for row in store.scan(served.name, fields=_FIELDS):
        vectors.append(np.asarray(row[schema.VECTOR], dtype=np.float32))
        rows.append({name: value for name, value in row.items() if name != schema.VECTOR})
    if not rows:
        raise BadInput(f"collection {served.name} is empty: reindex a catalogue first")
    table = np.stack(vectors)
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    places = {str(row[schema.IMAGE_ID]): i for i, row in enumerate(rows)}
    return Served(store, served.name, served.facts.model_id, tuple(rows), table, places)


class Shown:
    """Pictures of rows, for people: thumbnails where there are any, else from their addresses as far as allowed."""

    def __init__(self, served: Served, thumbnails: Thumbnails | None, web: Fetcher) -> None:
        self._rows = served.rows
        self._thumbnails = thumbnails
        self._web = web

    def read(self, i: int) -> bytes | None:
        """The picture of the `i`-th row, or None."""
        row = self._rows[i]
        small = self._thumbnails.read(str(row[schema.IMAGE_SHA256])) if self._thumbnails else None
        if small or not row[schema.IMAGE_URI]:
            return small
        try:
            return self._web.read(str(row[schema.IMAGE_URI]))
        except BadRecord:
            return None


def _product(row: Row) -> Product:
    return Product(
        product_id=str(row[schema.PRODUCT_ID]),
        title=str(row[schema.TITLE]),
        category=str(row[schema.CATEGORY]),
        brand=str(row[schema.BRAND]),
        attributes=cast(dict[str, str], row[schema.ATTRIBUTES]),
    )
