"""What is left of a model's recall when queries are noisy, blurred, darker, turned, cropped, covered."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from vitrine.embedding import Embedder
from vitrine.errors import BadRecord
from vitrine.matching import Numbers
from vitrine.retrieval.arena import Side
from vitrine.retrieval.bout import NOTHING, Bout
from vitrine.retrieval.distortions import DISTORTIONS, distorted
from vitrine.retrieval.vectors import Embedded, embedded
from vitrine.settings import Pictures
from vitrine.telemetry import progress

K = 10


@dataclass(frozen=True, slots=True)
class Robustness:
    """recall@10 of `n` queries as they are, and by distortion and strength."""

    n: int
    clean: float
    recalls: Mapping[str, Mapping[float, float]]

    def drops(self) -> dict[str, dict[float, float]]:
        """How much of it each distortion takes."""
        return {
            name: {strength: self.clean - left for strength, left in strengths.items()}
            for name, strengths in self.recalls.items()
        }


def robustness(
    embedder: Embedder, bout: Bout, column: str, *, most: int, seed: int, limits: Pictures
) -> Robustness | None:
    """Ask again with so many of the queries that have an answer, drawn by the seed; None for none.

    A query that cannot be embedded any more has found nothing.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(bout.answerable(column)))[:most])
    if not len(rows):
        return None
    places = bout.queries.places[rows]
    clean = replace(bout, queries=Embedded(bout.queries.vectors[rows], places))
    ways = sum(len(strengths) for _, strengths in DISTORTIONS.values())
    with progress("distorted queries", ways * len(places), "pictures") as shown:

        def left(name: str, strength: float) -> float:
            worse = _distorted(bout.arena.queries, places, name, strength, limits)
            asked = replace(bout, queries=embedded(embedder, worse, shown))
            return _found(asked, column) / len(places)

        recalls = {
            name: {strength: left(name, strength) for strength in strengths}
            for name, (_, strengths) in DISTORTIONS.items()
        }
    return Robustness(len(places), _found(clean, column) / len(places), recalls)


def _found(bout: Bout, column: str) -> int:
    """How many queries have their label among the ten nearest."""
    wanted, there = bout.labels(column)
    nearest = bout.nearest(column, K)
    right = (nearest != NOTHING) & (there[nearest] == wanted[:, np.newaxis])
    return int(np.count_nonzero(right.any(axis=1)))


def _distorted(
    side: Side, places: Numbers, name: str, strength: float, limits: Pictures
) -> Iterator[tuple[int, bytes]]:
    for place in map(int, places):
        try:
            yield place, distorted(side.picture(place) or b"", name, strength, limits, seed=place)
        except BadRecord:
            continue
