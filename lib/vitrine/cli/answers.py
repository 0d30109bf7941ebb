"""What `vitrine search`, `status` and `rollback` answer."""

import json
import logging
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from vitrine import catalog, gallery, report, samples
from vitrine.client import connect
from vitrine.errors import VitrineError
from vitrine.index import collections
from vitrine.index.search import Hit
from vitrine.index.store import connect_existing
from vitrine.report import Neighbours, Page, Tile
from vitrine.run import Run, manifests
from vitrine.settings import Settings

logger = logging.getLogger(__name__)

_TITLE_COLUMNS = 36


def search(settings: Settings, photo: Path | None, product_id: str | None, *, k: int, filter: str) -> list[Hit]:
    """The products that look like the photo, or else like the stored product, best first."""
    opened = connect(
        settings.milvus,
        model_store=settings.model_store_uri,
        pictures=settings.pictures,
        device=settings.model.device,
    )
    with opened as client:
        if photo is not None:
            return client.search_picture(photo, k, expression=filter)
        return client.search_product(product_id or "", k, expression=filter)


def json_lines(hits: Sequence[Hit]) -> Iterator[str]:
    """One JSON object a product."""
    return (json.dumps(asdict(hit), ensure_ascii=False) for hit in hits)


def table(hits: Sequence[Hit]) -> Iterator[str]:
    """A line a product: likeness, key, title, category and price, in columns."""
    if not hits:
        yield "nothing found"
    keys = [_printable(hit.product_id) for hit in hits]
    width = max(map(len, keys), default=0)
    for key, hit in zip(keys, hits, strict=True):
        price = f"{hit.price:.2f}" if hit.price >= 0 else "-"
        yield f"{hit.score:6.3f}  {key:<{width}}  {_fitted(hit.title)}  {price:>9}  {_printable(hit.category)}"


def _printable(text: str) -> str:
    """The text without what would steer a terminal: sellers write it, operators read it."""
    return "".join(character if character.isprintable() else " " for character in text)


def _fitted(text: str) -> str:
    """The text in as many terminal columns as a title has; wide characters take two."""
    shown, columns = "", 0
    for character in _printable(text):
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if columns + width > _TITLE_COLUMNS:
            break
        shown, columns = shown + character, columns + width
    return shown + " " * (_TITLE_COLUMNS - columns)


def write_page(settings: Settings, photo: Path | None, product_id: str | None, hits: Sequence[Hit], path: Path) -> None:
    """Write the answer as a page; pictures come from the catalogue of the run that made the collection."""
    keys = {hit.image_id for hit in hits} | ({f"{product_id}/0"} if product_id else set())
    pictures = _pictures(settings, keys)
    limits = settings.pictures
    asked = photo.read_bytes() if photo else pictures.get(f"{product_id}/0")
    query = Tile(gallery.small(asked, limits), caption=str(photo or product_id))
    found = tuple(
        Tile(gallery.small(pictures.get(hit.image_id), limits), hit.title or hit.product_id, hit.category, hit.score)
        for hit in hits
    )
    page = Page(title="Looks alike", summary=f"{len(hits)} products", gallery=(Neighbours(query, found),))
    path.write_text(report.render(page), encoding="utf-8")


def _pictures(settings: Settings, keys: Collection[str]) -> Mapping[str, bytes]:
    with connect_existing(settings.milvus) as store:
        served = collections.current(store, settings.milvus.alias)
    if served is None:
        return {}
    run = Run(served.facts.run, settings.under_work("runs", served.facts.run), "", "", 0, 0)
    try:
        plan = catalog.read_plan(run.file(catalog.PLAN))
        return samples.read_pictures(plan, samples.locate(run, manifests(run), keys), settings.pictures)
    except (VitrineError, OSError):
        logger.warning("no pictures: run %s or its catalogue is not at %s; name its --work", run.name, run.uri)
        return {}


def status(settings: Settings) -> Iterator[str]:
    """Lines that say what the alias serves and what it could go back to."""
    alias = settings.milvus.alias
    with connect_existing(settings.milvus) as store:
        served = collections.current(store, alias)
        if served is None:
            yield f"alias {alias} serves nothing yet: run jobs/reindex.py"
            return
        yield f"alias       {alias}"
        yield f"serves      {served.name}"
        yield f"rows        {store.count(served.name)}"
        if served.ledger:
            yield f"exceptions  {store.count(served.ledger)} products whose pictures are missing or that are deleted"
        if served.facts.model_id:
            yield f"model       {served.facts.model_id}, {served.facts.dim} dimensions"
        yield f"as of       {datetime.fromisoformat(served.facts.as_of):%Y-%m-%d %H:%M:%S %Z}"
        earlier = ", ".join(one.name for one in collections.candidates(store, alias))
        yield f"rollback    {earlier or 'nothing earlier is kept'}"


def rollback(settings: Settings) -> str:
    """Serve again what was served before; a line that says what."""
    alias = settings.milvus.alias
    with connect_existing(settings.milvus) as store:
        return f"{alias} serves {collections.rollback(store, alias).name} again"
