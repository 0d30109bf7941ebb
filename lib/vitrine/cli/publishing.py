"""`vitrine publish`: products as listing events, at a rate."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vitrine.broker import Producer, admin
from vitrine.cli.uploads import Upload
from vitrine.errors import BadRecord, VitrineError
from vitrine.events import encode
from vitrine.settings import Kafka

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Published:
    """What arrived in Kafka; `refused` products have no event, since it would be too large."""

    events: int
    pictures: int
    size_bytes: int
    left_out: int
    refused: int
    seconds: float

    def line(self, topic: str) -> str:
        """All of it in one line."""
        rate = self.events / max(self.seconds, 1e-9)
        line = f"published {self.events:,} events with {self.pictures:,} pictures ({self.size_bytes / 1e6:,.1f} MB) "
        line += f"to {topic} in {self.seconds:.1f} s, {rate:,.0f} a second"
        if self.left_out:
            line += f"; {self.left_out:,} pictures left out: nothing to send, or no place in the product"
        return line + (f"; {self.refused:,} products refused" if self.refused else "")


def publish(
    kafka: Kafka,
    uploads: Iterable[Upload],
    *,
    rate: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Published:
    """Send an event for each upload, at most `rate` a second (0: as fast as it goes), and wait until all arrived.

    Raises:
        Unavailable: Kafka is away.
        BadInput: no such topic, or no permission.
    """
    with admin(kafka) as administration:
        administration.require(kafka.topic)
    tally = _Tally()
    started = clock()
    with Producer(kafka) as producer:
        for number, upload in enumerate(uploads):
            if rate:
                sleep(max(started + number / rate - clock(), 0.0))
            _send(producer, kafka.topic, upload, tally)
    return tally.published(clock() - started)


def _send(producer: Producer, topic: str, upload: Upload, tally: "_Tally") -> None:
    message = encode(upload.event(time.time_ns() // 1_000), upload.pictures)

    def done(fault: VitrineError | None) -> None:
        tally.add(upload, fault, size_bytes=len(message.value or b""))

    try:
        producer.send(topic, message, done=done)
    except BadRecord as error:
        done(error)
    tally.check()


class _Tally:
    """Counts what arrived; its faults come on the producer's thread, and are raised on ours."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fault: VitrineError | None = None
        self._events = self._pictures = self._size_bytes = self._left_out = self._refused = 0

    def add(self, upload: Upload, fault: VitrineError | None, *, size_bytes: int) -> None:
        with self._lock:
            if isinstance(fault, BadRecord):
                logger.warning("refused product=%s: %s", upload.product.product_id, fault)
                self._refused += 1
            elif fault is not None:
                self._fault = self._fault or fault
            else:
                self._events += 1
                self._pictures += len(upload.images)
                self._size_bytes += size_bytes
                self._left_out += upload.left_out

    def check(self) -> None:
        if self._fault:
            raise self._fault

    def published(self, seconds: float) -> Published:
        self.check()
        return Published(self._events, self._pictures, self._size_bytes, self._left_out, self._refused, seconds)
