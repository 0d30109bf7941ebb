"""A record that cannot be used, as the dead-letter topic keeps it: its own bytes, and headers that say why."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from vitrine import __version__
from vitrine.errors import BadRecord
from vitrine.events.wire import Headers, Message
from vitrine.product import Reason

PREFIX = "x-dlq."
MAX_DETAIL_BYTES = 2_048
HEADERS_BYTES = 4_096
"""Most bytes that the headers add to a record, so what the dead-letter topic must accept beyond the topic's own."""

_NULL_VALUE = "null-value"
_LEFT_OUT = "left_out"
_KEY_BYTES = 1_024


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record stands in Kafka; its key and this are the identity of a dead letter, which may come twice."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record with the reason for which it, or one of its pictures, cannot be used.

    `stage` is the step that found it: `decode`, `fetch` or `embed`. `failed_us` is in microseconds since 1970.
    `left_out_bytes` is 0, or the size of a record that is too large to be kept: see `emptied`.
    """

    message: Message
    origin: Origin
    reason: Reason
    detail: str
    stage: str
    failed_us: int
    view: str = ""
    model_id: str = ""
    left_out_bytes: int = 0


def emptied(letter: DeadLetter) -> DeadLetter:
    """The letter without its record's value and headers, and of a long key the beginning.

    For a record that no producer can send: what came compressed may be larger than any record may be. It stays where
    the origin says.
    """
    key, value, headers = letter.message.key, letter.message.value or b"", letter.message.headers
    size_bytes = len(key or b"") + len(value) + sum(len(name.encode()) + len(content) for name, content in headers)
    return replace(letter, message=Message(key and key[:_KEY_BYTES], b""), left_out_bytes=size_bytes)


def bury(letter: DeadLetter) -> Message:
    """The record for the dead-letter topic: key, value and headers as they came, then those that say why."""
    message = letter.message
    told = dict(_told(letter))
    value = message.value
    if message.key is None and value is None:  # the library cannot send a record that has neither
        value, told[PREFIX + _NULL_VALUE] = b"", b"1"
    return Message(message.key, value, (*message.headers, *told.items()))


def exhume(key: bytes | None, value: bytes | None, headers: Headers) -> DeadLetter:
    """Inverse of `bury`.

    Raises:
        BadRecord: `bad_event`, the record does not say where it came from.
    """
    own = tuple((name, content or b"") for name, content in headers if not name.startswith(PREFIX))
    said = {name.removeprefix(PREFIX): content or b"" for name, content in headers if name.startswith(PREFIX)}
    try:
        text = {name: content.decode() for name, content in said.items()}
        return DeadLetter(
            message=Message(key, None if _NULL_VALUE in said else value, own),
            origin=Origin(text["topic"], int(text["partition"]), int(text["offset"]), int(text["timestamp"])),
            reason=Reason(text["reason"]),
            detail=text["detail"],
            stage=text["stage"],
            failed_us=round(datetime.fromisoformat(text["failed_at"]).timestamp() * 1_000_000),
            view=text["view"],
            model_id=text["model"],
            left_out_bytes=int(text.get(_LEFT_OUT, 0)),
        )
    except (KeyError, ValueError) as error:
        raise BadRecord(Reason.BAD_EVENT, f"no dead letter: header {PREFIX}{error}") from error


def _told(letter: DeadLetter) -> Iterator[tuple[str, bytes]]:
    said = {
        "topic": letter.origin.topic,
        "partition": letter.origin.partition,
        "offset": letter.origin.offset,
        "timestamp": letter.origin.timestamp_ms,
        "reason": letter.reason,
        "detail": " ".join(letter.detail.split()),
        "stage": letter.stage,
        "view": letter.view,
        "model": letter.model_id,
        "failed_at": datetime.fromtimestamp(letter.failed_us / 1_000_000, UTC).isoformat(timespec="microseconds"),
        "vitrine": __version__,
        **({_LEFT_OUT: letter.left_out_bytes} if letter.left_out_bytes else {}),
    }
    for name, content in said.items():
        encoded = str(content).encode("utf-8", "replace")[:MAX_DETAIL_BYTES]
        yield PREFIX + name, encoded.decode("utf-8", "ignore").encode()
