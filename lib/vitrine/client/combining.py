"""Several examples, liked and disliked, as the vectors that are searched with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from vitrine.embedding import Vectors

ALIKE = 0.5
"""Cosine from which two liked examples are one thing: below it their mean looks like neither."""


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """An example as (n, dim) unit vectors, n > 1 for a product of several pictures, and its weight."""

    vectors: Vectors
    weight: float

    @property
    def direction(self) -> Vectors:
        """The unit mean of its vectors, (dim,)."""
        return unit(self.vectors.mean(axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """The (n, dim) unit vectors to search with; with `weights` each has an answer of its own, to be fused by rank.

    Without, a product's best answer counts. `blended` says that they lie between pictures, or away from some, so that
    a cosine with them is no likeness.
    """

    vectors: Vectors
    weights: tuple[float, ...] = ()
    blended: bool = False


def combined(examples: Sequence[Taken]) -> Probes:
    """What to search with; at least one weight is above 0.

    One example asks with each of its vectors. Several that are alike ask with normalise(2 mean(liked) -
    mean(disliked)), or mean(liked) where nothing is disliked, with weighted means: Qdrant's recommendation by average
    vectors. Where two liked ones have a cosine below 0.5, each asks for itself.
    """
    liked = [one for one in examples if one.weight > 0]
    disliked = [one for one in examples if one.weight < 0]
    if len(liked) == 1 and not disliked:
        return Probes(liked[0].vectors)
    directions = np.stack([one.direction for one in liked])
    against = _mean(disliked) if disliked else None
    if np.min(directions @ directions.T) >= ALIKE:
        return Probes(_away(_mean(liked), against)[np.newaxis], blended=True)
    weights = tuple(one.weight for one in liked)
    return Probes(np.stack([_away(one, against) for one in directions]), weights, blended=against is not None)


def unit(vector: Vectors) -> Vectors:
    """The vector with length 1; one of zeros stays."""
    length = float(np.linalg.norm(vector))
    return cast(Vectors, np.asarray(vector / (length or 1.0), dtype=np.float32))


def _away(towards: Vectors, against: Vectors | None) -> Vectors:
    return unit(towards if against is None else 2 * towards - against)


def _mean(examples: Sequence[Taken]) -> Vectors:
    weights = np.abs([one.weight for one in examples])
    return cast(Vectors, np.average([one.direction for one in examples], axis=0, weights=weights).astype(np.float32))
