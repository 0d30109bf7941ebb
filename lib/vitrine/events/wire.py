"""A listing event as a Kafka record, and back.

The header `vitrine-event` is the event as JSON, the value its pictures' bytes one after another; without that header
the value is the JSON. A null value deletes the product that the key names, at the version in the header `version`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from vitrine.errors import BadRecord
from vitrine.events.listing import ImageRef, ListingEvent, sha256
from vitrine.product import Reason, Reject, check_product_id

EVENT_HEADER = "vitrine-event"
VERSION_HEADER = "version"

Headers = Iterable[tuple[str, bytes | None]]

_REASONS = {"version": Reason.NO_VERSION, "product_id": Reason.NO_ID}
_UNKNOWN = {"op": Reason.UNKNOWN_OP, "schema_version": Reason.UNKNOWN_SCHEMA}
_LONGEST_VERSION = 20  # digits of an int64, and its sign


@dataclass(frozen=True, slots=True)
class Message:
    """What a Kafka record holds."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """An event as it came.

    `pictures` are the bytes that came with it, by the hash computed from them. `rejects` says by position whose bytes
    came and are not those declared; other bytes of the declared hash are as good.
    """

    event: ListingEvent
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    rejects: Mapping[int, Reject] = field(default_factory=dict)


def encode(event: ListingEvent, pictures: Mapping[str, bytes] | None = None) -> Message:
    """The record of an event; `pictures` holds, by hash, the bytes of all images whose size is not 0.

    Raises:
        ValueError: bytes are missing, or are not of the size that the event says.
    """
    parts = [_part(image, pictures or {}) for image in _inline(event)]
    stated = event.model_dump_json(exclude_none=True).encode()
    return Message(event.product_id.encode(), b"".join(parts), ((EVENT_HEADER, stated),))


def decode(key: bytes | None, value: bytes | None, headers: Headers = (), *, timestamp_ms: int = 0) -> Listing:
    """The event of a record; `timestamp_ms`, the record's own, is its time where the event states none.

    Raises:
        BadRecord: with the reason for which no part of it can be used: `bad_event`, `unknown_schema`, `unknown_op`,
            `no_version`, `no_id`, `id_too_long`, `key_mismatch`, `size_mismatch`.
    """
    stated = dict(headers)
    if value is None:
        return Listing(_deletion(key, stated.get(VERSION_HEADER), timestamp_ms))
    text = stated.get(EVENT_HEADER)
    event = _event(value if text is None else text)
    if key != event.product_id.encode():
        raise BadRecord(Reason.KEY_MISMATCH, "the record's key is not the event's product_id")
    if not event.event_us:
        event = event.model_copy(update={"event_us": timestamp_ms * 1_000})
    return _listing(event, b"" if text is None else value)


def _inline(event: ListingEvent) -> Iterator[ImageRef]:
    return (image for image in event.images if image.size_bytes)


def _part(image: ImageRef, pictures: Mapping[str, bytes]) -> bytes:
    data = pictures.get(image.sha256 or "", b"")
    if len(data) != image.size_bytes:
        raise ValueError(f"picture {image.sha256} has {len(data)} bytes, the event says {image.size_bytes}")
    return data


def _deletion(key: bytes | None, version: bytes | None, timestamp_ms: int) -> ListingEvent:
    try:
        product_id = check_product_id((key or b"").decode())
    except UnicodeDecodeError as error:
        raise BadRecord(Reason.NO_ID, "the record's key is not UTF-8") from error
    digits = (version or b"")[: _LONGEST_VERSION + 1]
    if not digits.removeprefix(b"-").isdigit():
        raise BadRecord(Reason.NO_VERSION, f"a null value needs the header {VERSION_HEADER} with a number")
    return _checked(
        {"op": "delete", "product_id": product_id, "version": int(digits), "event_us": timestamp_ms * 1_000}
    )


def _event(text: bytes) -> ListingEvent:
    try:
        event = ListingEvent.model_validate_json(text)
    except ValidationError as error:
        raise _refusal(error) from error
    check_product_id(event.product_id)
    return event


def _checked(stated: Mapping[str, Any]) -> ListingEvent:
    try:
        return ListingEvent.model_validate(stated)
    except ValidationError as error:
        raise _refusal(error) from error


def _refusal(error: ValidationError) -> BadRecord:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{'.'.join(map(str, problem['loc'])) or 'event'}: {problem['msg']}" for problem in problems]
    reasons = filter(None, (_reason(str(*problem["loc"][:1]), problem["type"]) for problem in problems))
    return BadRecord(next(reasons, Reason.BAD_EVENT), "; ".join(lines[:3]))


def _reason(name: str, kind: str) -> Reason | None:
    if kind == "literal_error":
        return _UNKNOWN.get(name)
    if name == "product_id" and kind == "string_too_long":
        return Reason.ID_TOO_LONG
    return _REASONS.get(name) if kind in ("missing", "string_too_short") else None


def _listing(event: ListingEvent, value: bytes) -> Listing:
    stated = sum(image.size_bytes for image in event.images)
    if stated != len(value):
        raise BadRecord(Reason.SIZE_MISMATCH, f"the pictures are said to have {stated} bytes, {len(value)} came")
    pictures: dict[str, bytes] = {}
    rejects: dict[int, Reject] = {}
    start = 0
    for position, image in enumerate(event.images):
        if image.size_bytes:
            data = value[start : start + image.size_bytes]
            start += image.size_bytes
            computed = sha256(data)
            pictures[computed] = data
            if computed != image.sha256:
                rejects[position] = Reject(Reason.HASH_MISMATCH, f"bytes of {computed} came for {image.sha256}")
    return Listing(event, pictures, rejects)
