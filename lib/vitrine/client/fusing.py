"""Several ranked lists as one, by their ranks."""

from collections.abc import Mapping, Sequence

SMOOTHING = 60
"""Reciprocal rank fusion, Cormack, Clarke and Buettcher, SIGIR'09: 60 is near the best and not critical."""


def ranks(scores: Mapping[str, float]) -> dict[str, int]:
    """The rank of each key whose score is above 0, from 1; equal scores share the better rank, as in sports."""
    ordered = sorted((score for score in scores.values() if score > 0), reverse=True)
    first = {score: rank for rank, score in reversed(list(enumerate(ordered, 1)))}
    return {key: first[score] for key, score in scores.items() if score > 0}


def fused(lists: Sequence[Mapping[str, int]], weights: Sequence[float] | None = None) -> dict[str, float]:
    """Keys with the sum over the lists of weight / (60 + rank), the best first, of equal ones the first met.

    A list gives ranks from 1; one without a key adds nothing for it. All weights are 1 unless given.
    """
    sums: dict[str, float] = {}
    for weight, listed in zip(weights or [1.0] * len(lists), lists, strict=True):
        for key, rank in listed.items():
            sums[key] = sums.get(key, 0.0) + weight / (SMOOTHING + rank)
    return dict(sorted(sums.items(), key=lambda item: -item[1]))
