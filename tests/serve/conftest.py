"""A small shop in memory, and the service on it, reached over a socket."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from vitrine.client import Client
from vitrine.index import collections, schema
from vitrine.index.collections import Facts
from vitrine.index.rows import row
from vitrine.product import Product
from vitrine.serve.running import serving
from vitrine.settings import Serve, Settings
from vitrine.testing import FakeEmbedder, MemoryStore

ALIAS = "shop"
ODD_ID = 'a/b "c"/similar'
PRODUCTS = ("p0", "p1", "p2", "p3", ODD_ID)
CATEGORIES = ("Shoes/Boots", "Shoes/Sandals", "Bags")

Asking = Callable[..., httpx.Client]


def filled(pictures: list[bytes], run: str = "r1") -> MemoryStore:
    """Five products, each with one picture; the first has a second one, the fourth is not in stock."""
    store, embedder = MemoryStore(), FakeEmbedder()
    made = collections.create(store, Facts(ALIAS, run, embedder.model_id, embedder.dim, "2026-11-20T00:00:00+00:00"))
    shown = [(name, 0) for name in PRODUCTS] + [("p0", 1)]
    for number, (name, position) in enumerate(shown):
        product = _product(PRODUCTS.index(name))
        data = pictures[number]
        sha256, uri = hashlib.sha256(data).hexdigest(), f"https://cdn.example/{number}.jpg"
        built, _ = row(product, position, sha256=sha256, uri=uri, event_us=0, indexed_us=0)
        vector = next(iter(embedder.embed([(0, data)]))).vectors[0]
        store.insert(made.name, [{**built, schema.VECTOR: vector}])
    store.prepare(made.name)
    collections.swap(store, ALIAS, made.name)
    return store


def _product(number: int) -> Product:
    return Product(
        PRODUCTS[number],
        title=f"title {PRODUCTS[number]}",
        category=CATEGORIES[number % 3],
        brand="Acme" if number % 2 else "Bolt",
        price=10.0 * number if number else -1.0,
        in_stock=number != 3,
    )


def sent(picture: bytes, query: str | None = None) -> dict[str, Any]:
    """A form with a picture, and a question beside it."""
    form = {"picture": ("photo.jpg", picture, "image/jpeg")}
    return {"files": form, "data": {"query": query} if query else {}}


@pytest.fixture(scope="module")
def asking(drawn_pictures: list[bytes]) -> Iterator[Asking]:
    """`asking(store, embedder, settings, **serve)`, all optional, starts a service and gives a caller of it."""
    with ExitStack() as open_ones:

        def start(store: Any = None, embedder: Any = None, settings: Any = None, **serve: Any) -> httpx.Client:
            wanted = (settings or Settings()).model_copy(update={"serve": Serve(port=0, **serve)})
            shop, network = store or filled(drawn_pictures), embedder or FakeEmbedder()
            url = open_ones.enter_context(
                serving(wanted, open_client=lambda: Client(shop, ALIAS, lambda model_id: network))
            )
            return open_ones.enter_context(httpx.Client(base_url=url, timeout=60, verify=False))

        yield start


@pytest.fixture(scope="module")
def caller(asking: Asking) -> httpx.Client:
    """A caller of a service without keys."""
    return asking()
