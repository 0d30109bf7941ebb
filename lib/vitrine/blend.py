"""What is bought together, what looks alike and what is popular, as one ranked list that says its sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

import numpy as np
from numpy.typing import NDArray

from vitrine.embedding import Vectors

BOUGHT_TOGETHER = "bought together"
LOOKS_ALIKE = "looks alike"
POPULAR = "popular in category"

KAPPA = 20.0
"""Sessions that weigh as much as the looks; the shrinkage that is ahead on sparse catalogues is of that size."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A product of a blended list: its score, from 0 to 1, and who proposed it."""

    product_id: str
    score: float
    sources: tuple[str, ...]


def behaviour_share(evidence: float, kappa: float = KAPPA) -> float:
    """The weight of behaviour against looks, n / (n + kappa), for n sessions of evidence; `kappa` is above 0."""
    return evidence / (evidence + kappa)


def worth(rank: int) -> float:
    """What a place in a list counts, 1 / log2(1 + rank) from rank 1 on: the discount of NDCG.

    Places are compared and not scores: measures as different as LLR and a shrunk cosine share no scale, and the
    cosines of pictures that look alike lie so close together that no factor makes them comparable.
    """
    return 1 / log2(1 + rank)


def blend(
    bought: Sequence[str], alike: Sequence[str], popular: Sequence[str], *, evidence: float, kappa: float = KAPPA
) -> list[Ranked]:
    """One list of the products of three, each of distinct products and best first.

    A product scores `share * worth(place in bought) + (1 - share) * worth(place in alike)`, where a list without it
    counts 0, with share = `behaviour_share(evidence, kappa)`; where one of the two lists is empty, the other has the
    whole weight. Of equal scores the one bought together comes first, then the lower id. What only is popular
    follows, below all others.
    """
    share = behaviour_share(evidence, kappa) if bought and alike else float(bool(bought))
    places = [(BOUGHT_TOGETHER, share, _places(bought)), (LOOKS_ALIKE, 1 - share, _places(alike))]
    ranked = [
        Ranked(
            product_id,
            sum(weight * worth(place[product_id]) for _, weight, place in places if product_id in place),
            tuple(source for source, _, place in places if product_id in place),
        )
        for product_id in {**places[0][2], **places[1][2]}
    ]
    ranked.sort(key=lambda one: (-one.score, BOUGHT_TOGETHER not in one.sources, one.product_id))
    lowest = ranked[-1].score if ranked else 1.0
    rest = [product_id for product_id in popular if not any(product_id in place for _, _, place in places)]
    return ranked + [Ranked(one, lowest * worth(rank), (POPULAR,)) for rank, one in enumerate(rest, 2)]


def diverse(scores: Sequence[float], vectors: Vectors, k: int, *, diversity: float) -> list[int]:
    """Which `k` products to show, in order, by maximal marginal relevance (Carbonell and Goldstein, 1998).

    `scores` are those of a ranked list, `vectors` (n, dim) its unit vectors. Each step takes the product with the
    highest `(1 - diversity) * score - diversity * (highest cosine with those taken)`, of equal ones the first.
    `diversity` is from 0, which keeps the order, to 1.
    """
    relevance = (1 - diversity) * np.asarray(scores, dtype=np.float64)
    nearest: NDArray[np.float64] = np.full(len(scores), -1.0)
    taken: list[int] = []
    for _ in range(min(k, len(scores))):
        worths = relevance - diversity * nearest
        worths[taken] = -np.inf
        best = int(np.argmax(worths))
        taken.append(best)
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return taken


def within_band(price: float, asked: float, band: tuple[float, float] | None) -> bool:
    """Whether a price lies within `band` times the asked one, bounds included.

    Negative prices are unknown: an unknown asked price bounds nothing, an unknown other one lies outside.
    """
    if band is None or asked < 0:
        return True
    return asked * band[0] <= price <= asked * band[1]


def decayed(lists: Sequence[Sequence[tuple[str, float]]], decay: float) -> list[str]:
    """Products of several scored lists, the newest list first: highest sum of `decay ** p * score`, p the list's place.

    Of equal sums the lower id comes first. Each list holds a product at most once; `decay` is from 0 to 1, where 0
    leaves only the newest list (session-rec's convention of last item only).
    """
    sums: dict[str, float] = {}
    for place, scored in enumerate(lists):
        for product_id, score in scored:
            if weight := decay**place:
                sums[product_id] = sums.get(product_id, 0.0) + weight * score
    return sorted(sums, key=lambda product_id: (-sums[product_id], product_id))


def _places(products: Sequence[str]) -> dict[str, int]:
    return {product_id: place for place, product_id in enumerate(products, 1)}
