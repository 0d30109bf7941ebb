"""The order of products that look alike: by likeness, by words too, and with variety."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vitrine.blend import diverse
from vitrine.client import fusing, words
from vitrine.client.answer import Note, Source
from vitrine.embedding import Vectors
from vitrine.index.filters import LEVEL
from vitrine.index.search import Hit


@dataclass(frozen=True, slots=True)
class Ordered:
    """A product of a list: what its place is by, who brought it in, and the products that are folded into it."""

    hit: Hit
    worth: float
    sources: tuple[Source, ...] = (Source.LOOKS,)
    folded: tuple[str, ...] = ()


def best(lists: Sequence[Sequence[Hit]]) -> list[Hit]:
    """The products of several lists, each by its best picture, best first; of equal ones by id."""
    found: dict[str, Hit] = {}
    for hit in (hit for hits in lists for hit in hits):
        if hit.product_id not in found or hit.score > found[hit.product_id].score:
            found[hit.product_id] = hit
    return sorted(found.values(), key=lambda hit: (-hit.score, hit.product_id))


def by_looks(lists: Sequence[Sequence[Hit]], weights: Sequence[float]) -> list[Ordered]:
    """The products by their best score; with `weights`, one for each list, by the fusion of their ranks."""
    hits = best(lists)
    if not weights:
        return [Ordered(hit, hit.score) for hit in hits]
    ranks = [{hit.product_id: rank for rank, hit in enumerate(best([one]), 1)} for one in lists]
    worths = fusing.fused(ranks, weights)
    named = {hit.product_id: hit for hit in hits}
    return [Ordered(named[product_id], worth) for product_id, worth in worths.items()]


def with_words(ordered: Sequence[Ordered], wanted: str) -> tuple[list[Ordered], Note]:
    """The same products by the fusion of their place with how well title, brand and category hold the words."""
    texts = [f"{one.hit.title} {one.hit.brand} {one.hit.category.replace(LEVEL, ' ')}" for one in ordered]
    named = {one.hit.product_id: one for one in ordered}
    held = fusing.ranks(dict(zip(named, words.scores(wanted, texts), strict=True)))
    if not held:
        return list(ordered), Note.WORDS_UNFOUND
    worths = fusing.fused([{product_id: rank for rank, product_id in enumerate(named, 1)}, held])
    both = (Source.LOOKS, Source.WORDS)
    return [
        replace(named[product_id], worth=worth, sources=both if product_id in held else named[product_id].sources)
        for product_id, worth in worths.items()
    ], Note.WORDS


def without_duplicates(ordered: Sequence[Ordered], vectors: Vectors, duplicate: float) -> tuple[list[Ordered], Vectors]:
    """Those that stay, in their order, with what was folded into them, and their vectors.

    Greedy from the best on: a product goes to the first that stays and has the same picture, or a cosine of at least
    `duplicate` with it. `vectors` (n, dim) are those of all.
    """
    kept: dict[int, list[str]] = {}
    for i, one in enumerate(ordered):
        staying = list(kept)
        near = vectors[staying] @ vectors[i] >= duplicate
        pictures = (one.hit.image_sha256 == ordered[other].hit.image_sha256 != "" for other in staying)
        into = next((j for j, close, same in zip(staying, near, pictures, strict=True) if close or same), None)
        if into is None:
            kept[i] = []
        else:
            kept[into].append(one.hit.product_id)
    return [replace(ordered[i], folded=tuple(members)) for i, members in kept.items()], vectors[list(kept)]


def diversified(ordered: Sequence[Ordered], vectors: Vectors, diversity: float) -> list[Ordered]:
    """The same products by maximal marginal relevance; `vectors` (n, dim) are theirs.

    What their places are by is divided by the best one's, so that it shares the scale of cosines.
    """
    if not ordered:
        return []
    highest = max(one.worth for one in ordered)
    scale = highest if highest > 0 else 1.0
    chosen = diverse([one.worth / scale for one in ordered], vectors, len(ordered), diversity=diversity)
    return [ordered[i] for i in chosen]
