"""Cosines that mean something in one collection, since they mean nothing across collections and models."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitrine.embedding import Vectors

SIMILAR_PAIRS = 1e-2
VERY_CLOSE_PAIRS = 1e-4
EQUAL = 0.9999
"""Two products with this cosine show one file, or that file saved anew: how many do says nothing of likeness."""
SAME_PICTURE = 0.98
"""With the bundled model 99 of 100 photos, made half as wide and saved anew (quality 80), keep a cosine above .997 with
themselves; of 300 real photos of clothes none has one of .98 with another. Icons of 60 x 80 lose more: 1 in 15."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which cosine on two pictures of a collection are `similar`, `very_close`, or each other's `duplicate`.

    Of pairs of different products, drawn at random, one in 100 is similar and one in 10,000 very close; pairs that
    show one picture are left out.
    """

    similar: float
    very_close: float
    duplicate: float


def measure(vectors: Vectors, product_ids: Sequence[str]) -> Thresholds:
    """The thresholds of the collection that (n, dim) unit vectors were drawn from at random, with their products.

    All pairs are compared, so n is about 1,000; with fewer than two products nothing is alike but equal pictures.
    """
    _, products = np.unique(np.asarray(product_ids), return_inverse=True)
    first, second = np.triu_indices(len(vectors), k=1)
    different = products[first] != products[second]
    cosines = (vectors @ vectors.T)[first[different], second[different]]
    cosines = cosines[cosines < EQUAL]
    if not len(cosines):
        return Thresholds(EQUAL, EQUAL, EQUAL)
    similar, very_close = (float(one) for one in np.quantile(cosines, [1 - SIMILAR_PAIRS, 1 - VERY_CLOSE_PAIRS]))
    return Thresholds(similar, very_close, max(very_close, SAME_PICTURE))
