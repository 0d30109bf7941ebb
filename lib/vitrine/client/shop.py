"""What a shop serves at one moment: its products, what is bought together, and what users may like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitrine.embedding import Vectors
from vitrine.errors import BadInput, ModelMismatch
from vitrine.index import recommendations, schema
from vitrine.index.collections import Collection
from vitrine.index.filters import where
from vitrine.index.recommendations import KEYS_PER_QUERY, Interest, Related
from vitrine.index.search import Hit, nearest
from vitrine.index.store import Store

Row = dict[str, Any]


class UnknownProduct(BadInput):
    """There is no such product, or no such picture of one."""


@dataclass(frozen=True, slots=True)
class Shop:
    """The collections that the aliases serve; None where there is no such alias."""

    store: Store
    products: Collection
    related: Collection | None
    users: Collection | None

    def stated(self, product_ids: Sequence[str], fields: Sequence[str]) -> dict[str, list[Row]]:
        """The rows of products with these fields, by position; a product that is not served is not in it."""
        found: dict[str, list[Row]] = {}
        wanted = list({*fields, schema.PRODUCT_ID, schema.POSITION})
        for start in range(0, len(product_ids), KEYS_PER_QUERY):
            some = where(schema.PRODUCT_ID, product_ids[start : start + KEYS_PER_QUERY])
            for row in self.store.query(self.products.name, some, fields=wanted):
                found.setdefault(str(row[schema.PRODUCT_ID]), []).append(row)
        return {key: sorted(rows, key=lambda row: row[schema.POSITION]) for key, rows in found.items()}

    def knows(self, product_id: str) -> bool:
        """Whether the product is served, or anything is bought together with it."""
        return bool(self.stated([product_id], []) or self.bought_with([product_id]))

    def no_product(self, product_id: str) -> UnknownProduct:
        """The error that names a product of which nothing is known."""
        return UnknownProduct(f"{self.products.facts.alias} has no product {product_id!r}")

    def bought_with(self, product_ids: Sequence[str]) -> dict[str, Related]:
        """What is bought together with each product; one that nothing is known of is not in it."""
        return recommendations.related(self.store, self.related.name, product_ids) if self.related else {}

    def popular(self, category: str, k: int) -> list[str]:
        """The `k` most popular products of a category, best first."""
        return recommendations.popular(self.store, self.related.name, category, k) if self.related else []

    def interests(self, user_hash: str) -> list[Interest]:
        """What a user may like; empty for one that is not known."""
        return recommendations.interests(self.store, self.users.name, user_hash) if self.users else []

    @property
    def tastes_fit(self) -> bool:
        """Whether the tastes of users are of the same model as the products."""
        return self.users is not None and self.users.facts.model_id == self.products.facts.model_id

    def tastes(self, user_hash: str) -> Vectors:
        """The tastes of a user, (n, dim) unit rows, heaviest first; no rows for a user without.

        Raises:
            ModelMismatch: they are of another model than the products.
        """
        found = sorted((one for one in self.interests(user_hash) if one.weight > 0), key=lambda one: -one.weight)
        if not found:
            return np.empty((0, self.products.facts.dim), dtype=np.float32)
        if self.users and not self.tastes_fit:
            raise ModelMismatch(self.users.name, found=self.users.facts.model_id, wanted=self.products.facts.model_id)
        return np.stack([one.vector for one in found])

    def alike(self, vectors: Vectors, k: int, *, in_stock: bool) -> list[Hit]:
        """The `k` products nearest to any of the (n, dim) vectors; none where there are no vectors."""
        matching = where(schema.IN_STOCK, True) if in_stock else ""
        return nearest(self.store, self.products.name, vectors, k, filter=matching) if len(vectors) else []
