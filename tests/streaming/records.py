"""Records by hand."""

from streaming.changes import change
from streaming.moments import Place
from streaming.records import Delivery, Taken
from vitrine.events import ListingEvent, Message, decode, encode


def taken(
    offset: int,
    *,
    partition: int = 0,
    epoch: int = 1,
    message: Message | None = None,
    timestamp_ms: int = 0,
    at_s: float = 0.0,
) -> Taken:
    """A record as it was polled."""
    return Taken(Place(partition, offset), epoch, message or Message(b"p", b"{}"), timestamp_ms, at_s)


def listed(product_id: str, version: int = 1, *, op: str = "upsert", **said: object) -> Message:
    """A listing without pictures."""
    return encode(ListingEvent.model_validate({"op": op, "product_id": product_id, "version": version, **said}))


def delivery(record: Taken) -> Delivery:
    """The record's listing, which has waited since the record came."""
    message = record.message
    listing = decode(message.key, message.value, message.headers)
    return Delivery(change(listing), record.taken_s, record, listing)
