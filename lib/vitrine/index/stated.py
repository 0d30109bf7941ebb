"""What a view states of products: their rows and what the ledger says, read so that no earlier write is missed."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import cast

import numpy as np

from vitrine.index import ledger, schema
from vitrine.index.collections import Collection
from vitrine.index.filters import where
from vitrine.index.ledger import LedgerRow
from vitrine.index.rows import Row
from vitrine.index.store import Store
from vitrine.product import deletion_wins

STRONG = True
"""A guard that reads less than everything written before would let an older event overwrite a newer one."""
PRODUCTS_PER_CALL = 128
"""At 32 pictures of 2,048 dimensions a call answers 34 MB."""

READERS = 4
"""Calls at once."""

_FIELDS = (schema.IMAGE_ID, schema.PRODUCT_ID, schema.VERSION, schema.IMAGE_SHA256, schema.IMAGE_URI)
_LEDGER_FIELDS = tuple(name for name in schema.LEDGER.names if name != schema.VECTOR)


@dataclass(frozen=True, slots=True)
class Stated:
    """What a view states of one product; nothing at all of one that it does not know.

    `rows` are by key and hold key, product, version, hash and address of each picture; vectors, (dim,) float32, only
    where they were asked for.
    """

    product_id: str
    rows: Mapping[str, Row] = field(default_factory=dict)
    ledger: LedgerRow | None = None

    @property
    def version(self) -> int | None:
        """The higher of its rows' and its ledger row's; None if the product is not known."""
        return max(self._versions, default=None)

    @property
    def deleted(self) -> bool:
        """Whether the product is deleted; rows that a delete has still to remove may be there."""
        if self.ledger is None or not self.ledger.deleted:
            return False
        return deletion_wins(max(self._versions), self.ledger.version)

    @property
    def _versions(self) -> list[int]:
        said = [cast(int, row[schema.VERSION]) for row in self.rows.values()]
        return [*said, self.ledger.version] if self.ledger else said


def read(
    store: Store, collection: Collection, product_ids: Sequence[str], *, vectors: bool = False
) -> dict[str, Stated]:
    """What the view states of each of these products, Strong; their order is kept."""
    fields = (*_FIELDS, schema.VECTOR) if vectors else _FIELDS
    calls = [product_ids[start : start + PRODUCTS_PER_CALL] for start in range(0, len(product_ids), PRODUCTS_PER_CALL)]
    # Each Strong read waits for the server's next tick, 0.1 s on average: they wait for it together.
    with ThreadPoolExecutor(READERS) as pool:
        exceptions = pool.map(partial(_asked, store, collection.ledger, _LEDGER_FIELDS), calls)
        answers = pool.map(partial(_asked, store, collection.name, fields), calls)
        told = {row.product_id: row for answer in exceptions for row in map(ledger.from_row, answer)}
        rows: dict[str, dict[str, Row]] = {product_id: {} for product_id in product_ids}
        for row in chain.from_iterable(answers):
            rows[cast(str, row[schema.PRODUCT_ID])][cast(str, row[schema.IMAGE_ID])] = row
    return {product_id: Stated(product_id, rows[product_id], told.get(product_id)) for product_id in product_ids}


def _asked(store: Store, collection: str, fields: Sequence[str], product_ids: Sequence[str]) -> list[Row]:
    rows = store.query(collection, where(schema.PRODUCT_ID, product_ids), fields=fields, strong=STRONG)
    if fields[-1] != schema.VECTOR:
        return rows
    return [{**row, schema.VECTOR: np.asarray(row[schema.VECTOR], dtype=np.float32)} for row in rows]
