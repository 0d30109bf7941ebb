"""From an event and its pictures to what a view is to state of the product: rows, or what the ledger says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from streaming.changes import Change, Rejected
from streaming.gathering import Gathered
from streaming.planning import Plan, gone
from vitrine.embedding import Vectors
from vitrine.events import ImageRef, ListingEvent
from vitrine.index import schema
from vitrine.index.guarded import Write
from vitrine.index.ledger import LedgerRow
from vitrine.index.rows import TEXT_LIMITS, Row, fit, row
from vitrine.product import Reason, Reject

Picture = tuple[str, Vectors]
"""Hash and (dim,) float32 vector."""

_LONGEST_ADDRESS_BYTES = TEXT_LIMITS[schema.IMAGE_URI]


@dataclass(frozen=True, slots=True)
class Restated:
    """What is to be written of a product.

    `rejects` are pictures found unusable now, `embedded` counts those that were embedded now, `cut` texts that were too
    long. `again` is the same change without bytes, in case the view falls behind it.
    """

    write: Write
    again: Change
    rejects: tuple[Rejected, ...] = ()
    embedded: int = 0
    cut: int = 0


def restate(plan: Plan, gathered: Gathered, *, max_images: int, indexed_us: int) -> Restated:
    """What the view is to state once the plan's event is applied; `indexed_us` is now, in microseconds since 1970."""
    event = plan.event
    if event.op == "delete":
        deleted = LedgerRow(event.product_id, event.version, deleted=True)
        return Restated(Write(event.product_id, gone=gone(plan.stated, ()), ledger=deleted), Change(event))
    found = dict(enumerate(_all_found(plan, gathered, max_images)))
    lacks = {position: one for position, one in found.items() if isinstance(one, Reject)}
    pictures = {position: one for position, one in found.items() if not isinstance(one, Reject)}
    built = [_row(event, position, one, indexed_us) for position, one in pictures.items()]
    written = tuple(row for row, _ in built)
    return Restated(
        Write(
            event.product_id,
            rows=written,
            gone=gone(plan.stated, written),
            ledger=_exception(event, lacks) if lacks or not written else None,
            in_ledger=plan.stated.ledger is not None,
        ),
        again=Change(_resolved(event, pictures), vectors=dict(pictures.values())),
        rejects=_new(plan, lacks),
        embedded=sum(digest in gathered.embedded for digest, _ in pictures.values()),
        cut=max((cut for _, cut in built), default=0),
    )


def _all_found(plan: Plan, gathered: Gathered, max_images: int) -> Iterator[Picture | Reject]:
    own = plan.vectors
    for position, image in enumerate(plan.event.images):
        if position < max_images:
            yield _found(plan, image, own, gathered)
        else:
            yield Reject(Reason.TOO_MANY_IMAGES, f"at most {max_images} pictures of a product count")


def _found(plan: Plan, image: ImageRef, own: Mapping[str, Vectors], gathered: Gathered) -> Picture | Reject:
    digest = image.sha256 or ""
    if digest in own:
        return digest, own[digest]
    if digest in plan.change.pictures:
        return _of_bytes(digest, gathered)
    if image.image_uri:
        return _at_address(plan, image.image_uri, image.sha256, gathered)
    return plan.change.rejects.get(digest) or Reject(_reason_so_far(plan, digest), "no event at hand carried its bytes")


def _of_bytes(digest: str, gathered: Gathered) -> Picture | Reject:
    vector = gathered.of_bytes(digest)
    return vector if isinstance(vector, Reject) else (digest, vector)


def _at_address(plan: Plan, address: str, declared: str | None, gathered: Gathered) -> Picture | Reject:
    came = gathered.addresses[address]
    if isinstance(came, Reject):
        may_stay = came.reason is Reason.FETCH_FAILED and declared is None
        return (_served(plan, address) if may_stay else None) or came
    if declared not in {None, came}:
        return Reject(Reason.HASH_MISMATCH, f"its address gave bytes of {came}, not of {declared}")
    return _of_bytes(came, gathered)


def _served(plan: Plan, address: str) -> Picture | None:
    """What the view has for an address that cannot be reached just now."""
    if not fit(address, _LONGEST_ADDRESS_BYTES)[1]:
        return None  # cut, it could be that of another picture
    rows = [row for row in plan.rows if row[schema.IMAGE_URI] == address]
    return (cast(str, rows[0][schema.IMAGE_SHA256]), cast(Vectors, rows[0][schema.VECTOR])) if rows else None


def _reason_so_far(plan: Plan, digest: str) -> Reason:
    told = plan.stated.ledger.missing if plan.stated.ledger else ()
    known = (Reason(reason) for _, what, reason in told if what == digest and reason in list(Reason))
    return next(known, Reason.IMAGE_UNAVAILABLE)


def _row(event: ListingEvent, position: int, picture: Picture, indexed_us: int) -> tuple[Row, int]:
    digest, vector = picture
    address = event.images[position].image_uri or ""
    values, cut = row(
        event.product(), position, sha256=digest, uri=address, event_us=event.event_us, indexed_us=indexed_us
    )
    return {**values, schema.VECTOR: vector}, cut


def _exception(event: ListingEvent, lacks: Mapping[int, Reject]) -> LedgerRow:
    missing = tuple((position, _what(event.images[position]), str(one.reason)) for position, one in lacks.items())
    statement = event.model_dump_json(exclude_none=True) if missing else ""
    return LedgerRow(event.product_id, event.version, missing=missing, statement=statement)


def _new(plan: Plan, lacks: Mapping[int, Reject]) -> tuple[Rejected, ...]:
    """Pictures that no earlier version was known to lack, and those whose bytes came now."""
    told = plan.stated.ledger
    earlier = told is not None and (plan.fills or told.version < plan.event.version)
    known = {what for _, what, _ in told.missing} if told and earlier else set()
    known -= {*plan.change.pictures, *plan.change.rejects}
    found = [(position, _what(plan.event.images[position]), one) for position, one in lacks.items()]
    return tuple(Rejected(position, what, one.reason, one.detail) for position, what, one in found if what not in known)


def _what(image: ImageRef) -> str:
    return image.sha256 or image.image_uri or ""


def _resolved(event: ListingEvent, pictures: Mapping[int, Picture]) -> ListingEvent:
    """The event with the hashes of all its pictures that were had."""
    images = [
        image.model_copy(update={"sha256": pictures[position][0]}) if position in pictures else image
        for position, image in enumerate(event.images)
    ]
    return event.model_copy(update={"images": tuple(images)})
