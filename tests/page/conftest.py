"""The real service on a drawn shop, and a browser that watches what its page does."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from vitrine.client import Box, Client, Example, Query
from vitrine.embedding import Embedder
from vitrine.index import collections, schema
from vitrine.index.calibration import DEFAULT_TEMPERATURE, Calibration
from vitrine.index.collections import Facts
from vitrine.index.publishing import publish_related
from vitrine.index.rows import row
from vitrine.index.thresholds import measure
from vitrine.product import Product
from vitrine.rendering import write_demo_catalog
from vitrine.serve.running import serving
from vitrine.settings import Milvus, Model, Pictures, Serve, Settings
from vitrine.settings import Thumbnails as ThumbnailSettings
from vitrine.testing import MemoryStore
from vitrine.thumbnails import Thumbnails
from vitrine.vision import weights
from vitrine.vision.engine import engine_of

PRODUCTS = 120
AS_OF = "2026-11-20T00:00:00+00:00"
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"
PATIENCE_MS = 20_000


@dataclass(frozen=True)
class Shop:
    """A running service: its address, what it serves from, and a new view of a product that should be found first."""

    url: str
    store: MemoryStore
    embedder: Embedder
    settings: Settings
    photo: Path
    product_id: str

    def client(self) -> Client:
        return Client(self.store, "products", lambda model_id: self.embedder)

    def answered(self, k: int = 24, **asked: Any) -> list[str]:
        """Products that a program gets for the photo, near-duplicates folded as on the page."""
        box = asked.pop("box", None)
        picture = Example(picture=self.photo.read_bytes(), box=Box(*box) if box else None)
        asked = {"collapse": True, "narrow": True, **asked}
        return [hit.product_id for hit in self.client().find(Query(examples=(picture,), k=k, **asked)).hits]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    place = tmp_path_factory.mktemp("shop")
    catalog = write_demo_catalog(place, products=PRODUCTS, broken=0)
    product_id, picture = catalog.queries[0]
    (place / "photo.jpg").write_bytes(picture)
    settings = Settings(
        thumbnails=ThumbnailSettings(uri=str(place / "thumbnails")), serve=Serve(port=0, isolate=False, timeout_s=60)
    )
    embedder = engine_of(weights.resolve(Model()).spec.model_id, None, Pictures(), "cpu")
    store = filled(catalog.path, embedder, Thumbnails(str(place / "thumbnails")))
    relate(store, place)
    with serving(settings, open_client=lambda: Client(store, "products", lambda model_id: embedder)) as url:
        yield Shop(url, store, embedder, settings, place / "photo.jpg", product_id)


def filled(catalog: Path, embedder: Embedder, thumbnails: Thumbnails) -> MemoryStore:
    """A store that serves a catalogue as the job would have written it."""
    columns = pq.read_table(catalog).to_pylist()
    pictures = [(one, at, data) for one in columns for at, data in enumerate(one["images"])]
    batches = list(embedder.embed((number, data) for number, (_, _, data) in enumerate(pictures)))
    vectors = np.concatenate([batch.vectors for batch in batches])
    thresholds = measure(vectors, [one["product_id"] for one, _, _ in pictures])
    calibration = Calibration(DEFAULT_TEMPERATURE, 0.3, thresholds)
    store = MemoryStore()
    facts = Facts("products", "r1", embedder.model_id, embedder.dim, AS_OF, calibration=calibration)
    made = collections.create(store, facts)
    for (one, position, data), vector in zip(pictures, vectors, strict=True):
        sha256 = hashlib.sha256(data).hexdigest()
        thumbnails.write(sha256, data)
        said = {name: one[name] for name in ("title", "category", "brand", "price", "in_stock")}
        product = Product(one["product_id"], attributes=dict(one["attributes"]), **said)
        built, _ = row(product, position, sha256=sha256, uri="", event_us=0, indexed_us=0)
        store.insert(made.name, [{**built, schema.VECTOR: vector}])
    store.prepare(made.name)
    collections.swap(store, "products", made.name)
    return store


def relate(store: MemoryStore, place: Path) -> None:
    """Each product was bought with the next but one, often enough to count."""
    ids = [f"P{number:05}" for number in range(PRODUCTS)]
    pairs = [
        {
            "product_id": one,
            "related_id": other,
            "score": 1.0,
            "rank": 1,
            "pair_count": 9,
            "support": 60,
            "related_support": 60,
        }
        for one, other in zip(ids, ids[2:], strict=False)
    ]
    files = {"related": pairs, "supports": [{"product_id": one, "support": 60} for one in ids]}
    for name, rows in files.items():
        pq.write_table(pa.Table.from_pylist(rows), place / f"{name}.parquet")
    related, supports = (str(place / f"{name}.parquet") for name in files)
    publish_related(store, Milvus(), alias="related", related=[related], supports=[supports], run="r1", as_of=AS_OF)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A browser for the tests of one file: while it is open, its event loop is that of the whole process."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET.split())
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, shop: Shop) -> Iterator[Callable[..., Page]]:
    """`visit(address="", width=1280, language="en-US")` opens the page as a new visitor.

    When the test ends, the page must have thrown nothing, asked no other host, and broken no rule of its policy.
    """
    complaints: list[str] = []
    with ExitStack() as contexts:

        def opened(address: str = "", *, width: int = 1280, language: str = "en-US", url: str = shop.url) -> Page:
            phone = width < 500
            context = browser.new_context(
                viewport={"width": width, "height": 844},
                locale=language,
                is_mobile=phone,
                has_touch=phone,
                reduced_motion="reduce",
            )
            contexts.callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            watch(page, url, complaints)
            page.goto(f"{url}/{address}")
            return page

        yield opened
    assert complaints == []


def watch(page: Page, url: str, complaints: list[str]) -> None:
    """Note what must not happen. An answer that is an error is one that a test asked for."""
    page.on("pageerror", lambda error: complaints.append(f"thrown: {error}"))
    page.on("console", lambda said: complaints.append(said.text) if _counts(said) else None)
    page.on("request", lambda sent: complaints.append(f"asked {sent.url}") if _elsewhere(sent.url, url) else None)


def _counts(said: Any) -> bool:
    return said.type in {"error", "warning"} and not said.text.startswith("Failed to load resource")


def _elsewhere(address: str, url: str) -> bool:
    return not address.startswith((url, f"blob:{url}"))
