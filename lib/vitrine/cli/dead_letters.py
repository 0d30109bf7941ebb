"""`vitrine dlq`: the records that could not be used, shown and sent again."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from vitrine.broker import Producer, records
from vitrine.errors import BadRecord
from vitrine.events import DeadLetter, Message, exhume
from vitrine.product import Reason
from vitrine.settings import Kafka

logger = logging.getLogger(__name__)

_DETAIL_COLUMNS = 60


def letters(kafka: Kafka, *, since_us: int | None = None, reasons: Collection[Reason] = ()) -> Iterator[DeadLetter]:
    """The dead letters of those reasons, or of all, each record once; what else is in the topic is logged."""
    seen = set()
    for record in records(kafka, kafka.dlq_topic, since_us=since_us):
        message = record.message
        try:
            letter = exhume(message.key, message.value, message.headers)
        except BadRecord as error:
            logger.warning(
                "skipped %s %d/%d: %s", kafka.dlq_topic, record.origin.partition, record.origin.offset, error
            )
            continue
        # At least once: a kill between its acknowledgement and the commit buries a record again.
        if letter.origin not in seen and (not reasons or letter.reason in reasons):
            seen.add(letter.origin)
            yield letter


def table(found: Iterable[DeadLetter]) -> Iterator[str]:
    """A line a dead letter, then how many there are of each reason."""
    counts: Counter[str] = Counter()
    for letter in found:
        counts[letter.reason] += 1
        when = datetime.fromtimestamp(letter.failed_us / 1_000_000, UTC)
        place = f"{letter.origin.partition}/{letter.origin.offset}"
        detail = _printable(letter.detail)[:_DETAIL_COLUMNS]
        yield f"{when:%Y-%m-%d %H:%M:%S}  {place:>12}  {letter.reason:<20}  {_key(letter):<24}  {detail}"
    yield ", ".join(f"{reason} {count}" for reason, count in counts.most_common()) or "no dead letters"


def json_lines(found: Iterable[DeadLetter]) -> Iterator[str]:
    """One JSON object a dead letter, without its bytes."""
    for letter in found:
        told = asdict(letter) | {"message": None, "key": _key(letter), "size_bytes": len(letter.message.value or b"")}
        del told["message"]
        yield json.dumps(told, ensure_ascii=False)


def replay(kafka: Kafka, found: Iterable[DeadLetter]) -> str:
    """Send the records of dead letters to the topic of listings again, as they came; a line that says how many.

    Equal records are sent once: what is beyond repair comes back as another letter after each replay. A record that
    was applied or superseded meanwhile changes nothing: it passes the same guard.
    """
    sent: set[bytes] = set()
    left: Counter[str] = Counter()
    with Producer(kafka) as producer:
        for letter in found:
            why, digest = _unsendable(letter), _digest(letter.message)
            if why or digest in sent:
                left[why or "equal"] += 1
                continue
            producer.send(kafka.topic, letter.message)
            sent.add(digest)
    said = [f"sent {len(sent):,} records to {kafka.topic} again"]
    return "; ".join([*said, *(f"{count:,} {why} ones left out" for why, count in sorted(left.items()))])


def _unsendable(letter: DeadLetter) -> str:
    """Why the record of a letter cannot be sent; "" if it can."""
    if letter.left_out_bytes:
        return "too large"
    # The library cannot send it, and there is nothing in it.
    return "empty" if letter.message.key is None and letter.message.value is None else ""


def _digest(message: Message) -> bytes:
    return hashlib.sha256(repr((message.key, message.value, message.headers)).encode()).digest()


def _key(letter: DeadLetter) -> str:
    return _printable((letter.message.key or b"").decode("utf-8", "replace")) or "-"


def _printable(text: str) -> str:
    """The text without what would steer a terminal: anyone who may write to the topic wrote it."""
    return "".join(character if character.isprintable() else " " for character in text)
