"""Recommendations from stored pairs, looks and popularity, for a session or a user."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitrine.blend import LOOKS_ALIKE, Ranked, blend, decayed, diverse, within_band
from vitrine.client.shop import Row, Shop
from vitrine.client.wishes import Recommendation, Wishes
from vitrine.embedding import Vectors
from vitrine.index import schema
from vitrine.index.filters import where
from vitrine.index.popularity import POPULAR
from vitrine.index.search import HIT_FIELDS, Hit, nearest
from vitrine.product import UNKNOWN_PRICE

SESSION_PRODUCTS = 20
"""Newest products of a session that count: at 0.8 the next would weigh 1 %."""
LOOKED_AT = 5
"""Newest products of a session whose looks are searched for."""
POOL = 50
WIDER = 4


@dataclass(frozen=True, slots=True)
class _Start:
    """What an answer is made of: products by behaviour and by looks, best first, and how many sessions speak.

    `price` and `category` are those of the product asked for, `category` None where there is no such product;
    `known` are products that are not to be answered.
    """

    bought: list[str]
    alike: list[str]
    evidence: float
    known: frozenset[str] = frozenset()
    category: str | None = None
    price: float = UNKNOWN_PRICE


def pool(k: int) -> int:
    """How many candidates an answer of `k` is chosen from."""
    return max(POOL, WIDER * k)


def related(shop: Shop, product_id: str, k: int, wishes: Wishes) -> list[Recommendation]:
    """The `k` products that go with one.

    Raises:
        BadInput: nothing is known of the product.
    """
    found = for_session(shop, [product_id], k, wishes)
    if not found and not shop.knows(product_id):
        raise shop.no_product(product_id)
    return found


def for_session(shop: Shop, recent: Sequence[str], k: int, wishes: Wishes) -> list[Recommendation]:
    """The `k` products that go with those of a session, the newest last."""
    return _answer(shop, _start_of_session(shop, recent, k, wishes), k, wishes)


def for_user(shop: Shop, user_hash: str, k: int, wishes: Wishes) -> list[Recommendation]:
    """The `k` products that a user may like."""
    return _answer(shop, _start_of_user(shop, user_hash, k, wishes), k, wishes)


def substitutes(shop: Shop, product_id: str, k: int, *, price_band: tuple[float, float] | None) -> list[Recommendation]:
    """Products in stock that look like one, those of its category first; the score is the cosine.

    Raises:
        BadInput: the product has no rows.
    """
    rows = shop.stated([product_id], [schema.VECTOR, schema.CATEGORY, schema.PRICE]).get(product_id)
    if not rows:
        raise shop.no_product(product_id)
    price, vectors, in_stock = rows[0][schema.PRICE], _vectors(rows), where(schema.IN_STOCK, True)
    found: dict[str, Hit] = {}
    for matching in (f"{where(schema.CATEGORY, rows[0][schema.CATEGORY])} and {in_stock}", in_stock):
        if len(found) < k:
            hits = nearest(shop.store, shop.products.name, vectors, pool(k), filter=matching, without=[product_id])
            found |= {
                hit.product_id: hit
                for hit in hits
                if hit.product_id not in found and within_band(hit.price, price, price_band)
            }
    return [_of_hit(hit) for hit in list(found.values())[:k]]


def personal(shop: Shop, hits: Sequence[Hit], user_hash: str, weight: float) -> list[Hit]:
    """The same hits by `(1 - weight) * score + weight * (highest cosine with a taste of the user)`, best first.

    Scores stay what they are. The order stays where the user has no taste.

    Raises:
        ModelMismatch: the tastes are of another model than the products.
    """
    tastes = shop.tastes(user_hash)
    if not len(tastes) or not hits:
        return list(hits)
    rows = shop.stated([hit.product_id for hit in hits], [schema.IMAGE_ID, schema.VECTOR])
    vectors = {row[schema.IMAGE_ID]: row[schema.VECTOR] for one in rows.values() for row in one}
    pleasing = {
        image_id: float(np.max(tastes @ np.asarray(vector, dtype=np.float32))) for image_id, vector in vectors.items()
    }
    return sorted(hits, key=lambda hit: -((1 - weight) * hit.score + weight * pleasing.get(hit.image_id, hit.score)))


def _start_of_session(shop: Shop, recent: Sequence[str], k: int, wishes: Wishes) -> _Start:
    """From the products of a session, the newest last: sum over p of `decay ** p * score(product p, j)`."""
    newest = list(dict.fromkeys(reversed(recent)))[:SESSION_PRODUCTS]
    pairs = shop.bought_with(newest)
    rows = shop.stated(newest, [schema.VECTOR, schema.CATEGORY, schema.PRICE])
    bought = [[(item.product_id, item.score) for item in pairs[one].items] if one in pairs else [] for one in newest]
    alike = [_looks(shop, rows.get(one, []), k, wishes) for one in newest[:LOOKED_AT]]
    asked = rows[newest[0]][0] if newest[0] in rows else None
    return _Start(
        bought=decayed(bought, wishes.decay),
        alike=decayed(alike, wishes.decay),
        evidence=sum(wishes.decay**place * pairs[one].support for place, one in enumerate(newest) if one in pairs),
        known=frozenset(recent),
        category=asked[schema.CATEGORY] if asked else None,
        price=asked[schema.PRICE] if asked else UNKNOWN_PRICE,
    )


def _start_of_user(shop: Shop, user_hash: str, k: int, wishes: Wishes) -> _Start:
    """From what is stored of a user; the weight of the tastes is the evidence.

    Tastes of another model than the products are left out: what is stored by behaviour still answers.
    """
    found = shop.interests(user_hash)
    hits = shop.alike(shop.tastes(user_hash), pool(k), in_stock=wishes.in_stock) if shop.tastes_fit else []
    return _Start(
        bought=list(dict.fromkeys(item.product_id for one in found for item in one.items)),
        alike=[hit.product_id for hit in hits],
        evidence=sum(one.weight for one in found),
    )


def _answer(shop: Shop, start: _Start, k: int, wishes: Wishes) -> list[Recommendation]:
    """The `k` best products that are served and pass the wishes, popular ones where others are too few."""
    liked = [*start.bought[: pool(k)], *start.alike[: pool(k)]]
    stated = _eligible(shop, liked, start, wishes)
    popular: list[str] = []
    if len(stated) < k:
        category = start.category if start.category is not None else _category(stated, liked)
        popular = shop.popular(category, POPULAR) if category is not None else []
        stated |= _eligible(shop, popular, start, wishes)
    lists = [[one for one in listed if one in stated] for listed in (start.bought, start.alike, popular)]
    ranked = blend(*lists, evidence=start.evidence, kappa=wishes.kappa)[: pool(k)]
    if wishes.diversity and ranked:
        vectors = np.array([stated[one.product_id][schema.VECTOR] for one in ranked], dtype=np.float32)
        order = diverse([one.score for one in ranked], vectors, k, diversity=wishes.diversity)
        ranked = [ranked[i] for i in order]
    return [_recommendation(one, stated[one.product_id]) for one in ranked[:k]]


def _eligible(shop: Shop, product_ids: Sequence[str], start: _Start, wishes: Wishes) -> dict[str, Row]:
    """First rows of the products that are served, not known already, and pass the wishes."""
    wanted = [one for one in dict.fromkeys(product_ids) if one not in start.known]
    fields = [*HIT_FIELDS, schema.VECTOR] if wishes.diversity else HIT_FIELDS
    rows = {product_id: rows[0] for product_id, rows in shop.stated(wanted, fields).items()}
    return {
        product_id: row
        for product_id, row in rows.items()
        if (row[schema.IN_STOCK] or not wishes.in_stock)
        and within_band(row[schema.PRICE], start.price, wishes.price_band)
    }


def _category(stated: dict[str, Row], product_ids: Sequence[str]) -> str | None:
    return next((stated[one][schema.CATEGORY] for one in product_ids if one in stated), None)


def _looks(shop: Shop, rows: Sequence[Row], k: int, wishes: Wishes) -> list[tuple[str, float]]:
    hits = shop.alike(_vectors(rows), pool(k), in_stock=wishes.in_stock) if rows else []
    own = {row[schema.PRODUCT_ID] for row in rows}
    return [(hit.product_id, hit.score) for hit in hits if hit.product_id not in own]


def _vectors(rows: Sequence[Row]) -> Vectors:
    return np.array([row[schema.VECTOR] for row in rows], dtype=np.float32)


def _recommendation(ranked: Ranked, row: Row) -> Recommendation:
    return Recommendation(score=ranked.score, sources=ranked.sources, **{name: row[name] for name in HIT_FIELDS})


def _of_hit(hit: Hit) -> Recommendation:
    said = {name: getattr(hit, name) for name in HIT_FIELDS}
    return Recommendation(score=hit.score, sources=(LOOKS_ALIKE,), **said)
