"""Fitting on what came before the test: shrinkage and decay of a measure, weights of event types."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from vitrine.backtest.comparison import Knobs, Trained, Trial, gain, is_decayed, is_shrunk

T = TypeVar("T")

MULTIPLES = (1.0, 0.25, 4.0)
"""What the weight of an event type is multiplied by in the search for a better one."""

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Grid:
    """What is tried: shrinkages and decays."""

    shrinkages: Sequence[float]
    decays: Sequence[float]


def fit(trial: Trial, trained: Trained, measure: str, knobs: Knobs, grid: Grid) -> Knobs:
    """The knobs of highest NDCG@10 in a trial that is not the test, of those that the measure uses.

    One knob after the other is set to its best value until neither changes; of equal values the first is taken.
    """
    shrinkages = grid.shrinkages if is_shrunk(measure) else ()
    decays = grid.decays if is_decayed(measure) else ()

    def judged(one: Knobs) -> float:
        return gain(trial, trained, measure, one)

    for _ in range(ROUNDS):
        before = knobs
        knobs = _best((replace(before, shrinkage=value) for value in shrinkages), judged, knobs)
        knobs = _best((replace(knobs, decay=value) for value in decays), judged, knobs)
        if knobs == before or not (shrinkages and decays):
            break
    return knobs


def fit_weights(types: Mapping[str, float], judged: Callable[[Mapping[str, float]], float]) -> dict[str, float]:
    """Weights of event types for which `judged` is highest; the first type stays as it is, for only ratios count."""
    weights = dict(types)
    for name in list(types)[1:]:
        tried = [{**weights, name: weights[name] * multiple} for multiple in MULTIPLES]
        weights = _best(tried, judged, weights)
    return weights


def _best(candidates: Iterable[T], judged: Callable[[T], float], present: T) -> T:
    """The candidate of the highest judgement; `present` where there is none."""
    best, highest = present, float("-inf")
    for candidate in candidates:
        if (value := judged(candidate)) > highest:
            best, highest = candidate, value
    return best
