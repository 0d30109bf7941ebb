"""Changes: what a batch of listing events asks of each product, once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vitrine.embedding import Vectors
from vitrine.events import Listing, ListingEvent
from vitrine.product import Reason, Reject, deletion_wins


@dataclass(frozen=True, slots=True)
class Change:
    """The newest event of a product, and what is at hand of its pictures.

    `pictures` are bytes by hash, also those of older events that came with it; `vectors`, (dim,) float32 by hash, are
    those of a change that was applied before. `rejects` says, by declared hash, whose bytes came and are others.
    `deleted_at` is the version of a delete that came with it: pictures that the product had up to there are void.
    """

    event: ListingEvent
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    rejects: Mapping[str, Reject] = field(default_factory=dict)
    vectors: Mapping[str, Vectors] = field(default_factory=dict)
    deleted_at: int | None = None

    @property
    def product_id(self) -> str:
        """The product that changes."""
        return self.event.product_id

    @property
    def deletes(self) -> bool:
        """Whether the product is to be gone."""
        return self.event.op == "delete"

    @property
    def size_bytes(self) -> int:
        """What its pictures weigh."""
        return sum(map(len, self.pictures.values()))


@dataclass(frozen=True, slots=True)
class Rejected:
    """A picture of a product that cannot be used; `what` is the hash that was declared, else the address."""

    position: int
    what: str
    reason: Reason
    detail: str = ""


def change(listing: Listing) -> Change:
    """The change that one record asks for."""
    images = listing.event.images
    rejects = {images[position].sha256 or "": reject for position, reject in listing.rejects.items()}
    return Change(listing.event, listing.pictures, rejects)


def coalesced(changes: Iterable[Change]) -> list[Change]:
    """One change a product, in the order in which products came first.

    The highest version stands, of equal ones a delete, else the later. It has the pictures of all versions above the
    highest delete.
    """
    by_product: dict[str, list[Change]] = {}
    for one in changes:
        by_product.setdefault(one.product_id, []).append(one)
    return [_joined(of_product) for of_product in by_product.values()]


def kept(changes: Iterable[Change], since: int | None) -> dict[str, bytes]:
    """The pictures of changes of one product that a delete of version `since` does not void."""
    return {digest: data for one in _valid(changes, since) for digest, data in one.pictures.items()}


def carrier(listings: Sequence[Listing], rejected: Rejected) -> int:
    """Which of a product's records, in the order in which they came, is to be kept for a picture that was rejected.

    The last that brought bytes for it, else the one whose version stands.
    """
    brought = [place for place, listing in enumerate(listings) if _brings(listing, rejected.what)]
    return (
        brought[-1] if brought else max(range(len(listings)), key=lambda place: (_rank(listings[place].event), place))
    )


def _joined(changes: Sequence[Change]) -> Change:
    if len(changes) == 1:
        return changes[0]
    newest = max(reversed(changes), key=lambda one: _rank(one.event))
    since = max((one.event.version for one in changes if one.deletes), default=None)
    valid = list(_valid(changes, since))
    return replace(
        newest,
        pictures=kept(changes, since),
        rejects={digest: reject for one in valid for digest, reject in one.rejects.items()},
        vectors={digest: vector for one in valid for digest, vector in one.vectors.items()},
        deleted_at=since,
    )


def _valid(changes: Iterable[Change], since: int | None) -> Iterable[Change]:
    return (one for one in changes if since is None or not deletion_wins(one.event.version, since))


def _rank(event: ListingEvent) -> tuple[int, bool]:
    return event.version, event.op == "delete"


def _brings(listing: Listing, what: str) -> bool:
    declared = {listing.event.images[position].sha256 for position in listing.rejects}
    return what in listing.pictures or what in declared
