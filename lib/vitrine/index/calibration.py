"""What a collection says of its own cosines: how sure a vote of neighbours is, and what "alike" means in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrine.index.thresholds import Thresholds

NEIGHBOURS = 30
"""Products that vote, as in Alibaba's Pailitao (Visual Search at Alibaba, KDD'18)."""
DEFAULT_TEMPERATURE = 0.035
"""What fits the bundled model on a shop of 27,000 products (tests/bench/categorise.py)."""
TEMPERATURES: tuple[float, ...] = tuple(np.geomspace(0.002, 2.0, 100).tolist())
LEAST_P = 1e-3
"""What a category that no neighbour has counts as, so that its logarithm is finite."""

Floats = NDArray[np.float64]
Scores = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured on products of a collection, each against all others.

    Of 100 products, 99 have a nearest neighbour at the cosine `stranger` or nearer. The temperatures are those of the
    votes on category and brand; None where too few products have one, or all the same.
    """

    temperature: float | None
    stranger: float
    thresholds: Thresholds
    brand_temperature: float | None = None


def parse(values: Mapping[str, Any] | None) -> Calibration | None:
    """A calibration from the mapping that `dataclasses.asdict` made of it; None where there is none.

    What a newer version has added is left out; where it has taken something away there is none.
    """
    try:
        told = _known(Thresholds, values["thresholds"]) if values else {}
        return Calibration(**{**_known(Calibration, values), "thresholds": Thresholds(**told)}) if values else None
    except (KeyError, TypeError):
        return None


def _known(kind: type[Calibration | Thresholds], values: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: values[field.name] for field in fields(kind) if field.name in values}


def shares(scores: Sequence[float] | Scores, temperature: float) -> Floats:
    """What each neighbour weighs in the vote: exp(score / temperature), divided by their sum along the last axis."""
    values = np.asarray(scores, dtype=np.float64)
    weights = np.exp((values - values.max(axis=-1, keepdims=True, initial=-1.0)) / temperature)
    return weights / weights.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


def fitted(scores: Scores, agree: NDArray[np.bool_]) -> float:
    """The temperature at which the votes lose least: the mean of -log(share of the neighbours that agree) is smallest.

    Temperature scaling as in Guo et al., On Calibration of Modern Neural Networks (ICML'17). Both are (n, k), a row
    for each product that is held out; a score of -inf is no neighbour. The answer is one of 100 between .002 and 2.
    """

    def loss(temperature: float) -> float:
        right = np.where(agree, shares(scores, temperature), 0.0).sum(axis=1)
        return -float(np.log(np.maximum(right, LEAST_P)).mean())

    return min(TEMPERATURES, key=loss)
