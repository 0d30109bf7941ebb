"""Views: what the stream keeps fresh."""

from dataclasses import dataclass

from vitrine.errors import BadInput
from vitrine.index import collections
from vitrine.index.collections import Collection
from vitrine.index.schema import Contents
from vitrine.index.store import Store


@dataclass(frozen=True, slots=True)
class View:
    """A collection with its ledger, and the consumer group that feeds it."""

    collection: Collection

    @property
    def name(self) -> str:
        """Physical name of the collection."""
        return self.collection.name

    @property
    def group(self) -> str:
        """Its consumer group: each collection has offsets of its own."""
        return f"vitrine.{self.collection.name}"

    @property
    def model_id(self) -> str:
        """Which vectors it holds."""
        return self.collection.facts.model_id


def served(store: Store, alias: str) -> View:
    """The view that the alias serves now.

    Raises:
        BadInput: there is no such alias, what it serves holds no products, or its ledger is missing.
    """
    collection = collections.current(store, alias, Contents.PRODUCTS)
    if collection is None:
        raise BadInput(f"there is no alias {alias}: run jobs/reindex.py first, or name another milvus.alias")
    if collection.ledger not in store.collections():
        raise BadInput(f"collection {collection.name} has lost its ledger {collection.ledger}: reindex")
    return View(collection)
