"""An Embedder without a network."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar, cast

import numpy as np

from vitrine.embedding import Batch, Vectors
from vitrine.errors import BadRecord
from vitrine.images import inspect
from vitrine.product import Reason, Reject
from vitrine.settings import Pictures

K = TypeVar("K")

_KEYS_PER_BATCH = 8


class FakeEmbedder:
    """An Embedder whose vectors are drawn from a picture's sha256: equal bytes, equal vector, nothing else alike.

    A picture is rejected for what `vitrine.images.inspect` finds in its header; nothing is decoded.
    """

    def __init__(
        self, model_id: str = "fake", *, dim: int = 16, batch_size: int = 4, limits: Pictures | None = None
    ) -> None:
        self.model_id = model_id
        self.dim = dim
        self.forward_passes = 0
        self.runs_on = "no network"
        self._batch_size = batch_size
        self._limits = limits or Pictures()

    def embed(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[Batch[K]]:
        """See `Embedder.embed`; reads no further ahead than the batch that it gives."""
        keys, rejects, vectors = list[K](), list[Reject | None](), list[Vectors]()
        for key, data in pictures:
            keys.append(key)
            rejects.append(self._reject(data))
            if rejects[-1] is None:
                vectors.append(self._vector(data))
            if len(vectors) == self._batch_size or len(keys) == _KEYS_PER_BATCH * self._batch_size:
                yield self._batch(keys, rejects, vectors)
                keys, rejects, vectors = [], [], []
        if keys:
            yield self._batch(keys, rejects, vectors)

    def isolated(self) -> AbstractContextManager["FakeEmbedder"]:
        """See `Embedder.isolated`; itself, since it decodes nothing."""
        return nullcontext(self)

    def _reject(self, data: bytes) -> Reject | None:
        try:
            inspect(data, self._limits)
        except BadRecord as error:
            return Reject(Reason(error.reason), error.detail)
        return None

    def _vector(self, data: bytes) -> Vectors:
        seed = int.from_bytes(hashlib.sha256(data).digest())
        drawn = np.random.default_rng(seed).standard_normal((1, self.dim)).astype(np.float32)
        return cast(Vectors, drawn / np.linalg.norm(drawn, axis=1, keepdims=True))

    def _batch(self, keys: list[K], rejects: list[Reject | None], vectors: list[Vectors]) -> Batch[K]:
        self.forward_passes += bool(vectors)
        return Batch(tuple(keys), tuple(rejects), np.concatenate([np.empty((0, self.dim), np.float32), *vectors]))
