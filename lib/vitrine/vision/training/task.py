"""What a training learns, and for how long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vitrine.vision.training.pack import Pack
from vitrine.vision.training.views import Look


@dataclass(frozen=True, slots=True)
class Task:
    """What is learned from one pack.

    `share` is its part of a batch, `objectives` the name and the weight of each label column's loss, `same` the weight
    of the loss that puts the views of one product together: above 0 each picture comes in two views.
    """

    pack: Pack
    share: float
    look: Look
    packshots: bool
    backdrops: bool
    per_class: int
    objectives: Mapping[str, tuple[str, float]]
    same: float


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how fast.

    `batch` is the pictures of a step over all processes, `peak` the highest learning rate, `sizes` are (share of all
    steps, side in pixels) in order, the last for all that is left, `average` is the decay of the moving average.
    """

    steps: int
    batch: int
    peak: float
    sizes: Sequence[tuple[float, int]]
    average: float
    seed: int

    def size(self, step: int) -> int:
        """Side of the pictures of a step, which counts from 0."""
        return next((size for end, size in self.sizes if step < end * self.steps), self.last_size)

    @property
    def last_size(self) -> int:
        """Side of the pictures at the end, which is that of the model."""
        return self.sizes[-1][1]
