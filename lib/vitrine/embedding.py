"""The port between pictures and vectors: what an embedder takes and gives."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from vitrine.product import Reject

K = TypeVar("K")
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Batch(Generic[K]):
    """The outcome of a run of pictures, in the order in which they came.

    `vectors` is (n, dim) float32 with unit rows, one row for each key whose reject is None.
    """

    keys: tuple[K, ...]
    rejects: tuple[Reject | None, ...]
    vectors: Vectors


class Embedder(Protocol):
    """Turns pictures into vectors; same bytes, same vector, whatever surrounds them."""

    @property
    def model_id(self) -> str:
        """Which vectors these are; vectors of two ids must never meet."""
        ...

    @property
    def dim(self) -> int:
        """Dimension of the vectors."""
        ...

    @property
    def forward_passes(self) -> int:
        """How many batches have gone through the network so far."""
        ...

    @property
    def runs_on(self) -> str:
        """Precision and device of the network, for people: `bf16 on cpu`."""
        ...

    def embed(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[Batch[K]]:
        """Embed pictures lazily; every key comes out exactly once, in order."""
        ...

    def isolated(self) -> AbstractContextManager["Embedder"]:
        """This embedder for a block in which a picture that kills its decoder, or never ends, is only a reject."""
        ...
