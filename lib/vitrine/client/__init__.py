"""The door for programs: search a catalogue by picture, by stored product or by vector, and recommend from it.

```python
with connect("vitrine.db") as client:
    for hit in client.search_picture(Path("photo.jpg"), k=5):
        print(hit.score, hit.product_id, hit.title)
    for one in client.related("48123", k=5):
        print(one.score, one.product_id, *one.sources)
```
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from vitrine.client import recommending
from vitrine.client.shop import Shop
from vitrine.client.wishes import Recommendation, Wishes
from vitrine.embedding import Embedder, Vectors
from vitrine.errors import BadInput, BadRecord, ModelMismatch
from vitrine.index.collections import Collection, current
from vitrine.index.schema import Contents
from vitrine.index.search import Hit, nearest, search, vectors_of
from vitrine.index.store import Store, connect_existing
from vitrine.settings import Milvus, Pictures

__all__ = ["ALIAS_SECONDS", "Client", "Recommendation", "Wishes", "connect"]

ALIAS_SECONDS = 1.0
"""How long a resolved alias is trusted: a swap is followed within this time."""
RELATED_ALIAS, USERS_ALIAS = "related", "users"
TASTE_WEIGHT = 0.3
"""What a user's taste counts against the picture that is searched with."""


def connect(
    milvus: Milvus | str,
    *,
    model_store: str | None = None,
    pictures: Pictures | None = None,
    device: str = "auto",
    related_alias: str = RELATED_ALIAS,
    users_alias: str = USERS_ALIAS,
) -> "Client":
    """Open the database; `milvus` is a path or address, or the settings with alias, token and search parameters.

    `model_store` is where models other than the bundled one are found.

    Raises:
        BadInput: there is no such Milvus Lite file.
        BadSettings: the path, address or token cannot be used.
        Unavailable: the server does not answer, or another program has the Milvus Lite file open.
    """
    settings = milvus if isinstance(milvus, Milvus) else Milvus(uri=milvus)

    def embedder(model_id: str) -> Embedder:
        from vitrine.vision.engine import engine_of

        return engine_of(model_id, model_store, pictures or Pictures(), device)

    store = connect_existing(settings)
    return Client(store, settings.alias, embedder, related_alias=related_alias, users_alias=users_alias)


