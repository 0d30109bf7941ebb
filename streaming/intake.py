"""Records become deliveries, or dead letters where no part of them can be used."""

import logging
import queue
import time
from collections.abc import Callable, Sequence

from streaming.changes import change
from streaming.dead_letters import Bury
from streaming.membership import Membership
from streaming.moments import Outcome, Settled
from streaming.records import Delivery, Taken
from streaming.waiting import Waiting
from streaming.worker import WAIT_S, Pulse, Worker
from vitrine.errors import BadInput, BadRecord
from vitrine.events import decode
from vitrine.product import Reason

logger = logging.getLogger(__name__)


class Intake:
    """Decodes what was polled, in order.

    Many records in a row without a usable event end the service: then the input is broken, not a record.
    """

    def __init__(
        self,
        waiting: Waiting,
        bury: Callable[[Bury], None],
        settle: Callable[[Taken, Settled], None],
        member: Membership,
    ) -> None:
        self.pulse = Pulse()
        self._waiting = waiting
        self._bury = bury
        self._settle = settle
        self._stop_after_bad = member.stream.stop_after_bad
        self._bad_in_a_row = 0
        self._polled: queue.SimpleQueue[Sequence[Taken]] = queue.SimpleQueue()
        self.worker = Worker("intake", self._turn, member.ending)

    def put(self, records: Sequence[Taken]) -> None:
        """Hand over what a poll brought."""
        self._polled.put(records)

    def _turn(self) -> None:
        try:
            records = self._polled.get(timeout=WAIT_S)
        except queue.Empty:
            return
        with self.pulse.working():
            self._waiting.add([delivery for record in records if (delivery := self._decoded(record))])

    def _decoded(self, record: Taken) -> Delivery | None:
        message = record.message
        try:
            listing = decode(message.key, message.value, message.headers, timestamp_ms=record.timestamp_ms)
        except BadRecord as error:
            self._refuse(record, error)
            return None
        self._bad_in_a_row = 0
        return Delivery(change(listing), time.monotonic(), record, listing)

    def _refuse(self, record: Taken, error: BadRecord) -> None:
        self._bad_in_a_row += 1
        place = record.place
        if self._bad_in_a_row >= self._stop_after_bad:
            raise BadInput(
                f"{self._bad_in_a_row} records in a row hold no usable event, the last, offset {place.offset} of "
                f"partition {place.partition}, since {error}: see the dead letters, repair what writes the topic"
            )
        reason = Reason(error.reason)
        ended = Settled(place, Outcome.DEAD, reasons=(reason,))
        self._bury(Bury(record, reason, error.detail, "decode", then=lambda: self._settle(record, ended)))
