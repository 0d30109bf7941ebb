"""The thread that owns the consumer: it polls, pauses and commits, and leaves all other work to others.

The library needs a member to be inside `poll` most of the time, and keeps positions and pauses over a rebalance: so
each assignment begins with a seek, and partitions are paused all together or not at all.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import CorruptRecordError, FencedInstanceIdError, NoOffsetForPartitionError, OffsetOutOfRangeError

from streaming.committing import LONGEST_S, Committer, replaced
from streaming.joining import Joining
from streaming.membership import Membership
from streaming.moments import Assigned, Place, Polled, Retried
from streaming.rebalancing import Rebalancing
from streaming.records import Taken
from streaming.starting import starts
from streaming.worker import Pulse
from vitrine import broker
from vitrine.broker import message_of, translated
from vitrine.errors import BadInput, Unavailable

logger = logging.getLogger(__name__)

POLL_MS = 200
PAUSED_POLL_MS = 20
AFTER_OUTAGE_S = 0.5
SETTLING_S = 300.0  # for so long the group may wait for a member that is slow to let go, max.poll.interval.ms

Put = Callable[[Sequence[Taken]], None]


class Polling:
    """Reads one topic as a member of one group, until told to stop; for one thread.

    `as_of` is the moment that the view's catalogue shows. At most `stream.in_flight_records` are read beyond the
    commits.
    """

    def __init__(
        self,
        consumer: KafkaConsumer,
        topic: str,
        put: Put,
        member: Membership,
        *,
        as_of: datetime,
    ) -> None:
        self.pulse = Pulse()
        self._consumer, self._topic, self._put, self._as_of = consumer, topic, put, as_of
        self._member = member
        self._tracker, self._lease, self._stream = member.tracker, member.lease, member.stream
        self._ending, self._watch = member.ending, member.watch
        self._joining = Joining(consumer, longest_s=SETTLING_S + self._stream.session_timeout_s)
        self._committer = Committer(consumer, topic, member)

    def run(self, rebalancing: Rebalancing, stop: threading.Event) -> None:
        """Read until `stop` is set or all ends; then, if nothing failed, finish what is under way and commit it."""
        self._consumer.subscribe([self._topic], listener=rebalancing)
        with translated(f"look at topic {self._topic}"):
            # Asked for before the first join, and after the subscription, they are known to it: else it joins twice.
            self._consumer.partitions_for_topic(self._topic)
        while not stop.is_set() and not self._ending.over:
            with self.pulse.working():
                self._turn(rebalancing)
            self._joining.look()
        self._drain(rebalancing)

    def _turn(self, rebalancing: Rebalancing) -> None:
        try:
            with translated(f"read topic {self._topic}"):
                polled = self._poll(rebalancing)
                if rebalancing.fresh is not None:
                    self._take_up(rebalancing)  # what was polled is from positions of long ago
                    return
            self._take(polled)
            self._committer.commit_in_time()
        except FencedInstanceIdError as error:
            raise replaced(self._stream.member) from error
        except broker.OF_THE_GROUP as error:
            logger.info("the group changes: %s", error)
        except Unavailable as error:
            logger.warning("retrying where=kafka after_s=%.1f error=%s", AFTER_OUTAGE_S, error)
            self._watch(Retried("kafka", str(error)))
            self._ending.wait(AFTER_OUTAGE_S)

    def _poll(self, rebalancing: Rebalancing) -> Mapping[TopicPartition, Sequence[Any]]:
        room = self._room()
        most = max(1, min(room, 2 * self._stream.batch_size))
        try:
            polled: Mapping[TopicPartition, Sequence[Any]] = self._consumer.poll(
                POLL_MS if room else PAUSED_POLL_MS, max_records=most
            )
        except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
            if rebalancing.fresh is not None:
                return {}
            raise BadInput(f"{self._where('no longer holds', error)}: events are lost to this view, reindex") from error
        except CorruptRecordError as error:
            raise BadInput(
                f"{self._where('holds a record that cannot be read', error)}: set the group's offset beyond it"
            ) from error
        return polled

    def _where(self, what: str, error: Exception) -> str:
        positions = ", ".join(f"{offset} of partition {number}" for number, offset in self._tracker.positions().items())
        return f"topic {self._topic} {what} at one of the offsets {positions} ({error})"

    def _room(self) -> int:
        """How many more records may come; pauses all partitions where none may, and resumes all once half may."""
        load, most = self._tracker.load(), self._stream.in_flight_records
        assigned, paused = self._consumer.assignment(), self._consumer.paused()
        full = load.uncommitted >= most or load.size_bytes >= self._stream.in_flight_bytes
        low = load.uncommitted <= most / 2 and load.size_bytes <= self._stream.in_flight_bytes / 2
        if full and paused != assigned:
            self._consumer.pause(*assigned)
        elif low and paused:
            self._consumer.resume(*paused)
            paused = set()
        return 0 if full or paused else most - load.uncommitted

    def _take_up(self, rebalancing: Rebalancing) -> None:
        """Begin an epoch at the committed offsets; what an outage prevents here is tried again in the next turn."""
        offsets = starts(
            self._consumer,
            rebalancing.fresh or (),
            as_of=self._as_of,
            accept_gap=self._stream.accept_gap,
            timeout_ms=round(1_000 * min(LONGEST_S, self._stream.session_timeout_s / 4)),
        )
        seek_all(self._consumer, offsets)
        rebalancing.fresh = None
        begun = {partition.partition: offset for partition, offset in sorted(offsets.items())}
        self._tracker.begin(begun)
        self._lease.open()
        self._watch(Assigned(begun))
        logger.info("assigned partitions=%s", ",".join(map(str, begun)) or "none")
        self._committer.commit()

    def _take(self, polled: Mapping[TopicPartition, Iterable[Any]]) -> None:
        came = (
            taken(record, partition.partition, self._tracker.epoch)
            for partition, of_partition in polled.items()
            for record in of_partition
        )
        records = [record for record in came if self._tracker.polled(record)]
        if records:
            self._watch(Polled(tuple(record.place for record in records)))
            self._put(records)

    def _drain(self, rebalancing: Rebalancing) -> None:
        """Finish what is under way, within the deadline, and commit; after a failure all stays as it is."""
        try:
            self._finish(rebalancing)
        except FencedInstanceIdError as error:
            raise replaced(self._stream.member) from error
        except (Unavailable, *broker.OF_THE_GROUP) as error:
            logger.warning("left without a last commit, what is not committed is read again: %s", error)

    def _finish(self, rebalancing: Rebalancing) -> None:
        end_s = self._member.drained_by_s()
        while not self._ending.over and self._tracker.load().records and time.monotonic() < end_s:
            self._consumer.pause(*self._consumer.assignment())
            of_new_partitions = suppress(NoOffsetForPartitionError, OffsetOutOfRangeError)
            with translated(f"read topic {self._topic}"), of_new_partitions:
                self._consumer.poll(PAUSED_POLL_MS)
            if rebalancing.fresh is not None:
                return
            self._committer.commit_in_time()
        if not self._ending.over and rebalancing.fresh is None:
            self._committer.commit()


def seek_all(consumer: KafkaConsumer, offsets: Mapping[TopicPartition, int]) -> None:
    """Read from these offsets, whatever positions and pauses the library has kept."""
    for partition, offset in offsets.items():
        consumer.seek(partition, offset)
    consumer.resume(*offsets)


def taken(record: Any, partition: int, epoch: int) -> Taken:  # the library has no types
    """A record as it was polled, in the present epoch."""
    place = Place(partition, record.offset)
    return Taken(place, epoch, message_of(record), max(0, record.timestamp), time.monotonic())
