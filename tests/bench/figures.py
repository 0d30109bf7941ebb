"""From CPU-seconds to the figures that are shown: images per CPU-second, ratios, and what they should be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

LARGE_SQUARE = 224  # pixels

Round = Mapping[str, float]
"""CPU-seconds per picture of one round, by measurement; measurements of one round saw the same load."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One thing over another, the median over the rounds, and the least that it should be, where that is said."""

    text: str
    value: float
    aim: float | None

    @property
    def met(self) -> bool:
        """Whether it is what it should be."""
        return self.aim is None or self.value >= self.aim


def rates(rounds: Sequence[Round]) -> dict[str, float]:
    """Images per CPU-second by measurement, the median over the rounds."""
    return {name: median(1 / one[name] for one in rounds) for name in rounds[0]}


def naive_aim(precision: str, image_size: int) -> float | None:
    """How much cheaper than the naive way Vitrine should be; None for small squares, where decoding counts."""
    if image_size < LARGE_SQUARE:
        return None
    return 1.3 if precision == "fp32" else 3.0


def ratios(rounds: Sequence[Round], *, over_naive: float | None) -> list[Ratio]:
    """How the measurements stand to each other, each taken within a round; `over_naive` is the aim of the last."""

    def over(part: Callable[[Round], float]) -> float:
        return median(map(part, rounds))

    return [
        Ratio("engine / (decode then model)", over(lambda r: (r["decode"] + r["model"]) / r["engine"]), 0.95),
        Ratio("Spark / engine", over(lambda r: r["engine"] / r["spark"]), 0.92),
        Ratio("Spark / naive Spark", over(lambda r: r["naive"] / r["spark"]), over_naive),
    ]
