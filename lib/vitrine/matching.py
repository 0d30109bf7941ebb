"""How well pictures find others of their kind: the whole gallery ranked for each query, judged by labels.

recall@k and mAP@R in the sense of metric learning: Musgrave, Belongie, Lim 2020, "A Metric Learning Reality Check"
(arXiv 2003.08505).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrine.embedding import Vectors

Figures = NDArray[np.float64]
Numbers = NDArray[np.int64]
Sides = tuple[Numbers, Numbers]
"""A number for each of the n queries, and one for each of the m pictures of the gallery."""

UNLABELLED = -1
SCORES_PER_BLOCK = 4_000_000
"""Scores that are sorted at once: with their order and counts about 200 MB."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Each metric of each query that could be answered, (n,) float64 from 0 to 1.

    `recall@k` is 1 where any of the first k has the query's label; `precision@k`, k above 1, the share that do;
    `map@r` the mean, over the first R places, of the precision at those that have it, R being how many there are;
    `mrr` one divided by the place of the first that has it. `asked` are the queries' places among all of them, (n,),
    and `labels` their labels; `left_out` counts those without a label, or whose label nothing in the gallery has.
    """

    figures: Mapping[str, Figures]
    asked: Numbers
    labels: Numbers
    left_out: int

    def means(self) -> dict[str, float]:
        """Each metric over all queries; empty where there are none."""
        return {name: float(values.mean()) for name, values in self.figures.items() if len(values)}

    def by_label(self) -> dict[int, dict[str, float]]:
        """Each metric over the queries of each label."""
        return {
            int(label): {name: float(values[self.labels == label].mean()) for name, values in self.figures.items()}
            for label in np.unique(self.labels)
        }


def judge(
    queries: Vectors, gallery: Vectors, labels: Mapping[str, Sides], *, ks: Sequence[int], own: Sides | None = None
) -> dict[str, Judged]:
    """Rank the whole gallery for each query by cosine, equal ones by place, and judge by each kind of label.

    `queries` is (n, dim), `gallery` (m, dim), both with unit rows; a label is a number from 0, or `UNLABELLED`. `own`
    numbers what belongs together, such as the pictures of a product: what has the query's number is not searched.
    """
    parts: dict[str, list[dict[str, Figures]]] = {name: [] for name in labels}
    asked: dict[str, list[Numbers]] = {name: [] for name in labels}
    for block in _blocks(len(queries), len(gallery)):
        searched = np.True_ if own is None else own[0][block, np.newaxis] != own[1]
        distances = np.where(searched, -(queries[block] @ gallery.T), np.inf)
        order = np.argsort(distances, axis=1, kind="stable")
        for name, (wanted, there) in labels.items():
            known = wanted[block, np.newaxis] != UNLABELLED
            relevant = known & searched & (wanted[block, np.newaxis] == there)
            can = np.flatnonzero(relevant.any(axis=1))
            parts[name].append(of_ranks(np.take_along_axis(relevant[can], order[can], axis=1), ks))
            asked[name].append(can + block.start)
    return {name: _joined(parts[name], asked[name], wanted) for name, (wanted, _) in labels.items()}


def of_ranks(relevant: NDArray[np.bool_], ks: Sequence[int]) -> dict[str, Figures]:
    """The metrics of (n, m) ranked answers, which tell of each place whether it has the query's label; each row one."""
    found = np.cumsum(relevant, axis=1, dtype=np.int32)
    places = np.arange(1, relevant.shape[1] + 1)
    total = found[:, -1:]
    figures: dict[str, Figures] = {}
    for k in ks:
        reached = found[:, min(k, relevant.shape[1]) - 1]
        figures[f"recall@{k}"] = (reached > 0).astype(np.float64)
        if k > 1:
            figures[f"precision@{k}"] = reached / k
    counted = relevant & (places <= total)
    figures["map@r"] = np.sum(found / places, axis=1, where=counted) / total[:, 0]
    figures["mrr"] = 1.0 / (relevant.argmax(axis=1) + 1)
    return figures


def answerable(labels: Sides, own: Sides | None) -> NDArray[np.bool_]:
    """Which of the n queries share their label with a picture of the gallery; with `own`, of another number."""
    (wanted, there), known = labels, labels[1] != UNLABELLED
    size = 1 + max(int(wanted.max(initial=0)), int(there.max(initial=0)))
    partners = np.bincount(there[known], minlength=size)[wanted]
    if own is not None:
        pairs, times = np.unique(own[1][known] * size + there[known], return_counts=True)
        mine = own[0] * size + wanted
        place = np.minimum(np.searchsorted(pairs, mine), max(len(pairs) - 1, 0))
        partners = partners - (np.where(pairs[place] == mine, times[place], 0) if len(pairs) else 0)
    found: NDArray[np.bool_] = (wanted != UNLABELLED) & (partners > 0)
    return found


def _blocks(queries: int, gallery: int) -> Iterator[slice]:
    rows = max(1, SCORES_PER_BLOCK // max(gallery, 1))
    return (slice(start, min(start + rows, queries)) for start in range(0, queries, rows))


def _joined(parts: Sequence[Mapping[str, Figures]], asked: Sequence[Numbers], wanted: Numbers) -> Judged:
    figures = {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else {})}
    places = np.concatenate([np.empty(0, np.int64), *asked])
    return Judged(figures, places, wanted[places], len(wanted) - len(places))
