"""What callers are told, as JSON."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from vitrine.client import Answer, Count, Match, Recommendation
from vitrine.client.categorising import Choice, Guess
from vitrine.index.search import Hit
from vitrine.product import UNKNOWN_PRICE
from vitrine.serve.showing import Showing


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class HitTold(_Told):
    """A product of an answer, with the picture that fits best."""

    product_id: str
    image_id: str
    score: float
    """Cosine; of related products and recommendations a blend from 0 to 1."""
    likeness: str | None
    """`very close`, `similar` or `distant`; null where the catalogue has no measure of it."""
    title: str
    category: str
    brand: str
    price: float | None
    in_stock: bool
    attributes: dict[str, str]
    image: str
    """Address of a small picture; it needs no key."""
    sources: list[str]
    """Who proposed it: `looks alike`, `words`, `bought together`, `popular in category`."""
    more_like_this: int
    """How many near-duplicates are folded into it."""


class CountTold(_Told):
    """How many of the products found have a value."""

    value: str
    count: int


class FacetsTold(_Told):
    """What the products found are; categories with every level of their path."""

    categories: list[CountTold]
    brands: list[CountTold]


class ChoiceTold(_Told):
    """A value and how probable it is."""

    value: str
    p: float


class GuessTold(_Told):
    """What the picture shows, by the vote of what looks alike."""

    path: str
    p: float
    sure: str
    """The part of the path that is sure (p at least 0.9); empty if none is."""
    level: int
    """Levels of `sure`."""
    calibrated: bool
    """Whether the probabilities were measured in this catalogue; if not, they only say which is likelier."""
    alternatives: list[ChoiceTold]
    none_of_these: bool
    brand: ChoiceTold | None


class NoteTold(_Told):
    """Something to know about the answer: a code that stays, and a sentence."""

    code: str
    text: str


class TookTold(_Told):
    """Milliseconds."""

    embed: float
    search: float


class _Sourced(_Told):
    collection: str
    model_id: str
    took_ms: TookTold


class HitsTold(_Sourced):
    """Products, best first."""

    hits: list[HitTold]
    notes: list[NoteTold]


class SearchTold(HitsTold):
    """The answer to a search."""

    facets: FacetsTold
    guess: GuessTold | None
    narrowed_to: str | None
    next_cursor: str | None


class GuessedTold(_Sourced):
    """What a picture shows."""

    guess: GuessTold | None


class PictureTold(_Told):
    """One picture of a product."""

    image_id: str
    position: int
    image: str


class ProductTold(_Told):
    """A stored product with all its pictures."""

    product_id: str
    version: int
    title: str
    category: str
    brand: str
    price: float | None
    in_stock: bool
    attributes: dict[str, str]
    images: list[PictureTold]
    collection: str
    model_id: str


def hit_told(
    hit: Hit | Recommendation, showing: Showing, sources: Iterable[str], likeness: str | None = None
) -> HitTold:
    """A hit as it is told."""
    return HitTold(
        product_id=hit.product_id,
        image_id=hit.image_id,
        score=round(hit.score, 4),
        likeness=hit.likeness if isinstance(hit, Match) else likeness,
        title=hit.title,
        category=hit.category,
        brand=hit.brand,
        price=price_told(hit.price),
        in_stock=hit.in_stock,
        attributes=hit.attributes,
        image=showing.address(hit.image_sha256, hit.image_uri),
        sources=list(sources),
        more_like_this=len(hit.more_like_this) if isinstance(hit, Match) else 0,
    )


def price_told(price: float) -> float | None:
    """A price, or None where it is not known."""
    return None if price == UNKNOWN_PRICE else price


def guess_told(guess: Guess | None) -> GuessTold | None:
    """A guess as it is told; None where no neighbour has a category or a brand."""
    if guess is None or not (guess.path or guess.brand):
        return None
    return GuessTold(
        path=guess.path,
        p=round(guess.p, 4),
        sure=guess.sure,
        level=guess.level,
        calibrated=guess.calibrated,
        alternatives=[_choice(one) for one in guess.alternatives],
        none_of_these=guess.none_of_these,
        brand=_choice(guess.brand) if guess.brand else None,
    )


def search_told(answer: Answer, showing: Showing, took: TookTold) -> SearchTold:
    """The answer to a search as it is told."""
    return SearchTold(
        hits=[hit_told(hit, showing, hit.sources) for hit in answer.hits],
        facets=FacetsTold(categories=_counts(answer.categories), brands=_counts(answer.brands)),
        guess=guess_told(answer.guess),
        narrowed_to=answer.narrowed_to or None,
        next_cursor=answer.next_cursor or None,
        collection=answer.collection,
        model_id=answer.model_id,
        notes=[NoteTold(code=note, text=note.text) for note in answer.notes],
        took_ms=took,
    )


def _choice(choice: Choice) -> ChoiceTold:
    return ChoiceTold(value=choice.value, p=round(choice.p, 4))


def _counts(counts: Iterable[Count]) -> list[CountTold]:
    return [CountTold(value=one.value, count=one.count) for one in counts]
