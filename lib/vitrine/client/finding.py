"""From a query whose pictures are vectors to its answer: a pool of near products, their order, and a page of it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vitrine.client import ordering
from vitrine.client.answer import Answer, Match, Note, brands, categories
from vitrine.client.categorising import Guess, Likeness, guess, likeness
from vitrine.client.combining import Probes
from vitrine.client.ordering import Ordered, best
from vitrine.client.paging import Cursor
from vitrine.client.query import MAX_K, Query
from vitrine.index.collections import Collection
from vitrine.index.filters import both
from vitrine.index.search import HIT_FIELDS, Hit, search, vectors_of_pictures
from vitrine.index.store import Store
from vitrine.index.thresholds import SAME_PICTURE

POOL = MAX_K
"""Products that an answer is chosen from, and that its pages go through."""
PROBES_PER_CALL = 32

Lists = list[list[Hit]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A query ready to be searched: where, with which vectors, from which position of the pool on.

    `own` are the products that are its examples.
    """

    query: Query
    collection: Collection
    probes: Probes
    start: int = 0
    own: frozenset[str] = frozenset()


def answers(store: Store, asked: Sequence[Asked]) -> list[Answer]:
    """An answer to each, in their order; those of one collection and filter are searched for together."""
    wide = [_around(one.query) for one in asked]
    around = _pools(store, asked, wide)
    unfiltered = ["" if _guessable(one) else expression for one, expression in zip(asked, wide, strict=True)]
    voters = _changed(store, asked, around, (wide, unfiltered))
    guesses = [_guess(one, lists) for one, lists in zip(asked, voters, strict=True)]
    narrowed = [_narrowed(one.query, guessed) for one, guessed in zip(asked, guesses, strict=True)]
    wanted = _expressions(asked, narrowed)
    chosen = _changed(store, asked, around, (wide, wanted))
    narrowed = [category if any(lists) else "" for category, lists in zip(narrowed, chosen, strict=True)]
    chosen = _changed(store, asked, chosen, (wanted, _expressions(asked, narrowed)))
    found = []
    for i, one in enumerate(asked):
        pool = best(around[i])[:POOL]
        page = _page(store, one, chosen[i])
        page = replace(page, categories=categories(pool), brands=brands(pool), guess=guesses[i])
        notes = (*page.notes, Note.NARROWED) if narrowed[i] else page.notes
        found.append(replace(page, narrowed_to=narrowed[i], notes=notes))
    return found


def _around(query: Query) -> str:
    """The filter of what is counted: categories and brands that were not chosen stay in sight."""
    return both(replace(query.filters, categories=(), brands=()).expression, query.expression)


def _expressions(asked: Sequence[Asked], narrowed: Sequence[str]) -> list[str]:
    return [_expression(one.query, category) for one, category in zip(asked, narrowed, strict=True)]


def _expression(query: Query, category: str) -> str:
    filters = replace(query.filters, categories=(category,)) if category else query.filters
    return both(filters.expression, query.expression)


def _guessable(asked: Asked) -> bool:
    one_look = not asked.probes.blended and not asked.probes.weights
    return one_look and bool(asked.query.pictured)


def _guess(asked: Asked, lists: Lists) -> Guess | None:
    return guess(best(lists), asked.collection.facts.calibration) if _guessable(asked) else None


def _narrowed(query: Query, guessed: Guess | None) -> str:
    return guessed.narrows if guessed and query.narrow and not query.filters.categories else ""


def _changed(
    store: Store, asked: Sequence[Asked], pools: Sequence[Lists], filters: tuple[Sequence[str], Sequence[str]]
) -> list[Lists]:
    """The pools of the second filters, where those of the first are known; equal ones are not searched for again."""
    before, after = filters
    others = [i for i in range(len(asked)) if before[i] != after[i]]
    searched = _pools(store, [asked[i] for i in others], [after[i] for i in others])
    changed = dict(zip(others, searched, strict=True))
    return [changed.get(i, pool) for i, pool in enumerate(pools)]


def _pools(store: Store, asked: Sequence[Asked], expressions: Sequence[str]) -> list[Lists]:
    """For each the nearest products of each of its vectors, but for its own."""
    together: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for i, one in enumerate(asked):
        together[one.collection.name, expressions[i]].append(i)
    pools: list[Lists] = [[] for _ in asked]
    for (name, expression), members in together.items():
        owners = [i for i in members for _ in asked[i].probes.vectors]
        vectors = np.concatenate([asked[i].probes.vectors for i in members])
        k = POOL + max(len(asked[i].own) for i in members)
        for start in range(0, len(vectors), PROBES_PER_CALL):
            part = slice(start, start + PROBES_PER_CALL)
            for i, hits in zip(owners[part], search(store, name, vectors[part], k, filter=expression), strict=True):
                pools[i].append([hit for hit in hits if hit.product_id not in asked[i].own][:POOL])
    return pools


def _page(store: Store, asked: Asked, lists: Lists) -> Answer:
    query, weights = asked.query, asked.probes.weights
    notes = [Note.FUSED] if weights else []
    ordered = ordering.by_looks(lists, weights)[:POOL]
    if _word(asked, max((one.hit.score for one in ordered), default=1.0)) is Likeness.DISTANT:
        notes.append(Note.NOTHING_CLOSE)
    if query.words.strip():
        ordered, note = ordering.with_words(ordered, query.words)
        notes.append(note)
    ordered = _varied(store, asked, ordered)
    end = asked.start + query.k
    return Answer(
        hits=tuple(_match(asked, one) for one in ordered[asked.start : end]),
        next_cursor=Cursor(query.digest(), asked.collection.name, end).text() if end < len(ordered) else "",
        collection=asked.collection.name,
        model_id=asked.collection.facts.model_id,
        notes=tuple(notes),
    )


def _word(asked: Asked, score: float) -> Likeness | None:
    return None if asked.probes.blended else likeness(score, asked.collection.facts.calibration)


def _varied(store: Store, asked: Asked, ordered: list[Ordered]) -> list[Ordered]:
    query, calibration = asked.query, asked.collection.facts.calibration
    if not ordered or not (query.collapse or query.diversity):
        return ordered
    vectors = vectors_of_pictures(store, asked.collection.name, [one.hit.image_id for one in ordered])
    if query.collapse:
        duplicate = calibration.thresholds.duplicate if calibration else SAME_PICTURE
        ordered, vectors = ordering.without_duplicates(ordered, vectors, duplicate)
    return ordering.diversified(ordered, vectors, query.diversity) if query.diversity else ordered


def _match(asked: Asked, one: Ordered) -> Match:
    said = {name: getattr(one.hit, name) for name in HIT_FIELDS}
    word = _word(asked, one.hit.score)
    return Match(**said, score=one.hit.score, likeness=word, sources=one.sources, more_like_this=one.folded)
