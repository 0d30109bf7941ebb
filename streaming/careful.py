"""Decoding apart what may have ended this process, or another of the group, before.

A picture that kills its decoder takes the process with it. Whoever reads on from the commits meets it again among the
first records, so those are decoded in a process of their own, where it is only a reject.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

from vitrine.embedding import Batch, Embedder
from vitrine.errors import Unavailable

K = TypeVar("K")


class Careful:
    """An embedder that decodes apart while `apart` is set; for one thread, which sets it."""

    def __init__(self, embedder: Embedder) -> None:
        self.apart = False
        self._embedder = embedder
        self._isolated: Embedder | None = None
        self._opened = ExitStack()

    @property
    def model_id(self) -> str:
        """See `Embedder.model_id`."""
        return self._embedder.model_id

    @property
    def dim(self) -> int:
        """See `Embedder.dim`."""
        return self._embedder.dim

    @property
    def forward_passes(self) -> int:
        """See `Embedder.forward_passes`."""
        return self._embedder.forward_passes

    @property
    def runs_on(self) -> str:
        """See `Embedder.runs_on`."""
        return self._embedder.runs_on

    def isolated(self) -> AbstractContextManager[Embedder]:
        """See `Embedder.isolated`."""
        return self._embedder.isolated()

    def embed(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[Batch[K]]:
        """See `Embedder.embed`."""
        if not self.apart:
            self.close()
            return self._embedder.embed(pictures)
        return self._embedded_apart(pictures)

    def close(self) -> None:
        """End the process that decodes apart; it is started again where one is needed."""
        self._isolated = None
        self._opened.close()

    def _embedded_apart(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[Batch[K]]:
        if self._isolated is None:
            self._isolated = self._opened.enter_context(self._embedder.isolated())
        try:
            yield from self._isolated.embed(pictures)
        except Unavailable:
            self.close()
            raise
