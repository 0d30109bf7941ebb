"""How good a search is: exact neighbours, recall, neighbours of the same kind, and how true its probabilities are."""

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrine.embedding import Vectors

Indices = NDArray[np.int64]

QUERY_ROWS = 256


def exact_neighbours(queries: Vectors, vectors: Vectors, k: int, *, block_rows: int = 32_768) -> Indices:
    """The rows of `vectors` with the highest inner products, by looking at every one.

    `queries` is (n, dim), `vectors` (m, dim); the answer is (n, min(k, m)), best first, equal scores by index.
    Holds at most the scores of 256 queries and `block_rows` vectors twice (64 MB by default).
    """
    kept = min(k, len(vectors))
    found = np.empty((len(queries), kept), dtype=np.int64)
    for rows in _blocks(len(queries), QUERY_ROWS):
        scores = np.empty((rows.stop - rows.start, 0), dtype=np.float32)
        indices = np.empty(scores.shape, dtype=np.int64)
        for block in _blocks(len(vectors), block_rows):
            block_scores = queries[rows] @ vectors[block].T
            best = _best(block_scores, kept)
            scores = np.concatenate([scores, np.take_along_axis(block_scores, best, axis=1)], axis=1)
            indices = np.concatenate([indices, best + block.start], axis=1)
            order = np.argsort(-scores, axis=1, kind="stable")[:, :kept]
            scores, indices = np.take_along_axis(scores, order, axis=1), np.take_along_axis(indices, order, axis=1)
        found[rows] = indices
    return found


def recall_at_k(found: Iterable[Collection[Hashable]], exact: Iterable[Collection[Hashable]]) -> float:
    """Mean share of the exact neighbours that were found, from 0 to 1.

    A row of each for every query, as indices or keys; an answer given twice counts once.
    """
    shares = [len({*answer} & {*wanted}) / len(wanted) for answer, wanted in zip(found, exact, strict=True)]
    return float(np.mean(shares))


def share_of_same_label(neighbour_labels: NDArray[Any], query_labels: NDArray[Any]) -> float:
    """Share of neighbours that carry their query's label; (n, k) and (n,) labels of any comparable type."""
    return float(np.mean(neighbour_labels == query_labels[:, np.newaxis]))


def share_by_chance(labels: NDArray[Any]) -> float:
    """Share of neighbours that would carry their query's label in random order.

    The probability that two different ones of `labels`, drawn without looking, are equal; 0 for fewer than two.
    """
    if len(labels) < 2:
        return 0.0
    counts = np.unique(labels, return_counts=True)[1].astype(np.float64)
    return float(np.sum(counts * (counts - 1)) / (len(labels) * (len(labels) - 1)))


@dataclass(frozen=True, slots=True)
class Bin:
    """`n` answers of about the same probability: its mean, and the share of them that were right."""

    n: int
    p: float
    right: float


def reliability(p: Sequence[float], right: Sequence[bool], bins: int = 15) -> list[Bin]:
    """Answers, each with its probability and whether it was right, in bins of equal size from the least sure on."""
    order = np.argsort(np.asarray(p), kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    said, was = np.asarray(p, dtype=np.float64), np.asarray(right, dtype=np.float64)
    return [Bin(len(part), float(said[part].mean()), float(was[part].mean())) for part in parts]


def calibration_error(found: Sequence[Bin]) -> float:
    """How far probabilities are from shares, from 0 to 1: their distance in each bin, weighted by its size (ECE)."""
    return sum(one.n * abs(one.p - one.right) for one in found) / sum(one.n for one in found)


def _blocks(rows: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def _best(scores: Vectors, k: int) -> Indices:
    """Columns of the k highest scores of each row, best first, equal scores by column."""
    if scores.shape[1] <= k:
        return np.argsort(-scores, axis=1, kind="stable")
    least = np.partition(scores, -k, axis=1)[:, -k]
    return np.stack([_at_least(limit, row)[:k] for limit, row in zip(least, scores, strict=True)])


def _at_least(limit: np.float32, scores: Vectors) -> Indices:
    columns = np.flatnonzero(scores >= limit)
    return columns[np.argsort(-scores[columns], kind="stable")]
