"""A colour histogram as an embedder: what every learned model must beat clearly."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import TypeVar

import numpy as np

from vitrine.embedding import Batch, Vectors
from vitrine.errors import BadRecord
from vitrine.images import open_upright
from vitrine.product import Reason, Reject
from vitrine.settings import Pictures

K = TypeVar("K")

BINS = (8, 4, 4)
"""Of hue, saturation and value."""
_SIDE = 96
_KEYS_PER_BATCH = 64


class HistogramEmbedder:
    """An Embedder whose vectors are square roots of HSV histograms: their cosine is Bhattacharyya's coefficient."""

    model_id = "hsv-8x4x4"
    dim = int(np.prod(BINS))
    forward_passes = 0
    runs_on = "no network"

    def __init__(self, limits: Pictures) -> None:
        self._limits = limits

    def embed(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[Batch[K]]:
        """See `Embedder.embed`."""
        left = iter(pictures)
        while some := list(islice(left, _KEYS_PER_BATCH)):
            found = [self._one(data) for _, data in some]
            vectors = [one for one in found if not isinstance(one, Reject)]
            yield Batch(
                tuple(key for key, _ in some),
                tuple(one if isinstance(one, Reject) else None for one in found),
                np.concatenate([np.empty((0, self.dim), np.float32), *[one[np.newaxis] for one in vectors]]),
            )

    def isolated(self) -> AbstractContextManager["HistogramEmbedder"]:
        """See `Embedder.isolated`; itself."""
        return nullcontext(self)

    def _one(self, data: bytes) -> Vectors | Reject:
        try:
            picture = open_upright(data, self._limits)
        except BadRecord as error:
            return Reject(Reason(error.reason), error.detail)
        picture.thumbnail((_SIDE, _SIDE))
        pixels = np.asarray(picture.convert("HSV")).reshape(-1, 3)
        counts, _ = np.histogramdd(pixels, bins=BINS, range=((0, 256),) * 3)
        shares: Vectors = np.sqrt(counts.reshape(-1) / counts.sum()).astype(np.float32)
        return shares
