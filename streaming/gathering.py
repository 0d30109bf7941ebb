"""The pictures of a batch: those that no row of their product has are fetched where need be, and embedded once."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from streaming.planning import Plan
from vitrine.embedding import Embedder, Vectors
from vitrine.errors import BadRecord, Unavailable
from vitrine.events import sha256
from vitrine.product import Reason, Reject
from vitrine.vision.overlap import ordered_map

logger = logging.getLogger(__name__)

Fetch = Callable[[str], bytes]
"""Gives the bytes at an address, or raises BadRecord with the reason."""
Thumbnail = Callable[[str, bytes], None]
"""Keeps a small picture of these bytes under their hash; BadRecord, Unavailable and OSError of it lose no product."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Pictures of a batch by hash: vectors, (dim,) float32, that were there and new ones, or why there is none.

    `addresses` gives the hash of what was fetched, or why it was not.
    """

    known: Mapping[str, Vectors]
    embedded: Mapping[str, Vectors]
    rejects: Mapping[str, Reject]
    addresses: Mapping[str, str | Reject]

    def of_bytes(self, digest: str) -> Vectors | Reject:
        """The vector of bytes that were at hand or fetched, or why they have none."""
        for vectors in (self.known, self.embedded):
            if digest in vectors:
                return vectors[digest]
        return self.rejects[digest]


class Gatherer:
    """Fetches and embeds; `max_images` is how many pictures of a product count."""

    def __init__(
        self, embedder: Embedder, fetch: Fetch, *, max_images: int, threads: int, thumbnail: Thumbnail | None
    ) -> None:
        self._embedder = embedder
        self._fetch = fetch
        self._max_images = max_images
        self._threads = threads
        self._thumbnail = thumbnail

    def gather(self, plans: Sequence[Plan]) -> Gathered:
        """All that the plans need; equal bytes are embedded once, whatever products show them."""
        known = {digest: vector for plan in plans for digest, vector in plan.vectors.items()}
        embedded: dict[str, Vectors] = {}
        rejects: dict[str, Reject] = {}
        addresses: dict[str, str | Reject] = {}
        sent: dict[str, bytes] = {}
        pictures = self._new(plans, known, addresses, sent)
        first = next(pictures, None)
        for batch in self._embedder.embed(_headed(first, pictures)) if first else ():
            vectors = iter(batch.vectors)
            for digest, reject in zip(batch.keys, batch.rejects, strict=True):
                data = sent.pop(digest)
                if reject:
                    rejects[digest] = reject
                else:
                    embedded[digest] = next(vectors).copy()  # what is kept of it keeps no whole batch
                    self._show(digest, data)
        return Gathered(known, embedded, rejects, addresses)

    def _new(
        self,
        plans: Sequence[Plan],
        known: Mapping[str, Vectors],
        addresses: dict[str, str | Reject],
        sent: dict[str, bytes],
    ) -> Iterator[tuple[str, bytes]]:
        """Pictures without a vector, each once and noted as sent; those at addresses, noted too, come last."""
        seen = set(known)
        for digest, data in chain(self._inline(plans), self._fetched(plans, addresses)):
            if digest not in seen:
                seen.add(digest)
                sent[digest] = data
                yield digest, data

    def _inline(self, plans: Sequence[Plan]) -> Iterator[tuple[str, bytes]]:
        for plan in plans:
            for image in plan.event.images[: self._max_images]:
                if image.sha256 and image.sha256 in plan.change.pictures:
                    yield image.sha256, plan.change.pictures[image.sha256]

    def _fetched(self, plans: Sequence[Plan], addresses: dict[str, str | Reject]) -> Iterator[tuple[str, bytes]]:
        wanted = dict.fromkeys(address for plan in plans for address in self._addresses(plan))
        if not wanted:
            return
        at_once = 2 * self._threads
        read = partial(_read, self._fetch)
        found = ordered_map(read, wanted, size_of=lambda _: 1, threads=self._threads, budget_bytes=at_once)
        for address, content in zip(wanted, found, strict=True):
            if isinstance(content, Reject):
                addresses[address] = content
            else:
                addresses[address] = digest = sha256(content)
                yield digest, content

    def _addresses(self, plan: Plan) -> Iterator[str]:
        at_hand = {*plan.vectors, *plan.change.pictures}
        for image in plan.event.images[: self._max_images]:
            if image.image_uri and image.sha256 not in at_hand:
                yield image.image_uri

    def _show(self, digest: str, data: bytes) -> None:
        if self._thumbnail is None:
            return
        try:
            self._thumbnail(digest, data)
        except (BadRecord, Unavailable, OSError) as error:
            logger.warning("no_thumbnail sha256=%s error=%s", digest, error)


def _headed(first: tuple[str, bytes], others: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    yield first
    yield from others


def _read(fetch: Fetch, address: str) -> bytes | Reject:
    try:
        return fetch(address)
    except BadRecord as error:
        return Reject(Reason(error.reason), error.detail)
