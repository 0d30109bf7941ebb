"""The way to the dead letters: a record counts as there only when the broker has acknowledged it."""

import logging
import queue
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from streaming.membership import Membership
from streaming.moments import DeadLetterAcknowledged, DeadLetterSent
from streaming.outages import through
from streaming.records import Taken
from streaming.worker import WAIT_S, Pulse, Worker
from vitrine.errors import BadRecord, VitrineError
from vitrine.events import DeadLetter, Message, Origin, bury, emptied
from vitrine.product import Reason

logger = logging.getLogger(__name__)

_AT_ONCE = 100


class Sender(Protocol):
    """What is asked of a Kafka producer."""

    def send(self, topic: str, message: Message, *, done: Callable[[VitrineError | None], None] | None = None) -> None:
        """Send a record; `done` is told when it is acknowledged (None) or is not."""
        ...


@dataclass(frozen=True, slots=True)
class Bury:
    """A record to bury, and what to do once it is acknowledged."""

    record: Taken
    reason: Reason
    detail: str
    stage: str
    then: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Names:
    """What a dead letter says of where it comes from."""

    topic: str
    dlq_topic: str
    view: str
    model_id: str


class DeadLetters:
    """Sends records to the dead letters, again until they are acknowledged; bounded by what is under way at all."""

    def __init__(self, sender: Sender, names: Names, member: Membership) -> None:
        self.pulse = Pulse()
        self._sender = sender
        self._names = names
        self._member = member
        self._waiting: queue.SimpleQueue[Bury] = queue.SimpleQueue()
        self.worker = Worker("dead letters", self._turn, member.ending)

    def put(self, letter: Bury) -> None:
        """Hand over a record to bury; threads may do so."""
        self._waiting.put(letter)

    def _turn(self) -> None:
        if letters := self._next():
            with self.pulse.working():
                through(
                    lambda: self._attempt(letters),
                    "dead_letters",
                    ending=self._member.ending,
                    watch=self._member.watch,
                    pulse=self.pulse,
                    wanted=lambda: any(map(self._counts, letters)),
                )

    def _next(self) -> list[Bury]:
        letters: list[Bury] = []
        with suppress(queue.Empty):
            letters.append(self._waiting.get(timeout=WAIT_S))
            while len(letters) < _AT_ONCE:
                letters.append(self._waiting.get_nowait())
        return letters

    def _counts(self, letter: Bury) -> bool:
        return letter.record.epoch == self._member.epoch

    def _attempt(self, letters: list[Bury]) -> None:
        """Send all that still count, and strike off those that are acknowledged."""
        sent = [(letter, self._send(letter)) for letter in letters if self._counts(letter)]
        letters[:] = [letter for letter, _ in sent]
        failures: list[BaseException] = []
        for letter, answer in sent:
            if (failure := answer.exception()) is not None:
                failures.append(failure)
                continue
            self._member.watch(DeadLetterAcknowledged(letter.record.place, letter.reason))
            letters.remove(letter)
            letter.then()
        if failures:
            raise failures[0]

    def _send(self, letter: Bury) -> "Future[None]":
        answer: Future[None] = Future()

        def done(failure: VitrineError | None) -> None:
            answer.set_exception(failure) if failure else answer.set_result(None)

        whole, topic = self._letter(letter), self._names.dlq_topic
        try:
            try:
                self._sender.send(topic, bury(whole), done=done)
            except BadRecord as error:
                place = letter.record.place
                logger.warning("buried empty partition=%d offset=%d error=%s", place.partition, place.offset, error)
                self._sender.send(topic, bury(emptied(whole)), done=done)
        except VitrineError as failure:
            done(failure)
        self._member.watch(DeadLetterSent(letter.record.place, letter.reason))
        return answer

    def _letter(self, letter: Bury) -> DeadLetter:
        record, names = letter.record, self._names
        return DeadLetter(
            record.message,
            Origin(names.topic, record.place.partition, record.place.offset, record.timestamp_ms),
            letter.reason,
            letter.detail,
            letter.stage,
            failed_us=time.time_ns() // 1_000,
            view=names.view,
            model_id=names.model_id,
        )
