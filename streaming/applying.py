"""Applying changes to a view in three stages, each for a thread of its own: read, embed, write.

At least once and idempotent: whatever the order in which a product's events come, and however often, the view ends at
its newest version.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streaming.changes import Change, Rejected
from streaming.gathering import Fetch, Gatherer, Thumbnail
from streaming.moments import LedgerWritten, Outcome, RowsWritten, Watch, unwatched
from streaming.planning import Plan, plan
from streaming.restating import Restated, restate
from vitrine.embedding import Embedder
from vitrine.errors import ModelMismatch
from vitrine.index import guarded, stated
from vitrine.index.collections import Collection
from vitrine.index.store import Store
from vitrine.product import MAX_IMAGES


@dataclass(frozen=True, slots=True)
class Read:
    """Changes, and for each what is to be done: None where it comes too late."""

    changes: tuple[Change, ...]
    plans: tuple[Plan | None, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Changes, and for each what is to be written: None where it comes too late."""

    changes: tuple[Change, ...]
    restated: tuple[Restated | None, ...]

    @property
    def products(self) -> tuple[str, ...]:
        """Products that will be written."""
        return tuple(one.write.product_id for one in self.restated if one)

    @property
    def embedded(self) -> int:
        """How many pictures of products were embedded for this."""
        return sum(one.embedded for one in self.restated if one)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a change of `version`.

    `rejects` are pictures found unusable, `embedded` counts pictures, `cut` texts that were too long. `restated` is
    what was written, None if nothing was; a stale change may have filled gaps of the present version.
    """

    product_id: str
    version: int
    outcome: Outcome
    rejects: tuple[Rejected, ...] = ()
    embedded: int = 0
    cut: int = 0
    restated: Restated | None = None


class Applier:
    """Applies changes to one collection and its ledger.

    A stage keeps nothing from call to call: after Unavailable it may be called again with the same argument. A product
    must not be in two batches between `read` and the end of `write`.

    Raises:
        ModelMismatch: the embedder's vectors are not those of the collection.
    """

    def __init__(
        self,
        store: Store,
        collection: Collection,
        embedder: Embedder,
        fetch: Fetch,
        *,
        watch: Watch = unwatched,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
        max_images: int = MAX_IMAGES,
        fetch_threads: int = 16,
        thumbnail: Thumbnail | None = None,
    ) -> None:
        if embedder.model_id != collection.facts.model_id:
            raise ModelMismatch(
                f"collection {collection.name}", found=collection.facts.model_id, wanted=embedder.model_id
            )
        self._store = store
        self._collection = collection
        self._watch = watch
        self._clock_us = clock_us
        self._max_images = max_images
        self._gatherer = Gatherer(embedder, fetch, max_images=max_images, threads=fetch_threads, thumbnail=thumbnail)

    def read(self, changes: Sequence[Change]) -> Read:
        """Read what the view states of the products, Strong, and drop what is older; a product may come once."""
        products = [change.product_id for change in changes]
        found = stated.read(self._store, self._collection, products, vectors=True)
        return Read(tuple(changes), tuple(plan(change, found[change.product_id]) for change in changes))

    def embed(self, read: Read) -> Prepared:
        """Fetch and embed the pictures that no row of their product has."""
        gathered = self._gatherer.gather([one for one in read.plans if one])
        now_us = self._clock_us()
        restated = (
            restate(one, gathered, max_images=self._max_images, indexed_us=now_us) if one else None
            for one in read.plans
        )
        return Prepared(read.changes, tuple(restated))

    def write(self, prepared: Prepared, may_write: Callable[[], None]) -> list[Applied]:
        """Write rows and ledger; what became of each change, in their order.

        `may_write` is called before each call that writes; what it raises is raised, and the rest is not written.
        """
        if products := prepared.products:
            guarded.write(
                self._store,
                self._collection,
                [one.write for one in prepared.restated if one],
                may_write=may_write,
                between=lambda: self._watch(RowsWritten(products)),
            )
            self._watch(LedgerWritten(products))
        return [_applied(*one) for one in zip(prepared.changes, prepared.restated, strict=True)]


def _applied(change: Change, restated: Restated | None) -> Applied:
    if restated is None:
        return Applied(change.product_id, change.event.version, Outcome.STALE)
    if restated.again.event.version != change.event.version:
        outcome = Outcome.STALE
    else:
        outcome = Outcome.DELETED if change.deletes else Outcome.APPLIED
    return Applied(
        change.product_id,
        change.event.version,
        outcome,
        rejects=restated.rejects,
        embedded=restated.embedded,
        cut=restated.cut,
        restated=restated,
    )
