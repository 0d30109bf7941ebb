"""One model in the arena: its vectors of both sides, with the labels of the pictures that have one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrine import matching
from vitrine.matching import Numbers, Sides
from vitrine.quality import exact_neighbours
from vitrine.retrieval.arena import Arena
from vitrine.retrieval.vectors import Embedded

NOTHING = -1
"""Stands where there are no more neighbours."""


@dataclass(frozen=True, slots=True)
class Bout:
    """Rows are those of the vectors; `queries.places` and `gallery.places` lead to the arena's pictures."""

    arena: Arena
    queries: Embedded
    gallery: Embedded

    def labels(self, column: str) -> Sides:
        """The classes of both sides, by row."""
        return self._there(self.arena.labels(column))

    def own(self, column: str) -> Sides:
        """See `Arena.own`, by row."""
        return self._there(self.arena.own(column))

    def answerable(self, column: str) -> NDArray[np.bool_]:
        """Which rows of the queries have a right answer."""
        return matching.answerable(self.labels(column), self.own(column))

    def nearest(self, column: str, k: int) -> Numbers:
        """(n, k) rows of the gallery with the highest cosines that are searched, best first, then `NOTHING`."""
        own = self.own(column)
        shared = own[1][np.isin(own[1], own[0])]
        most = int(np.unique(shared, return_counts=True)[1].max(initial=0))
        found = exact_neighbours(self.queries.vectors, self.gallery.vectors, k + most)
        hidden = own[1][found] == own[0][:, np.newaxis]
        order = np.argsort(hidden, axis=1, kind="stable")[:, :k]
        shown = np.where(np.take_along_axis(hidden, order, axis=1), NOTHING, np.take_along_axis(found, order, axis=1))
        return np.pad(shown, ((0, 0), (0, k - shown.shape[1])), constant_values=NOTHING)

    def _there(self, sides: Sides) -> Sides:
        return sides[0][self.queries.places], sides[1][self.gallery.places]
