"""A batch on its way through the network, from its loads to its vectors."""

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from torch import Tensor

from vitrine.embedding import Batch, Vectors
from vitrine.product import Reason, Reject
from vitrine.vision.loading import Load

K = TypeVar("K")

_UNIT_TOLERANCE = 1e-3
_NO_VECTOR = Reject(Reason.NO_VECTOR, "the network gives no direction for it")


class OpenBatch(Generic[K]):
    """Knows which row of the network's answer is whose; of the loads it keeps no buffer."""

    def __init__(self) -> None:
        self.squares: list[Tensor] = []
        self._keys: list[K] = []
        self._rejects: list[Reject | None] = []
        self._positions: list[int] = []

    def add(self, load: Load[K], squares: Sequence[Tensor]) -> None:
        """Add a load, whose groups have become those squares."""
        self._positions += [len(self._keys) + member for group in load.groups for member in group.members]
        self._keys += load.keys
        self._rejects += load.rejects
        self.squares += squares

    @property
    def wanted(self) -> bool:
        """Whether any picture is no reject."""
        return None in self._rejects

    def closed(self, vectors: Vectors) -> Batch[K]:
        """The batch, from (n, dim) `vectors` of all squares; a picture whose vector is no unit one becomes a reject.

        Without a picture that is wanted, `vectors` may have no rows.
        """
        found = np.zeros((len(self._keys), vectors.shape[1]), np.float32)
        if len(vectors):
            found[self._positions] = vectors
        unit = np.abs(np.linalg.norm(found, axis=1) - 1) < _UNIT_TOLERANCE
        rejects = tuple(
            reject or (None if usable else _NO_VECTOR) for reject, usable in zip(self._rejects, unit, strict=True)
        )
        return Batch(tuple(self._keys), rejects, found[[reject is None for reject in rejects]])
