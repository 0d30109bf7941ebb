"""Commits: how far each partition has come, told to the group, and with it that this member is alive."""

import logging
import time

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError, FencedInstanceIdError, RebalanceInProgressError

from streaming.membership import Membership
from streaming.moments import Committed, Committing, Gauged
from vitrine.broker import translated
from vitrine.errors import BadInput

logger = logging.getLogger(__name__)

LONGEST_S = 5.0


def replaced(member: str) -> BadInput:
    """The error of a member whose name another process took."""
    return BadInput(f"another process runs as member {member}: this one ends; give each its own stream.member")


def commitment(topic: str, offsets: dict[int, int]) -> dict[TopicPartition, OffsetAndMetadata]:
    """Offsets by partition, in the library's words."""
    return {TopicPartition(topic, partition): OffsetAndMetadata(at) for partition, at in offsets.items()}


class Committer:
    """Commits what has ended; for the thread that owns the consumer.

    An unchanged offset is committed again: nothing else tells a member that it was replaced, or renews the lease.
    """

    def __init__(self, consumer: KafkaConsumer, topic: str, member: Membership) -> None:
        self._consumer, self._topic = consumer, topic
        self._tracker, self._lease = member.tracker, member.lease
        self._stream, self._watch = member.stream, member.watch
        self._timeout_ms = round(1_000 * min(LONGEST_S, member.stream.session_timeout_s / 4))
        self._asked_s = float("-inf")

    def commit_in_time(self) -> None:
        """Commit once in a while, and often enough that a kill costs no more than may be under way."""
        waited_s = time.monotonic() - self._asked_s
        if waited_s >= self._stream.commit_every_s or self._tracker.ended() >= self._stream.in_flight_records / 4:
            self.commit()

    def commit(self) -> None:
        """Commit now; while the group changes nothing is committed, and nothing is wrong.

        Raises:
            BadInput: another process took this member's name, or there is no permission.
            Unavailable: no broker answers.
        """
        self._asked_s = asked_s = time.monotonic()
        epoch, offsets = self._tracker.epoch, self._tracker.committable()
        self._gauge(offsets)
        if not offsets:
            return
        self._watch(Committing(offsets))
        try:
            with translated(f"commit offsets of topic {self._topic}"):
                self._consumer.commit(commitment(self._topic, offsets), timeout_ms=self._timeout_ms)
        except FencedInstanceIdError as error:
            raise replaced(self._stream.member) from error
        except (CommitFailedError, RebalanceInProgressError) as error:
            logger.info("not committed, since the group changes: %s", error)
            return
        self._watch(Committed(offsets))
        self._tracker.committed(offsets, epoch)
        self._lease.renew(epoch, asked_s)

    def _gauge(self, offsets: dict[int, int]) -> None:
        load = self._tracker.load()
        ends = {number: self._consumer.highwater(TopicPartition(self._topic, number)) for number in offsets}
        lag = {number: max(0, end - offsets[number]) for number, end in ends.items() if end is not None}
        self._watch(Gauged(load.records, load.size_bytes, load.oldest_us, lag, bool(self._consumer.paused())))
