"""What a view must state after a topic was applied: a slow, plain reading of the design's section 2.

The order of the records does not matter, which is the point: every order, repetition and batching must end here.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tests.streaming.proof.wire import DEAD, Listing, Record, read


@dataclass(frozen=True, slots=True)
class Expected:
    """The end of a product.

    Every position of `images` has a row or an entry in the ledger's `missing`; those in `owed` have a row, those in
    `hopeless` have none.
    """

    newest: Listing
    owed: frozenset[int] = frozenset()
    hopeless: frozenset[int] = frozenset()


def stories(records: Iterable[Record]) -> dict[str, list[Listing]]:
    """All that the good records say of each product."""
    told: dict[str, list[Listing]] = defaultdict(list)
    for record in records:
        if record.label != DEAD:
            listing = read(record)
            told[listing.product_id].append(listing)
    return told


def pictures(records: Iterable[Record]) -> dict[str, bytes]:
    """The bytes that the good records carry, by hash."""
    return {sha: data for story in stories(records).values() for one in story for sha, data in one.pictures.items()}


def ends(records: Iterable[Record], usable: Collection[str]) -> dict[str, Expected]:
    """How each product ends, where `usable` are the hashes of the pictures that can be embedded."""
    return {product_id: end(story, usable) for product_id, story in stories(records).items()}


def end(story: Sequence[Listing], usable: Collection[str]) -> Expected:
    """The end of a product of which this was said."""
    newest = max(story, key=lambda one: (one.version, one.deleted))
    if newest.deleted:
        return Expected(newest)
    carried = {sha for one in story for sha in one.pictures if sha in usable}
    positions = range(len(newest.images))
    return Expected(
        newest,
        owed=frozenset(i for i in positions if _owed(newest.images[i], newest, story, usable)),
        hopeless=frozenset(i for i in positions if newest.images[i] not in carried),
    )


def _owed(sha: str, newest: Listing, story: Sequence[Listing], usable: Collection[str]) -> bool:
    """Whether the bytes came, and from then to the newest version no statement was without the picture.

    Bytes of a time before a delete, or before a version that did not list the picture, may be gone or be still there.
    """
    gaps = [one.version for one in story if one.version <= newest.version and (one.deleted or sha not in one.images)]
    since = max(gaps, default=-(2**63))
    return sha in usable and any(sha in one.pictures and one.version > since for one in story)
