"""Vectors of the pictures that callers ask with: remembered, or embedded in micro-batches, one batcher a model."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from vitrine.client import Client
from vitrine.embedding import Vectors
from vitrine.index.collections import Collection
from vitrine.isolating import IsolatedEmbedder
from vitrine.serve.batching import Caller, MicroBatcher
from vitrine.serve.metrics import Metrics
from vitrine.serve.remembering import VectorCache
from vitrine.settings import Serve

KEPT_MODELS = 2
"""Batchers that are kept: during a change of the model two serve."""


@dataclass(frozen=True, slots=True)
class _Batched:
    batcher: MicroBatcher
    isolated: IsolatedEmbedder | None


class Embedding:
    """Embeds for any number of threads. Close it."""

    def __init__(self, settings: Serve, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._cache = VectorCache(settings.cached_vectors)
        self._lock = threading.Lock()
        self._batched: dict[str, _Batched] = {}

    def vectors(
        self,
        client: Client,
        collection: Collection,
        pictures: Sequence[bytes],
        caller: Caller,
        *,
        anew: bool = False,
    ) -> list[Vectors]:
        """The (dim,) vector of each picture, of the collection's model; `anew` neither looks it up nor keeps it.

        Raises:
            BadRecord: one of them cannot be used.
            ModelMismatch: the model is found nowhere.
            Unavailable: it is not there in time, or the caller is gone.
        """
        made = self._embedded if anew else self._remembered
        return [made(client, collection, picture, caller) for picture in pictures]

    def _remembered(self, client: Client, collection: Collection, picture: bytes, caller: Caller) -> Vectors:
        model_id = collection.facts.model_id
        vector = self._cache.get(model_id, picture)
        self._metrics.looked_up(found=vector is not None)
        if vector is None:
            vector = self._embedded(client, collection, picture, caller)
            self._cache.put(model_id, picture, vector)
        return vector

    def _embedded(self, client: Client, collection: Collection, picture: bytes, caller: Caller) -> Vectors:
        return self._batcher(client, collection).vector(picture, caller)

    def _batcher(self, client: Client, collection: Collection) -> MicroBatcher:
        embedder = client.embedder(collection)  # may wait, so not under the lock
        model_id = collection.facts.model_id
        with self._lock:
            if model_id not in self._batched:
                isolated = IsolatedEmbedder(embedder) if self._settings.isolate else None
                batcher = MicroBatcher(isolated or embedder, self._metrics, batch_size=self._settings.batch_size)
                self._batched[model_id] = _Batched(batcher, isolated)
                while len(self._batched) > KEPT_MODELS:
                    self._forget(next(iter(self._batched)))
            return self._batched[model_id].batcher

    def _forget(self, model_id: str) -> None:
        isolated = self._batched.pop(model_id).isolated
        if isolated is not None:
            isolated.close()

    def close(self) -> None:
        """End the processes that decode."""
        with self._lock:
            for model_id in list(self._batched):
                self._forget(model_id)
