"""Category and brand of an unknown picture: the products that look most like it vote."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vitrine.index.calibration import DEFAULT_TEMPERATURE, NEIGHBOURS, Calibration, shares
from vitrine.index.search import Hit

SURE = 0.9
"""Least probability at which a search may be narrowed to a category by itself."""
ALTERNATIVES = 4
LEAST_P = 0.01


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer and its probability, from 0 to 1."""

    value: str
    p: float


@dataclass(frozen=True, slots=True)
class Guess:
    """What a picture seems to show.

    `path` is the most probable whole category path, `p` its probability; both are empty or 0 where nobody votes.
    `sure` is the longest beginning of a path that has at least `SURE`, found from the top down, `sure_p` its
    probability. `alternatives` are the next whole paths, best first. With `none_of_these` the picture looks like
    nothing in the collection, and the rest means little; so it does unless `calibrated`.
    """

    path: str
    p: float
    sure: str
    sure_p: float
    alternatives: tuple[Choice, ...]
    brand: Choice | None
    none_of_these: bool
    calibrated: bool

    @property
    def level(self) -> int:
        """How many levels of the path are sure."""
        return len(_levels(self.sure))

    @property
    def narrows(self) -> str:
        """The category to which a search may be narrowed by itself, empty if none."""
        return self.sure if self.calibrated and not self.none_of_these else ""


def guess(hits: Sequence[Hit], calibration: Calibration | None) -> Guess:
    """What the nearest products say of a picture; those without a category, or brand, do not vote on it.

    `hits` are the nearest products of one collection, best first and through no filter; 30 of them count. A product
    weighs exp(score / temperature).
    """
    voters = hits[:NEIGHBOURS]
    leaves = _ranked([hit.category for hit in voters], voters, calibration.temperature if calibration else None)
    brands = _ranked([hit.brand for hit in voters], voters, calibration.brand_temperature if calibration else None)
    best = leaves[0] if leaves else Choice("", 0.0)
    sure = _sure(leaves)
    return Guess(
        path=best.value,
        p=best.p,
        sure=sure.value,
        sure_p=sure.p,
        alternatives=tuple(leaf for leaf in leaves[1 : 1 + ALTERNATIVES] if leaf.p >= LEAST_P),
        brand=brands[0] if brands else None,
        none_of_these=not voters or (calibration is not None and voters[0].score < calibration.stranger),
        calibrated=calibration is not None and calibration.temperature is not None,
    )


class Likeness(StrEnum):
    """How near a product is to what was asked for, in the measure of its own collection."""

    VERY_CLOSE = "very close"
    SIMILAR = "similar"
    DISTANT = "distant"


def likeness(score: float, calibration: Calibration | None) -> Likeness | None:
    """The word for a cosine; None where the collection carries no calibration."""
    if calibration is None:
        return None
    if score >= calibration.thresholds.very_close:
        return Likeness.VERY_CLOSE
    return Likeness.SIMILAR if score >= calibration.thresholds.similar else Likeness.DISTANT


def _ranked(labels: Sequence[str], voters: Sequence[Hit], temperature: float | None) -> list[Choice]:
    """The labels that are not empty with their probabilities, best first."""
    named = [(label, hit.score) for label, hit in zip(labels, voters, strict=True) if label]
    return [Choice(label, min(p, 1.0)) for label, p in _best_first(_summed(named, temperature))]


def _summed(named: Sequence[tuple[str, float]], temperature: float | None) -> Mapping[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    weights = shares([score for _, score in named], temperature or DEFAULT_TEMPERATURE)
    for (label, _), weight in zip(named, weights, strict=True):
        sums[label] += float(weight)
    return sums


def _best_first(sums: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(sums.items(), key=lambda item: (-item[1], item[0]))


def _sure(leaves: Sequence[Choice]) -> Choice:
    """The longest beginning of a path that is sure; there is at most one for each length, since `SURE` > 1/2."""
    found, length = Choice("", 0.0), 0
    while True:
        length += 1
        sums: defaultdict[str, float] = defaultdict(float)
        for leaf in leaves:
            if len(levels := _levels(leaf.value)) >= length:
                sums["/".join(levels[:length])] += leaf.p
        best = _best_first(sums)
        if not best or best[0][1] < SURE:
            return found
        found = Choice(best[0][0], min(best[0][1], 1.0))


def _levels(path: str) -> list[str]:
    return path.split("/") if path else []
