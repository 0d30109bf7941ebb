"""Vectors of one side of an arena."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from vitrine.embedding import Embedder, Vectors
from vitrine.matching import Numbers
from vitrine.telemetry import Progress


@dataclass(frozen=True, slots=True)
class Embedded:
    """(n, dim) unit vectors of the pictures at these places, ascending; of the others how many have none, by reason."""

    vectors: Vectors
    places: Numbers
    unusable: Mapping[str, int] = field(default_factory=dict)


def embedded(embedder: Embedder, pictures: Iterable[tuple[int, bytes]], shown: Progress) -> Embedded:
    """Embed pictures that come with their places."""
    places: list[int] = []
    vectors: list[Vectors] = [np.empty((0, embedder.dim), np.float32)]
    unusable: Counter[str] = Counter()
    for batch in embedder.embed(pictures):
        for place, reject in zip(batch.keys, batch.rejects, strict=True):
            if reject is None:
                places.append(place)
            else:
                unusable[reject.reason] += 1
        vectors.append(batch.vectors)
        shown.advance(len(batch.keys))
    return Embedded(np.concatenate(vectors), np.array(places, dtype=np.int64), dict(unusable))
