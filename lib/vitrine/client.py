"""The door for programs: search a catalogue by picture, by stored product or by vector.

```python
with connect("vitrine.db") as client:
    for hit in client.search_picture(Path("photo.jpg"), k=5):
        print(hit.score, hit.product_id, hit.title)
```
"""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from vitrine.errors import BadInput, BadRecord, ModelMismatch
from vitrine.settings import Milvus, Pictures

if TYPE_CHECKING:
    from vitrine.embedding import Embedder, Vectors
    from vitrine.index.collections import Collection
    from vitrine.index.search import Hit
    from vitrine.index.store import Store

ALIAS_SECONDS = 1.0
"""How long a resolved alias is trusted: a swap is followed within this time."""


def connect(
    milvus: Milvus | str, *, model_store: str | None = None, pictures: Pictures | None = None, device: str = "auto"
) -> "Client":
    """Open the database; `milvus` is a path or address, or the settings with alias, token and search parameters.

    `model_store` is where models other than the bundled one are found.

    Raises:
        BadInput: there is no such Milvus Lite file.
        BadSettings: the path, address or token cannot be used.
        Unavailable: the server does not answer, or another program has the Milvus Lite file open.
    """
    from vitrine.index.store import connect_existing

    settings = milvus if isinstance(milvus, Milvus) else Milvus(uri=milvus)

    def embedder(model_id: str) -> "Embedder":
        from vitrine.vision.engine import engine_of

        return engine_of(model_id, model_store, pictures or Pictures(), device)

    return Client(connect_existing(settings), settings.alias, embedder)


class Client:
    """Searches the collection behind an alias, each product once, best first.

    Close it, or use it in a `with` statement. `embedder` gives the embedder of a model id; it is asked only when a
    picture must be embedded.
    """

    def __init__(self, store: "Store", alias: str, embedder: "Callable[[str], Embedder]") -> None:
        self._store = store
        self._alias = alias
        self._embedder = embedder
        self._served: Collection | None = None
        self._resolved_s = 0.0

    @property
    def collection(self) -> "Collection":
        """What the alias serves, at most a second old.

        Raises:
            BadInput: there is no such alias, or it serves a collection that Vitrine did not make.
        """
        from vitrine.index.collections import current

        if self._served is None or time.monotonic() - self._resolved_s > ALIAS_SECONDS:
            self._served = current(self._store, self._alias)
            self._resolved_s = time.monotonic()
        if self._served is None:
            raise BadInput(f"there is no alias {self._alias}: run jobs/reindex.py first, or name another milvus.alias")
        return self._served

    def search_vector(
        self, vector: "Vectors", k: int = 10, *, filter: str = "", model_id: str | None = None
    ) -> "list[Hit]":
        """The `k` products nearest to a (dim,) vector; `model_id` says which model made it.

        Raises:
            ModelMismatch: the collection's vectors are of another model.
            BadInput: the vector has another dimension than the collection.
        """
        collection = self.collection
        if model_id not in {None, collection.facts.model_id}:
            raise ModelMismatch(collection.name, found=collection.facts.model_id, wanted=str(model_id))
        return self._search(collection, vector, k, filter=filter)

    def search_picture(self, picture: bytes | Path, k: int = 10, *, filter: str = "") -> "list[Hit]":
        """The `k` products that look most like a picture, given as bytes or as a file.

        The collection that is served when the search begins also answers it, whatever the alias does meanwhile.

        Raises:
            BadRecord: the picture cannot be used, with the reason.
            BadInput: the file cannot be read, or the collection's model is found nowhere.
        """
        collection = self.collection
        data = picture if isinstance(picture, bytes) else _read(picture)
        batch = next(iter(self._embedder(collection.facts.model_id).embed([("query", data)])))
        if batch.rejects[0] is not None:
            raise BadRecord(batch.rejects[0].reason, batch.rejects[0].detail)
        return self._search(collection, batch.vectors[0], k, filter=filter)

    def _search(self, collection: "Collection", vector: "Vectors", k: int, *, filter: str) -> "list[Hit]":
        from vitrine.index.search import search

        if vector.shape != (collection.facts.dim,):
            raise BadInput(f"the vector has shape {vector.shape}, {collection.name} holds ({collection.facts.dim},)")
        query = np.asarray(vector, dtype=np.float32)[np.newaxis]
        return search(self._store, collection.name, query, k, filter=filter)[0]

    def search_product(self, product_id: str, k: int = 10, *, filter: str = "") -> "list[Hit]":
        """The `k` products that look most like a stored one, without itself; needs no model.

        Each of its pictures asks; a product's best answer counts.

        Raises:
            BadInput: the product has no rows.
        """
        from vitrine.index.search import search, vectors_of

        name = self.collection.name
        rows = vectors_of(self._store, name, product_id)
        if not rows:
            raise BadInput(f"{self._alias} has no product {product_id!r}")
        queries = np.stack([np.asarray(row["vector"], dtype=np.float32) for row in rows])
        best: dict[str, Hit] = {}
        for hit in (hit for hits in search(self._store, name, queries, k + 1, filter=filter) for hit in hits):
            if hit.product_id != product_id:
                best[hit.product_id] = max(best.get(hit.product_id, hit), hit, key=lambda one: one.score)
        return sorted(best.values(), key=lambda hit: -hit.score)[:k]

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
