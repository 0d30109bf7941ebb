"""Guesses of pictures' categories against what the pictures show: a fair split, and figures."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vitrine.client.categorising import Choice, Guess, guess
from vitrine.embedding import Vectors
from vitrine.index import schema
from vitrine.index.calibrating import calibrate
from vitrine.index.calibration import NEIGHBOURS, Calibration
from vitrine.index.search import Hit
from vitrine.quality import Bin, calibration_error, exact_neighbours, reliability


@dataclass(frozen=True, slots=True)
class Shown:
    """Pictures of n products: ids, category paths, brands, and (n, dim) unit vectors."""

    products: list[str]
    categories: list[str]
    brands: list[str]
    vectors: Vectors

    def where(self, chosen: Sequence[bool]) -> "Shown":
        """Those that are chosen."""
        rows = np.flatnonzero(chosen)
        texts = ([texts[i] for i in rows] for texts in (self.products, self.categories, self.brands))
        return Shown(*texts, self.vectors[rows])


@dataclass(frozen=True, slots=True)
class Narrowing:
    """How searches with pictures would be narrowed.

    `share` of them are, `right` of those to a category that the picture is of, `to_level` is the share by the number of
    levels; `none_of_these` is the share of pictures that look like nothing in the shop.
    """

    share: float
    right: float
    to_level: dict[int, float]
    none_of_these: float


@dataclass(frozen=True, slots=True)
class Figures:
    """How true the best answer and its probability are for `n` pictures."""

    n: int
    accuracy: float
    calibration_error: float
    brier: float
    bins: list[Bin]


@dataclass(frozen=True, slots=True)
class Split:
    """A shop, and pictures of products that it does not have, none of them nearly one of its own.

    `near_duplicates` is how many were left out for that.
    """

    shop: Shown
    asked: Shown
    calibration: Calibration
    near_duplicates: int


def split(shown: Shown) -> Split:
    """A tenth of the products is asked with: those that the bundled weights were not trained on.

    Raises:
        ValueError: the others are too few to calibrate on.
    """
    held_out = [int(hashlib.md5(one.encode()).hexdigest(), 16) % 10 == 0 for one in shown.products]
    shop, asked = shown.where([not out for out in held_out]), shown.where(held_out)
    calibration = calibrated(shop)
    nearest = exact_neighbours(asked.vectors, shop.vectors, 1)[:, 0]
    apart = np.sum(asked.vectors * shop.vectors[nearest], axis=1) < calibration.thresholds.duplicate
    return Split(shop, asked.where(apart.tolist()), calibration, int(np.count_nonzero(~apart)))


def calibrated(shop: Shown) -> Calibration:
    """What jobs/reindex.py would measure of the shop."""
    columns = {
        schema.PRODUCT_ID: shop.products,
        schema.CATEGORY: shop.categories,
        schema.BRAND: shop.brands,
        schema.VECTOR: pa.array(list(shop.vectors), pa.list_(pa.float32())),
    }
    with tempfile.TemporaryDirectory() as aside:
        path = str(Path(aside) / "rows.parquet")
        pq.write_table(pa.table(columns), path)
        if (found := calibrate([path])) is None:
            raise ValueError("too few products, or a single category")
    return found


def guesses(shop: Shown, asked: Vectors, calibration: Calibration | None) -> list[Guess]:
    """What the exact neighbours in the shop, which has one picture of each product, say of (n, dim) pictures."""
    nearest = exact_neighbours(asked, shop.vectors, NEIGHBOURS)
    return [
        guess([_hit(shop, row, float(shop.vectors[row] @ vector)) for row in rows.tolist()], calibration)
        for rows, vector in zip(nearest, asked, strict=True)
    ]


def _hit(shop: Shown, row: int, score: float) -> Hit:
    product_id, category, brand = shop.products[row], shop.categories[row], shop.brands[row]
    return Hit(product_id, f"{product_id}/0", score, 0, "", category, brand, -1.0, True, {}, "", "")


def figures(answers: Sequence[Choice], wanted: Sequence[str]) -> Figures:
    """The answers against what the pictures show."""
    p = [answer.p for answer in answers]
    right = [answer.value == shown for answer, shown in zip(answers, wanted, strict=True)]
    brier = float(np.mean((np.array(p) - right) ** 2))
    bins = reliability(p, right)
    return Figures(len(answers), float(np.mean(right)), calibration_error(bins), brier, bins)


def narrowing(guesses: Sequence[Guess], wanted: Sequence[str]) -> Narrowing:
    """The guesses against the paths that the pictures show, or as much of them as is known."""
    narrowed = [(found, path) for found, path in zip(guesses, wanted, strict=True) if found.narrows]
    levels = [found.level for found, _ in narrowed]
    return Narrowing(
        share=len(narrowed) / len(guesses),
        right=float(np.mean([_agree(found.narrows, path) for found, path in narrowed])) if narrowed else 1.0,
        to_level={level: levels.count(level) / len(guesses) for level in sorted(set(levels))},
        none_of_these=float(np.mean([found.none_of_these for found in guesses])),
    )


def _agree(one: str, other: str) -> bool:
    """Whether one path is the beginning of the other."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
