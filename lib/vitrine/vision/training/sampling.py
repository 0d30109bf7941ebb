"""Which pictures a step sees: P classes with K pictures each, drawn from the number of the step alone."""

import numpy as np
from numpy.typing import NDArray

from vitrine.vision.training.pack import Pack

Indices = NDArray[np.int64]


class Sampler:
    """Draws rows of a pack for training; the same seed gives the same rows, whatever was drawn before.

    Classes are those of the pack's first label column, drawn by the square root of how many pictures they have:
    evenly enough for small ones to be seen, and not so that the same few pictures are seen again and again. Without
    labels each picture is a class of its own.
    """

    def __init__(self, pack: Pack, *, per_class: int) -> None:
        self._per_class = per_class if pack.labels else 1
        rows = np.flatnonzero(~pack.held_out)
        classes = next(iter(pack.labels.values()), np.arange(len(pack)))[rows]
        order = np.argsort(classes, kind="stable")
        self._rows = rows[order]
        _, self._starts, self._counts = np.unique(classes[order], return_index=True, return_counts=True)
        weights = np.sqrt(self._counts)
        self._shares = weights / weights.sum()

    def __len__(self) -> int:
        return len(self._rows)

    def draw(self, n: int, seed: tuple[int, ...]) -> Indices:
        """`n` rows of the pack: as many of a class as `per_class` says, each once where it has enough."""
        dice = np.random.default_rng(seed)
        wanted = -(-n // self._per_class)
        even = len(self._shares) >= wanted
        chosen = dice.choice(len(self._shares), wanted, replace=not even, p=self._shares)
        picked = [self._of(place, dice) for place in chosen]
        return np.concatenate(picked)[:n]

    def _of(self, place: int, dice: np.random.Generator) -> Indices:
        count = self._counts[place]
        if count >= self._per_class:
            offsets = dice.choice(count, self._per_class, replace=False)
        else:
            offsets = dice.integers(count, size=self._per_class)
        rows: Indices = self._rows[self._starts[place] + offsets]
        return rows
