"""Cases: what was known of a user or session at a moment, and what came next."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from vitrine.ranking import Figures, Indices


@dataclass(frozen=True, slots=True)
class Histories:
    """Events that were known, a row each, all (m,).

    `case` and `item` count from 0, `back` is 0 for the newest event of its case, `affinity` how much the event says by
    itself: a rating or the weight of its type, decayed by age.
    """

    case: Indices
    item: Indices
    back: Indices
    affinity: Figures

    def decayed(self, decay: float, shape: tuple[int, int]) -> csr_array:
        """The weight `decay^back` of each event, (cases, items), summed over an item's events; 0: the newest alone."""
        return csr_array((decay**self.back, (self.case, self.item)), shape=shape)

    def affinities(self, shape: tuple[int, int]) -> csr_array:
        """The affinity of each event, (cases, items), summed over an item's events."""
        return csr_array((self.affinity, (self.case, self.item)), shape=shape)


@dataclass(frozen=True, slots=True)
class Cases:
    """Histories, and the relevant items of each: `relevant_case` and `relevant_item` are (r,), a row each.

    `relevant_item` is -1 for one that the training part does not hold, which nobody can recommend; `groups` (n,) says
    which cases come from one user or session.
    """

    known: Histories
    relevant_case: Indices
    relevant_item: Indices
    groups: Indices

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def relevant(self) -> Indices:
        """How many items are relevant for each case, (n,)."""
        return np.bincount(self.relevant_case, minlength=len(self)).astype(np.int64)

    def drawn(self, n: int, *, seed: int) -> "Cases":
        """`n` of the cases, chosen by `seed` and in their order; all of them where there are no more."""
        if len(self) <= n:
            return self
        chosen = np.sort(np.random.default_rng(seed).choice(len(self), n, replace=False))
        return self.only(np.isin(np.arange(len(self)), chosen))

    def only(self, kept: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> "Cases":
        """The cases that `kept` (n,) marks, numbered anew."""
        number = np.cumsum(kept) - 1
        known, wanted = kept[self.known.case], kept[self.relevant_case]
        history = self.known
        return Cases(
            Histories(number[history.case[known]], history.item[known], history.back[known], history.affinity[known]),
            number[self.relevant_case[wanted]],
            self.relevant_item[wanted],
            np.unique(self.groups[kept], return_inverse=True)[1].astype(np.int64),
        )
