"""Stored products, and what goes with them."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import StringConstraints

from vitrine.client import Client, Filters, Recommendation, Wishes
from vitrine.client.categorising import likeness
from vitrine.errors import BadRecord
from vitrine.index.collections import Collection
from vitrine.product import check_product_id
from vitrine.serve.answers import HitsTold, HitTold, PictureTold, ProductTold, TookTold, hit_told, price_told
from vitrine.serve.paths import decoded
from vitrine.serve.problems import Problem
from vitrine.serve.questions import DEFAULT_HITS, MOST_HITS
from vitrine.serve.service import Present, Service

NO_SUCH_PRODUCT = "The catalogue has no such product."
MOST_RECENT = 100

T = TypeVar("T")

router = APIRouter()


def _product_id(product_id: str) -> str:
    missing = Problem(404, "no_such_product", NO_SUCH_PRODUCT)
    try:
        return check_product_id(decoded(product_id, missing))
    except BadRecord:
        raise missing from None


ProductId = Annotated[str, Depends(_product_id)]
K = Annotated[int, Query(ge=1, le=MOST_HITS, description="How many products.")]
InStock = Annotated[bool, Query(description="Leave out what cannot be bought.")]
Recent = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=256)], ...],
    Query(max_length=MOST_RECENT, description="Products of the session, the newest last."),
]
User = Annotated[str | None, Query(pattern=r"^[0-9a-f]{32}$", description="Hash of a user, in place of a session.")]


@router.get("/products/{product_id}", response_model=ProductTold)
async def product(product_id: ProductId, service: Present) -> Any:
    """A product with all its pictures."""
    collection, rows, _ = await _of_one(service, lambda client: client.product(product_id))
    first, address = rows[0], service.showing.address
    return ProductTold(
        product_id=first.product_id,
        version=first.version,
        title=first.title,
        category=first.category,
        brand=first.brand,
        price=price_told(first.price),
        in_stock=first.in_stock,
        attributes=first.attributes,
        images=[
            PictureTold(
                image_id=row.image_id,
                position=int(row.image_id.rpartition("/")[2]),
                image=address(row.image_sha256, row.image_uri),
            )
            for row in rows
        ],
        collection=collection.name,
        model_id=collection.facts.model_id,
    )


@router.get("/products/{product_id}/similar", response_model=HitsTold)
async def similar(product_id: ProductId, service: Present, k: K = DEFAULT_HITS, in_stock: InStock = False) -> Any:
    """Products that look like a stored one, best first, without itself."""
    filters = Filters(in_stock=True) if in_stock else Filters()
    collection, hits, took_ms = await _of_one(
        service, lambda client: client.search_product(product_id, k, filters=filters)
    )
    calibration = collection.facts.calibration
    told = [hit_told(hit, service.showing, ("looks alike",), likeness=likeness(hit.score, calibration)) for hit in hits]
    return _hits(collection, told, took_ms)


@router.get("/products/{product_id}/related", response_model=HitsTold)
async def related(product_id: ProductId, service: Present, k: K = DEFAULT_HITS, in_stock: InStock = True) -> Any:
    """Products that go with a stored one, best first, each with its reasons."""
    wishes = Wishes(in_stock=in_stock)
    return await _recommended(service, lambda client: client.related(product_id, k, wishes=wishes))


@router.get("/recommendations", response_model=HitsTold)
async def recommendations(
    service: Present,
    recent: Recent = (),
    user: User = None,
    k: K = DEFAULT_HITS,
    in_stock: InStock = True,
) -> Any:
    """Products for a session or a user, best first; none where nothing is known of them."""
    if bool(recent) == (user is not None):
        raise Problem(422, "bad_request", "Name either recent products or a user.")
    wishes = Wishes(in_stock=in_stock)
    return await _recommended(service, lambda client: client.recommend(k, recent=recent, user=user, wishes=wishes))


async def _recommended(service: Service, read: Callable[[Client], list[Recommendation]]) -> HitsTold:
    collection, found, took_ms = await _of_one(service, read)
    return _hits(collection, [hit_told(one, service.showing, one.sources) for one in found], took_ms)


async def _of_one(service: Service, read: Callable[[Client], T]) -> tuple[Collection, T, float]:
    """What is read, the collection that it was read from, and the milliseconds."""

    def work(client: Client) -> tuple[Collection, T]:
        before = client.collection
        while True:
            found = read(client)
            after = client.collection
            if after.name == before.name:
                return after, found
            before = after

    (collection, found), took_ms = await service.desk.ask(work)
    return collection, found, took_ms


def _hits(collection: Collection, hits: Sequence[HitTold], took_ms: float) -> HitsTold:
    return HitsTold(
        hits=list(hits),
        notes=[],
        collection=collection.name,
        model_id=collection.facts.model_id,
        took_ms=TookTold(embed=0, search=took_ms),
    )