class Client:
    """Answers from what the aliases serve, each product once, best first. Close it, or use it in a `with` statement.

    `embedder` gives the embedder of a model id; it is asked only when a picture must be embedded. `user` is always
    the hash that `vitrine.user_key` makes, never an id; a user that is not known gets what everybody gets.
    `related_alias` and `users_alias` need not exist.
    """

    def __init__(
        self,
        store: Store,
        alias: str,
        embedder: Callable[[str], Embedder],
        *,
        related_alias: str = RELATED_ALIAS,
        users_alias: str = USERS_ALIAS,
    ) -> None:
        self._store = store
        self._alias = alias
        self._embedder = embedder
        self._related_alias = related_alias
        self._users_alias = users_alias
        self._served: dict[str, tuple[float, Collection | None]] = {}

    @property
    def collection(self) -> Collection:
        """What the alias serves, at most a second old.

        Raises:
            BadInput: there is no such alias, or it serves other contents, or a collection that Vitrine did not make.
        """
        served = self._behind(self._alias, Contents.PRODUCTS)
        if served is None:
            raise BadInput(f"there is no alias {self._alias}: run jobs/reindex.py first, or name another milvus.alias")
        return served

    def search_vector(
        self,
        vector: Vectors,
        k: int = 10,
        *,
        filter: str = "",
        model_id: str | None = None,
        user: str | None = None,
        taste_weight: float = TASTE_WEIGHT,
    ) -> list[Hit]:
        """The `k` products nearest to a (dim,) vector; `model_id` says which model made it.

        With a `user`, the nearest max(50, 4 k) are put into the order of their taste: by `(1 - taste_weight) * score +
        taste_weight * (cosine with the taste)`, `taste_weight` from 0 to 1; scores stay cosines with the vector.

        Raises:
            ModelMismatch: the collection's vectors, or the user's taste, are of another model.
            BadInput: the vector has another dimension than the collection.
        """
        collection = self.collection
        if model_id not in {None, collection.facts.model_id}:
            raise ModelMismatch(collection.name, found=collection.facts.model_id, wanted=str(model_id))
        return self._search(collection, vector, k, filter=filter, user=user, taste_weight=taste_weight)

    def search_picture(
        self,
        picture: bytes | Path,
        k: int = 10,
        *,
        filter: str = "",
        user: str | None = None,
        taste_weight: float = TASTE_WEIGHT,
    ) -> list[Hit]:
        """The `k` products that look most like a picture, given as bytes or as a file; `user` as in `search_vector`.

        The collection that is served when the search begins also answers it, whatever the alias does meanwhile.

        Raises:
            ModelMismatch: the user's taste is of another model than the collection.
            BadRecord: the picture cannot be used, with the reason.
            BadInput: the file cannot be read, or the collection's model is found nowhere.
        """
        collection = self.collection
        data = picture if isinstance(picture, bytes) else _read(picture)
        batch = next(iter(self._embedder(collection.facts.model_id).embed([("query", data)])))
        if batch.rejects[0] is not None:
            raise BadRecord(batch.rejects[0].reason, batch.rejects[0].detail)
        return self._search(collection, batch.vectors[0], k, filter=filter, user=user, taste_weight=taste_weight)

    def _search(
        self, collection: Collection, vector: Vectors, k: int, *, filter: str, user: str | None, taste_weight: float
    ) -> list[Hit]:
        if vector.shape != (collection.facts.dim,):
            raise BadInput(f"the vector has shape {vector.shape}, {collection.name} holds ({collection.facts.dim},)")
        query = np.asarray(vector, dtype=np.float32)[np.newaxis]
        if user is None:
            return search(self._store, collection.name, query, k, filter=filter)[0]
        hits = search(self._store, collection.name, query, recommending.pool(k), filter=filter)[0]
        return recommending.personal(self._shop(collection), hits, user, taste_weight)[:k]

    def search_product(self, product_id: str, k: int = 10, *, filter: str = "") -> list[Hit]:
        """The `k` products that look most like a stored one, without itself; needs no model.

        Each of its pictures asks; a product's best answer counts.

        Raises:
            BadInput: the product has no rows.
        """
        name = self.collection.name
        rows = vectors_of(self._store, name, product_id)
        if not rows:
            raise BadInput(f"{self._alias} has no product {product_id!r}")
        queries = np.stack([np.asarray(row["vector"], dtype=np.float32) for row in rows])
        return nearest(self._store, name, queries, k, filter=filter, without=[product_id])

    def related(self, product_id: str, k: int = 10, *, wishes: Wishes | None = None) -> list[Recommendation]:
        """The `k` products that go with one, best first: bought together, alike, then popular in its category.

        See `vitrine.blend.blend` for the scores. A product of which no behaviour is known has its looks alone, and so
        has every product where there is no alias for what is bought together. Only served products are answered.

        Raises:
            BadInput: nothing is known of the product.
        """
        return recommending.related(self._shop(), product_id, k, wishes or Wishes())

    def recommend(
        self, k: int = 10, *, recent: Sequence[str] = (), user: str | None = None, wishes: Wishes | None = None
    ) -> list[Recommendation]:
        """The `k` products for a session, given by its `recent` products with the newest last, or else for a `user`.

        Of a session each product counts `wishes.decay` times the next newer one, and none is answered; no job runs.
        What a user gets may look like products they have. Empty where nothing is known.

        Raises:
            BadInput: both are given, or none.
        """
        if bool(recent) == (user is not None):
            raise BadInput("recommend takes either recent products or a user")
        if user is None:
            return recommending.for_session(self._shop(), recent, k, wishes or Wishes())
        return recommending.for_user(self._shop(), user, k, wishes or Wishes())

    def substitutes(
        self, product_id: str, k: int = 10, *, price_band: tuple[float, float] | None = None
    ) -> list[Recommendation]:
        """The `k` products in stock that look most like one, those of its category first; scores are cosines.

        Raises:
            BadInput: the product has no rows.
        """
        return recommending.substitutes(self._shop(), product_id, k, price_band=price_band)

    def _shop(self, products: Collection | None = None) -> Shop:
        related = self._behind(self._related_alias, Contents.RELATED)
        users = self._behind(self._users_alias, Contents.USERS)
        return Shop(self._store, products or self.collection, related, users)

    def _behind(self, alias: str, contents: Contents) -> Collection | None:
        resolved_s, served = self._served.get(alias, (-math.inf, None))
        if time.monotonic() - resolved_s > ALIAS_SECONDS:
            served = current(self._store, alias, contents)
            self._served[alias] = time.monotonic(), served
        return served

    def close(self) -> None:
        """Let go of the database."""
        self._store.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the picture {path}: {error.strerror}") from error
