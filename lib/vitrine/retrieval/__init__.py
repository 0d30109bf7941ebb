"""How good searching by picture is: labelled queries against a labelled gallery, for any model or collection."""

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial

from vitrine import report
from vitrine.catalog.labels import is_held_out
from vitrine.fetch import Fetcher
from vitrine.images import outlived
from vitrine.images.apart import Apart, Work
from vitrine.index.store import connect_existing
from vitrine.product import counted
from vitrine.retrieval import models, results, served
from vitrine.retrieval.arena import Arena, Census
from vitrine.retrieval.contest import Contender, Entry, contend
from vitrine.retrieval.distortions import with_room
from vitrine.retrieval.labelled import Labelled, harmless, read
from vitrine.retrieval.pages import TILE_PX, page
from vitrine.retrieval.spool import Spool
from vitrine.retrieval.tables import tables
from vitrine.settings import Settings
from vitrine.storage import Directory, require_writable
from vitrine.thumbnails import Thumbnails, small
from vitrine.vision.engine import engine_of

logger = logging.getLogger(__name__)


def evaluate(settings: Settings, run: str, uri: str) -> str:
    """Judge models, or the served collection; writes metrics.json and report.html below `uri`, returns the tables.

    Raises:
        BadSettings, BadInput: the catalogue, its labels, a model or the collection is not what the settings say.
    """
    place = require_writable(uri, "report")
    with ExitStack() as stack:
        arena, entries = (
            _of_collection(settings, stack) if settings.evaluate.collection else _of_models(settings, stack)
        )
        logger.info(
            "queries=%d gallery=%d rejected=%s", len(arena.queries), len(arena.gallery), counted(arena.rejected)
        )
        found = [contend(entry, arena, settings.evaluate, settings.pictures) for entry in entries]
        _write(place, run, settings, arena, found)
    return f"{tables(arena, found)}\n{place.path('report.html')}\n"


def _of_models(settings: Settings, stack: ExitStack) -> tuple[Arena, list[Entry]]:
    """All models are built before any work, so that a wrong name is told at once."""
    wanted = settings.evaluate
    names = wanted.models or [settings.model.weights, models.UNTRAINED, models.HISTOGRAM]
    roomy = settings.model_copy(update={"pictures": with_room(settings.pictures)})
    entries = [Entry(name, *models.named(roomy, name)) for name in dict.fromkeys(names)]
    census = Census(wanted.label)
    apart = stack.enter_context(Apart(outlived))
    queries = census.take_in(_part(settings, apart, queries=True), stack.enter_context(Spool()))
    gallery = census.take_in(_part(settings, apart, queries=False), stack.enter_context(Spool()))
    return census.arena(queries.drawn(wanted.most_queries, seed=wanted.seed), gallery), entries


def _of_collection(settings: Settings, stack: ExitStack) -> tuple[Arena, list[Entry]]:
    """The gallery is what the alias serves, whatever its pictures are; its own model embeds the queries."""
    wanted = settings.evaluate
    there = served.read(stack.enter_context(connect_existing(settings.milvus)), settings.milvus.alias)
    limits = with_room(settings.pictures)
    embedder = engine_of(there.model_id, settings.model_store_uri, limits, settings.model.device)
    thumbnails = Thumbnails(settings.thumbnails.uri) if settings.thumbnails.uri else None
    shown = served.Shown(there, thumbnails, stack.enter_context(closing(Fetcher(settings.pictures))))
    census = Census(wanted.label)
    apart = stack.enter_context(Apart(outlived))
    queries = census.take_in(_part(settings, apart, queries=True), stack.enter_context(Spool()))
    gallery = census.side(there.cards(wanted.label), there.digests(), shown)
    arena = census.arena(queries.drawn(wanted.most_queries, seed=wanted.seed), gallery)
    return arena, [Entry(there.collection, embedder, served=there)]


def _part(settings: Settings, apart: Work, *, queries: bool) -> Iterator[Labelled]:
    """The pictures of one side: those of its part, or of its catalogue, or of its share of the products.

    They are held to the limits here; the models have room for what is made of them.
    """
    wanted = settings.evaluate
    part = wanted.query_split if queries else wanted.gallery_split
    reading = settings.model_copy(update={"catalog": wanted.queries if queries and wanted.queries else wanted.gallery})
    for one in read(reading, wanted.label, wanted.split_column if part else ""):
        if part:
            belongs = one.part == part
        else:
            belongs = bool(wanted.queries) or is_held_out(one.card.product_id, wanted.held_out) == queries
        if belongs:
            yield harmless(one, settings.pictures, apart)


def _write(place: Directory, run: str, settings: Settings, arena: Arena, found: list[Contender]) -> None:
    figures = json.dumps(results.metrics(arena, found), indent=2, ensure_ascii=False, allow_nan=False)
    with Apart(partial(small, side=TILE_PX)) as apart:
        shrink = partial(apart, limits=settings.pictures)
        shown = page(run, arena, found, facts=_facts(settings, arena), shrink=shrink)
    place.write("metrics.json", f"{figures}\n".encode("utf-8", "backslashreplace"))
    place.write("report.html", report.render(shown).encode("utf-8", "backslashreplace"))


def _facts(settings: Settings, arena: Arena) -> dict[str, str]:
    wanted = settings.evaluate
    split = (
        f"{wanted.split_column} {wanted.query_split} against {wanted.gallery_split or 'all'}"
        if wanted.query_split
        else f"{wanted.held_out:.0%} of the products"
    )
    return {
        "gallery": ", ".join(wanted.gallery) or f"{settings.milvus.alias} of {settings.milvus.uri}",
        "queries": ", ".join(wanted.queries) or split,
        "rejected": counted(arena.rejected),
        "seed": str(wanted.seed),
        "bootstrap samples": f"{wanted.resamples:,}",
    }
