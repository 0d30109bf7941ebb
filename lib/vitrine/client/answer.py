"""What a search answers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vitrine.client.categorising import Guess, Likeness
from vitrine.embedding import Vectors
from vitrine.index.collections import Collection
from vitrine.index.filters import LEVEL
from vitrine.index.search import Hit

MOST_COUNTS = 50


class Source(StrEnum):
    """What brought a product into an answer."""

    LOOKS = "looks alike"
    WORDS = "words"


class Note(StrEnum):
    """What a caller should know of an answer."""

    WORDS = "words_reranked"
    WORDS_UNFOUND = "words_unfound"
    FUSED = "examples_fused"
    PREVIOUS = "previous_collection"
    NOTHING_CLOSE = "nothing_close"
    NARROWED = "narrowed"

    @property
    def text(self) -> str:
        """The same as an English sentence."""
        return {
            Note.WORDS: "The words chose among the products that look most alike.",
            Note.WORDS_UNFOUND: "None of the products that look most alike holds these words.",
            Note.FUSED: "The examples are different things: each was searched for, and the answers were merged.",
            Note.PREVIOUS: "A new index is being made ready; this answer is of the one before.",
            Note.NOTHING_CLOSE: "Nothing that passes the filters looks much like it.",
            Note.NARROWED: "Only the category that the picture shows was searched.",
        }[self]


@dataclass(frozen=True, slots=True)
class Match(Hit):
    """A product of an answer.

    `score` is the cosine with what was asked for, whatever the order; `likeness` its word, None where the collection
    has none and where several examples were blended. `more_like_this` are the products that were folded into this one,
    the best first.
    """

    likeness: Likeness | None = None
    sources: tuple[Source, ...] = (Source.LOOKS,)
    more_like_this: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """How many products have a value."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Products, best first, all of one collection.

    `categories` and `brands` count the products that the page was chosen from, without the filters by category and
    brand, the most frequent first, at most 50; every level of a category's path is counted. `next_cursor` is empty
    where there is no further page. `guess` is of the whole shop, whatever is filtered, and None without a picture or
    with several examples; `narrowed_to` is the category that was filtered by unasked, or empty: where nothing in it
    passes the filters too, it is not narrowed to.
    """

    hits: tuple[Match, ...]
    next_cursor: str
    collection: str
    model_id: str
    categories: tuple[Count, ...] = ()
    brands: tuple[Count, ...] = ()
    notes: tuple[Note, ...] = ()
    guess: Guess | None = None
    narrowed_to: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """The pictures of a query as (n, dim) unit vectors, in their order, of the model of this collection."""

    collection: Collection
    vectors: Vectors


def categories(hits: Iterable[Hit]) -> tuple[Count, ...]:
    """How many of the hits are in each category or below it."""
    return _counts(LEVEL.join(levels[:end]) for levels in _paths(hits) for end in range(1, len(levels) + 1))


def brands(hits: Iterable[Hit]) -> tuple[Count, ...]:
    """How many of the hits are of each brand."""
    return _counts(hit.brand for hit in hits if hit.brand)


def _paths(hits: Iterable[Hit]) -> Sequence[list[str]]:
    return [hit.category.split(LEVEL) for hit in hits if hit.category]


def _counts(values: Iterable[str]) -> tuple[Count, ...]:
    counted = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    return tuple(Count(*one) for one in counted[:MOST_COUNTS])
