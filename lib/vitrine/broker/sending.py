"""Sending records, and knowing that they arrived."""

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from vitrine.broker.connections import producer
from vitrine.broker.faults import translated, translation
from vitrine.errors import BadInput, BadRecord, Unavailable, VitrineError
from vitrine.events import Message
from vitrine.events.dead_letter import HEADERS_BYTES
from vitrine.product import Reason
from vitrine.settings import Kafka

ON_THE_WAY_BYTES = 64 << 20
"""Most bytes that are sent and not acknowledged; the library itself would take any number into memory."""

_CLOSE_S = 10.0
_RECORD_BYTES, _HEADER_BYTES = 128, 10
"""What Kafka's format adds to a record, with its batch, and to a header; at most."""

Done = Callable[[VitrineError | None], None]


class Producer:
    """Sends records in order, acknowledged by all replicas; for several threads.

    A record that failed with `Unavailable` may still have arrived: who sends it again sends it twice.
    """

    def __init__(self, kafka: Kafka, *, on_the_way_bytes: int = ON_THE_WAY_BYTES) -> None:
        self._kafka = kafka
        self._client = producer(kafka)
        self._room = _Room(on_the_way_bytes)
        self._first_fault: VitrineError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        with suppress(VitrineError):  # the block's own error is the one to tell
            self.close(within_s=0.0)

    def send(
        self,
        topic: str,
        message: Message,
        *,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        done: Done | None = None,
    ) -> None:
        """Send a record; it is on its way when this returns. Waits while too many bytes are.

        `done` is called once with None or what went wrong, on the library's thread: it must be short, and send nothing.
        Without it the next `flush` raises what went wrong.

        Raises:
            Unavailable: no broker took it within `kafka.timeout_s`, or others for `kafka.delivery_timeout_s`.
            BadInput: no permission, no such topic, or one that takes less than `kafka.max_message_bytes`.
            BadRecord: `too_large`, by `kafka.max_message_bytes`.
        """
        size_bytes = self._checked_size(topic, message)
        told = done or self._remember
        self._room.take(size_bytes, within_s=self._kafka.delivery_timeout_s)

        def ended(fault: VitrineError | None) -> None:
            self._room.give_back(size_bytes)
            told(fault)

        try:
            with translated(f"send to topic {topic}"):
                future = self._client.send(
                    topic,
                    key=message.key,
                    value=message.value,
                    headers=list(message.headers),
                    partition=partition,
                    timestamp_ms=timestamp_ms,
                )
        except BaseException:
            self._room.give_back(size_bytes)
            raise
        future.add_callback(lambda _: ended(None))
        future.add_errback(lambda error: ended(self._refusal(error, topic)))

    def flush(self, within_s: float | None = None) -> None:
        """Wait until all that was sent has arrived; by default for as long as its delivery may take.

        Raises:
            VitrineError: the first fault, since the last flush, of records without `done`, as `send` raises it.
            Unavailable: some are still on their way.
        """
        try:
            self._client.flush(self._kafka.delivery_timeout_s if within_s is None else within_s)
        except KafkaError as error:
            raise Unavailable(f"Kafka has not acknowledged all records yet: {error}") from error
        fault, self._first_fault = self._first_fault, None
        if fault:
            raise fault

    def close(self, within_s: float | None = None) -> None:
        """Flush and close; what is not acknowledged within that time is given up.

        Raises:
            VitrineError: as `flush`.
        """
        try:
            self.flush(within_s)
        finally:
            self._close()

    def _checked_size(self, topic: str, message: Message) -> int:
        # A record that the broker refuses ends the library's producer: all later ones fail with it.
        headers = sum(len(name.encode()) + len(content) + _HEADER_BYTES for name, content in message.headers)
        size_bytes = len(message.key or b"") + len(message.value or b"") + headers + _RECORD_BYTES
        most = self._kafka.max_message_bytes + (HEADERS_BYTES if topic == self._kafka.dlq_topic else 0)
        if size_bytes > most:
            raise BadRecord(Reason.TOO_LARGE, f"a record of {size_bytes} bytes, at most {most} in topic {topic}")
        return size_bytes

    def _refusal(self, error: BaseException, topic: str) -> VitrineError:
        if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            return BadInput(
                f"topic {topic} takes smaller records than kafka.max_message_bytes = {self._kafka.max_message_bytes}"
                f" (the topic of dead letters {HEADERS_BYTES} more): raise its max.message.bytes, or lower the setting"
            )
        return translation(error, f"send to topic {topic}")

    def _remember(self, fault: VitrineError | None) -> None:
        self._first_fault = self._first_fault or fault

    def _close(self) -> None:
        try:
            self._client.flush(0)
            self._client.close(timeout=_CLOSE_S)
        except KafkaError:
            # The library's close would wait for these records, raise, and leave its thread behind.
            self._client._sender.force_close()
            self._client._sender.join(_CLOSE_S)


class _Room:
    """So many bytes at a time; one record alone may be larger than all of it."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._taken_bytes = 0
        self._changed = threading.Condition()

    def take(self, size_bytes: int, *, within_s: float) -> None:
        """Wait until there is room for so many bytes; Unavailable if there is none in that time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._fits(size_bytes), within_s):
                raise Unavailable(f"Kafka acknowledged nothing for {within_s:.0f} s")
            self._taken_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Those bytes have arrived, or never will."""
        with self._changed:
            self._taken_bytes -= size_bytes
            self._changed.notify_all()

    def _fits(self, size_bytes: int) -> bool:
        return not self._taken_bytes or self._taken_bytes + size_bytes <= self._size_bytes
