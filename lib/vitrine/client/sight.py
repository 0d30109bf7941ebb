"""What one call sees of a shop: its database until a deadline, what the aliases serve, the models that are ready."""

import time
from dataclasses import dataclass

from vitrine.client.following import Followed
from vitrine.client.models import Models
from vitrine.client.shop import Shop
from vitrine.embedding import Embedder
from vitrine.errors import BadInput, ModelMismatch, Unavailable
from vitrine.index.collections import Collection
from vitrine.index.schema import Contents
from vitrine.index.store import Store


@dataclass(frozen=True, slots=True)
class Aliases:
    """Of the products, of what is bought together, and of users; the last two need not exist."""

    products: str
    related: str
    users: str


@dataclass(frozen=True, slots=True)
class Sight:
    """A shop until `ends_s` of the monotonic clock; `again` says that a first try has failed."""

    store: Store
    aliases: Aliases
    followed: Followed
    models: Models
    ends_s: float
    again: bool = False

    def products(self) -> Collection:
        """What the alias serves.

        Raises:
            BadInput: there is no such alias, or it serves other contents, or a collection that Vitrine did not make.
        """
        alias = self.aliases.products
        served = self.followed.behind(self.store, alias, Contents.PRODUCTS)
        if served is None:
            raise BadInput(f"there is no alias {alias}: run jobs/reindex.py first, or name another milvus.alias")
        return served

    def answering(self) -> frozenset[str]:
        """The names of the collections that searches are answered from, or were before the last swap."""
        served, warm = self.products(), self.followed.warm
        before = (served.facts.previous, *self.followed.seen(self.aliases.products))
        return frozenset((served.name, *before, *((warm.name,) if warm else ()))) - {""}

    def shop(self, products: Collection | None = None) -> Shop:
        """All that is served, with these products or those of the alias."""
        related = self.followed.behind(self.store, self.aliases.related, Contents.RELATED)
        users = self.followed.behind(self.store, self.aliases.users, Contents.USERS)
        return Shop(self.store, products or self.products(), related, users)

    def embeddable(self) -> Collection:
        """What is served; but while its model is being loaded, the last collection of which the model is ready.

        Raises:
            ModelMismatch: the model is found nowhere, and one of another id is ready.
            BadInput: the model is found nowhere.
        """
        served, earlier = self.products(), self.followed.warm
        if earlier is None:
            return served
        if self._ready(served, earlier):
            self.followed.warm = served
            return served
        return earlier

    def embedder(self, collection: Collection) -> Embedder:
        """The embedder of the collection's model, waited for.

        Raises:
            BadInput: it is found nowhere.
            Unavailable: it is still being loaded at the deadline.
        """
        embedder = self.models.get(collection.facts.model_id, max(0.0, self.ends_s - time.monotonic()))
        if collection.name == self.products().name:
            self.followed.warm = collection
        return embedder

    def _ready(self, served: Collection, earlier: Collection) -> bool:
        try:
            return self.models.ready(served.facts.model_id)
        except Unavailable:
            return False
        except BadInput as error:
            wanted, found = earlier.facts.model_id, served.facts.model_id
            raise ModelMismatch(f"{served.name} ({error})", found=found, wanted=wanted) from error
