"""Decoding in a process apart, made anew when that ends."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TypeVar

from vitrine.embedding import Batch, Embedder
from vitrine.errors import Unavailable

K = TypeVar("K")


class IsolatedEmbedder:
    """An `Embedder` behind its own `isolated`, for one thread at a time; close it.

    A picture that ends its decoder is a reject. The process is made at the first picture; where it has ended by itself,
    what is under way is Unavailable and the next call has a new one.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._open = ExitStack()
        self._inside: Embedder | None = None

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
        return (self._inside or self._embedder).forward_passes

    @property
    def runs_on(self) -> str:
        """See `Embedder.runs_on`."""
        return self._embedder.runs_on

    def embed(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[Batch[K]]:
        """See `Embedder.embed`."""
        if self._inside is None:
            self._inside = self._open.enter_context(self._embedder.isolated())
        try:
            yield from self._inside.embed(pictures)
        except Unavailable:
            self.close()
            raise

    def isolated(self) -> AbstractContextManager[Embedder]:
        """See `Embedder.isolated`: it is."""
        return nullcontext(self)

    def close(self) -> None:
        """End the process; a later call makes a new one."""
        self._inside = None
        self._open.close()
