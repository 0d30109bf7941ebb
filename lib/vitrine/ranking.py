"""How good ranked lists are: hits at k against what was relevant, coverage, novelty, confidence intervals."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Figures = NDArray[np.float64]

NOTHING = -1
"""Stands in a list where nothing more could be recommended, and for an item that could not be."""


def hits(lists: Indices, cases: Indices, items: Indices) -> Indices:
    """How often each place of the lists is relevant, (n, k) like `lists`.

    `lists` holds items from 0, best first, each at most once in a row, and `NOTHING` where a list ends early.
    Row r's relevant items are `items[cases == r]`; an item that stands there twice is two hits, and `NOTHING` is none.
    """
    cases, items = cases[items != NOTHING], items[items != NOTHING]
    width = 1 + max(int(lists.max(initial=0)), int(items.max(initial=0)))
    relevant, times = np.unique(cases * width + items, return_counts=True)
    if not len(relevant):
        return np.zeros(lists.shape, dtype=np.int64)
    wanted = np.arange(len(lists))[:, np.newaxis] * width + lists
    found = np.minimum(np.searchsorted(relevant, wanted), len(relevant) - 1)
    return np.where((lists != NOTHING) & (relevant[found] == wanted), times[found], 0)


def metrics(found: Indices, relevant: Indices, k: int) -> dict[str, Figures]:
    """HR, recall, precision, MRR, NDCG and MAP at `k` of each row, (n,) float64.

    `found` is (n, at least k) as `hits` makes it, `relevant` (n,) how many items are relevant, at least 1.
    With gain 1/log2(1 + rank), `ndcg` is divided by its best value for min(k, relevant) hits; `map` is the sum of
    hit number/rank over the hits, divided by `relevant`. Those are the definitions of SAR's authors
    (recommenders-team/recommenders, evaluation); for one relevant item `ndcg` is that of SASRec and S3-Rec.
    """
    found = found[:, :k]
    ranks = np.arange(1, found.shape[1] + 1)
    gains = 1 / np.log2(1 + np.arange(1, k + 1))
    total = found.sum(axis=1)
    # a place that holds m hits holds those numbered c + 1 to c + m
    numbered = found * np.cumsum(found, axis=1) - found * (found - 1) / 2
    first = np.where(total > 0, np.argmax(found > 0, axis=1) + 1.0, np.inf)
    return {
        "hr": (total > 0).astype(np.float64),
        "recall": total / relevant,
        "precision": total / k,
        "mrr": 1 / first,
        "ndcg": found @ gains[: found.shape[1]] / np.cumsum(gains)[np.minimum(k, relevant) - 1],
        "map": (numbered / ranks).sum(axis=1) / relevant,
    }


def coverage(lists: Indices, items: int, k: int) -> float:
    """Share of all `items` that stand in at least one list, from 0 to 1."""
    shown = np.unique(lists[:, :k])
    return float(np.sum(shown != NOTHING) / items) if items else 0.0


def novelty(lists: Indices, supports: Indices, sessions: int, k: int) -> float:
    """Mean of -log2(share of the sessions that hold the item) over all places: what is popular is no news.

    In bits; `supports` is (items,), of the training part; an item that no session holds counts as if one did. Mean
    self-information, Zhou et al., PNAS 107 (2010).
    """
    shown = lists[:, :k]
    shares = np.maximum(supports[shown[shown != NOTHING]], 1) / max(sessions, 1)
    return float(np.mean(-np.log2(shares))) if len(shares) else 0.0


def interval(
    values: Mapping[str, Figures], groups: Indices, *, resamples: int, seed: int, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap interval of the mean of each of `values`, (n,) each.

    `groups` (n,) numbers from 0 what is drawn as a whole, as the session that several cases come from.
    """
    names = list(values)
    members = np.bincount(groups)
    sums = np.stack([np.bincount(groups, weights=values[name]) for name in names], axis=1)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, len(names)))
    for row in means:
        times = np.bincount(generator.integers(0, len(members), len(members)), minlength=len(members))
        row[:] = times @ sums / (times @ members)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}
