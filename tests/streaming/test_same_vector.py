"""A picture that comes by the stream has the vector that it has alone, so the one that a reindex gives it."""

import numpy as np

from streaming.applying import Applier
from streaming.changes import change, coalesced
from vitrine.events import Listing, ListingEvent, carried, sha256
from vitrine.index import collections, stated
from vitrine.index.collections import Facts
from vitrine.rendering import draw, jpeg, look, png
from vitrine.settings import Model, Pictures
from vitrine.testing import MemoryStore
from vitrine.vision.engine import engine_of
from vitrine.vision.weights import resolve


def listing(product_id, pictures):
    event = ListingEvent(op="upsert", product_id=product_id, version=1, images=carried(pictures))
    return Listing(event, {sha256(data): data for data in pictures})


def test_a_listing_has_the_vectors_that_its_pictures_have_alone():
    spec = resolve(Model()).spec
    engine = engine_of(spec.model_id, None, Pictures(), "cpu")
    pictures = [(jpeg, png)[number % 2](draw(look(number), size=80 + number)) for number in range(20)]
    pictures[7] = b"<html>"
    store = MemoryStore()
    view = collections.create(store, Facts("shop", "r", spec.model_id, spec.dim, "2026-11-20T00:00:00Z"))
    applier = Applier(store, view, engine, fetch=lambda _: b"")

    changes = coalesced(change(listing(f"p{n}", pictures[2 * n : 2 * n + 2])) for n in range(10))
    applier.write(applier.embed(applier.read(changes)), lambda: None)

    found = stated.read(store, view, [f"p{n}" for n in range(10)], vectors=True)
    vectors = {row["image_sha256"]: row["vector"] for one in found.values() for row in one.rows.values()}
    for data in pictures:
        [alone] = engine.embed([(0, data)])
        if alone.rejects[0]:
            assert sha256(data) not in vectors
        else:
            assert float(np.dot(vectors[sha256(data)], alone.vectors[0])) >= 0.9999
    assert len(vectors) == 19
