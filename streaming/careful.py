"""Decoding apart what may have ended this process, or another of the group, before.

A picture that kills its decoder takes the process with it. Whoever reads on from the commits meets it again among the
first records, so those are decoded in a process of their own, where it is only a reject.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

from vitrine.embedding import Batch, Embedder
from vitrine.isolating import IsolatedEmbedder

K = TypeVar("K")


class Careful(IsolatedEmbedder):
    """An embedder that decodes apart while `apart` is set, in this process else; for one thread, which sets it."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(embedder)
        self.apart = False

    def embed(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[Batch[K]]:
        """See `Embedder.embed`."""
        if self.apart:
            return super().embed(pictures)
        self.close()
        return self._embedder.embed(pictures)

    def isolated(self) -> AbstractContextManager[Embedder]:
        """See `Embedder.isolated`."""
        return self._embedder.isolated()
