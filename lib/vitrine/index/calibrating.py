"""Calibrating a collection before it is made: products are held out and looked up among all other staged rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vitrine.embedding import Vectors
from vitrine.index import schema
from vitrine.index.calibration import NEIGHBOURS, Calibration, fitted
from vitrine.index.staged import count_rows, read, vectors
from vitrine.index.thresholds import measure

HELD_OUT = 1_000
LEAST_HELD_OUT = 100
STRANGER_PERCENTILE = 1.0
"""Of the best cosines: what `stranger` is."""

_LABELS = (schema.CATEGORY, schema.BRAND)
_COLUMNS = (schema.PRODUCT_ID, *_LABELS, schema.VECTOR)
UNSAID = hash("")
"""Code of a label that is empty: no vote."""

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Pictures of n different products that are looked up: (n, dim) vectors, and their (n, 2) categories and brands.

    Labels are codes: equal for equal texts, `UNSAID` for an empty one.
    """

    product_ids: list[str]
    labels: Codes
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The products nearest to each of n pictures, best first, each once: their cosines and codes (n, k).

    `labels` are (n, k, 2), as in `HeldOut`. A cosine is -inf where there is no neighbour.
    """

    scores: Vectors
    products: Codes
    labels: Codes


def calibrate(files: Sequence[str], *, sample: int = HELD_OUT, seed: int = 0) -> Calibration | None:
    """Measure on up to `sample` products, drawn by `seed` from staged rows.

    A product is looked up without its own rows and without near-duplicates. None where fewer than 100 have a
    neighbour. Reads the files twice; holds a batch of rows by `sample` scores.
    """
    held_out = draw(files, sample, seed=seed)
    thresholds = measure(held_out.vectors, held_out.product_ids)
    found = nearest_products(files, held_out, below=thresholds.duplicate)
    best = found.scores[np.isfinite(found.scores[:, 0]), 0]
    if len(best) < LEAST_HELD_OUT:
        return None
    stranger = float(np.percentile(best, STRANGER_PERCENTILE))
    category, brand = (_temperature(found, held_out, which) for which in range(len(_LABELS)))
    return Calibration(category, stranger, thresholds, brand_temperature=brand)


def _temperature(found: Neighbours, held_out: HeldOut, which: int) -> float | None:
    """That of the vote on one of the labels; None where too few products have it, or all the same one."""
    own, theirs = held_out.labels[:, which, np.newaxis], found.labels[:, :, which]
    scores = np.where(theirs == UNSAID, -np.inf, found.scores)
    votes = (own[:, 0] != UNSAID) & np.isfinite(scores).any(axis=1)
    if np.count_nonzero(votes) < LEAST_HELD_OUT or len(np.unique(own[votes])) < 2:
        return None
    return fitted(scores[votes], (theirs == own)[votes])


def draw(files: Sequence[str], sample: int, *, seed: int) -> HeldOut:
    """`sample` rows of the files at random, without those whose product was drawn before."""
    total = count_rows(files)
    chosen = np.sort(np.random.default_rng(seed).choice(total, min(sample, total), replace=False))
    drawn: dict[str, tuple[Codes, Vectors]] = {}
    start = 0
    for batch in read(files, _COLUMNS):
        rows = chosen[(chosen >= start) & (chosen < start + len(batch))] - start
        start += len(batch)
        some = batch.take(pa.array(rows))
        for product_id, labels, vector in zip(
            _texts(some, schema.PRODUCT_ID), _labels(some), vectors(some), strict=True
        ):
            drawn.setdefault(product_id, (labels, vector))
    every_label, every_vector = zip(*drawn.values(), strict=True)
    return HeldOut(list(drawn), np.stack(every_label), np.stack(every_vector))


def nearest_products(files: Sequence[str], held_out: HeldOut, *, below: float, k: int = NEIGHBOURS) -> Neighbours:
    """The `k` other products nearest to each picture, by looking at every row with a cosine `below` that."""
    own = _codes(held_out.product_ids)[:, np.newaxis]
    none = np.zeros((len(own), k), np.int64)
    best = Neighbours(np.full(none.shape, -np.inf, np.float32), none, np.zeros((*none.shape, len(_LABELS)), np.int64))
    for batch in read(files, _COLUMNS):
        products = _codes(_texts(batch, schema.PRODUCT_ID))
        scores = held_out.vectors @ vectors(batch).T
        scores[(own == products) | (scores >= below)] = -np.inf
        # So many of the best rows hold k products, however many of them are one product's.
        rows = _highest(scores, k * int(np.unique(products, return_counts=True)[1].max()))
        there = Neighbours(np.take_along_axis(scores, rows, axis=1), products[rows], _labels(batch)[rows])
        best = _merged(best, there, k)
    return best


def _texts(batch: pa.RecordBatch, column: str) -> list[str]:
    return list(batch.column(column).to_pylist())


def _labels(batch: pa.RecordBatch) -> Codes:
    return np.stack([_codes(_texts(batch, name)) for name in _LABELS], axis=1)


def _codes(texts: Iterable[str]) -> Codes:
    """A number for each text, the same for the same text in this process."""
    return np.fromiter(map(hash, texts), np.int64)


def _highest(scores: Vectors, n: int) -> Codes:
    """Columns of the `n` highest scores of each row, in no order."""
    kept = min(n, scores.shape[1])
    return np.argpartition(-scores, kept - 1, axis=1)[:, :kept]


def _merged(one: Neighbours, other: Neighbours, k: int) -> Neighbours:
    """The best `k` of both, each product once."""
    scores = np.concatenate([one.scores, other.scores], axis=1)
    products = np.concatenate([one.products, other.products], axis=1)
    labels = np.concatenate([one.labels, other.labels], axis=1)
    by_score = _order(-scores)
    by_product = np.take_along_axis(by_score, _order(np.take_along_axis(products, by_score, axis=1)), axis=1)
    again = np.diff(np.take_along_axis(products, by_product, axis=1), axis=1) == 0
    once = np.take_along_axis(scores, by_product, axis=1)
    once[:, 1:][again] = -np.inf
    np.put_along_axis(scores, by_product, once, axis=1)
    kept = _order(-scores)[:, :k]
    return Neighbours(
        np.take_along_axis(scores, kept, axis=1),
        np.take_along_axis(products, kept, axis=1),
        np.take_along_axis(labels, kept[..., np.newaxis], axis=1),
    )


def _order(values: Vectors | Codes) -> Codes:
    return np.argsort(values, axis=1, kind="stable")
