"""A shop seen by eye: events and what a view states of a product, as short texts.

Pictures of an event are words: `A` is picture a with its bytes, `a` the same without them, `@a` its address alone,
`a@a` its address with its hash. Picture x is one that cannot be used. What is stated reads `2: a b`, a picture that is
missing is in brackets, `2: a [b]`, a deleted product `2: deleted`, and `unknown` is unknown.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable

import numpy as np

from streaming.applying import Applied, Applier
from streaming.changes import Change, change, coalesced
from vitrine.errors import BadRecord
from vitrine.events import ImageRef, Listing, ListingEvent, sha256
from vitrine.index import collections, stated
from vitrine.index.collections import Facts
from vitrine.index.filters import where
from vitrine.index.store import Store
from vitrine.product import Reason, split_image_id
from vitrine.testing import FakeEmbedder

DIM = 16
PREFIX = "https://shop.example/"
NAMES = "abcdefx"


def picture(name: str) -> bytes:
    """A BMP of 4 x 4 pixels, or for x something else."""
    if name == "x":
        return b"<html>"
    pixels = (hashlib.sha256(name.encode()).digest() * 2)[:48]
    header = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54 + 48, 0, 54, 40, 4, 4, 1, 24, 0, 48, 0, 0, 0, 0)
    return header + pixels


HASHES = {name: sha256(picture(name)) for name in NAMES}
SEEN = {digest: name for name, digest in HASHES.items()}
VECTORS = {
    batch.keys[0]: batch.vectors[0]
    for name in NAMES.removesuffix("x")
    for batch in FakeEmbedder(dim=DIM).embed([(name, picture(name))])
}


def upsert(product_id: str, version: int, pictures: str = "", **said: object) -> Listing:
    words = pictures.split()
    images = tuple(map(_image, words))
    event = ListingEvent(op="upsert", product_id=product_id, version=version, images=images, event_us=version, **said)
    return Listing(event, {HASHES[word.lower()]: picture(word.lower()) for word in words if word.isupper()})


def delete(product_id: str, version: int) -> Listing:
    return Listing(ListingEvent(op="delete", product_id=product_id, version=version, event_us=version))


def _image(word: str) -> ImageRef:
    name, _, address = word.partition("@")
    digest = HASHES[name.lower()] if name else None
    if address:
        return ImageRef(sha256=digest, image_uri=PREFIX + address)
    return ImageRef(sha256=digest, size_bytes=len(picture(name.lower())) if word.isupper() else 0)


class Shop:
    """A view with one collection, and its pictures at addresses; `away` are those that cannot be had just now."""

    def __init__(self, store: Store, name: str = "shop", **options: object) -> None:
        self.store = store
        self.there = {name: picture(name) for name in NAMES}
        self.away: set[str] = set()
        self.asked: list[str] = []
        self.embedder = FakeEmbedder(dim=DIM)
        self.collection = collections.create(store, Facts(name, "r", "fake", DIM, "2026-11-20T00:00:00Z"))
        self.applier = Applier(store, self.collection, self.embedder, self.fetch, clock_us=lambda: 1_000, **options)

    def fetch(self, address: str) -> bytes:
        self.asked.append(address)
        name = address.removeprefix(PREFIX)
        if name in self.away:
            raise BadRecord(Reason.FETCH_FAILED, "away")
        if name not in self.there:
            raise BadRecord(Reason.MISSING, "404")
        return self.there[name]

    def take(self, *listings: Listing, may_write: Callable[[], None] = lambda: None) -> list[Applied]:
        """Apply records as one batch."""
        return self.apply(coalesced(map(change, listings)), may_write)

    def apply(self, changes: list[Change], may_write: Callable[[], None] = lambda: None) -> list[Applied]:
        return self.applier.write(self.applier.embed(self.applier.read(changes)), may_write)

    def each(self, listings: Iterable[Listing]) -> None:
        """Apply records one by one."""
        for listing in listings:
            self.take(listing)

    def states(self, product_id: str) -> str:
        """What the view states, by eye; every vector is checked to be that of its picture."""
        said = stated.read(self.store, self.collection, [product_id], vectors=True)[product_id]
        if said.version is None:
            return "unknown"
        if said.deleted:
            assert not said.rows
            return f"{said.version}: deleted"
        missing = said.ledger.missing if said.ledger else ()
        words = {position: f"[{SEEN.get(what, what)}]" for position, what, _ in missing}
        for key, row in said.rows.items():
            position, name = split_image_id(key)[1], SEEN[str(row["image_sha256"])]
            np.testing.assert_allclose(row["vector"], VECTORS[name], atol=1e-6)
            assert row["version"] == said.version
            assert position not in words
            words[position] = name
        assert said.ledger is None or said.ledger.version == said.version
        assert (said.ledger is None) == (bool(said.rows) and len(said.rows) == len(words))
        return " ".join([f"{said.version}:", *(words[position] for position in sorted(words))])

    def field(self, product_id: str, name: str) -> object:
        """What all rows of a product say of one field."""
        these = where("product_id", product_id)
        [value] = {row[name] for row in self.store.query(self.collection.name, these, fields=[name], strong=True)}
        return value

    def reasons(self, product_id: str) -> list[str]:
        """Why pictures of a product are missing, by position."""
        row = stated.read(self.store, self.collection, [product_id])[product_id].ledger
        return [reason for _, _, reason in sorted(row.missing)] if row else []


def outcomes(applied: list[Applied]) -> list[str]:
    """How changes ended."""
    return [str(one.outcome) for one in applied]


def reasons(applied: list[Applied]) -> list[tuple[int, str]]:
    """Positions of pictures found unusable, and why."""
    return [(one.position, str(one.reason)) for result in applied for one in result.rejects]
