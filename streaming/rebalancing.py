"""What a member does when partitions leave it and come to it."""

import logging
import time
from collections.abc import Awaitable, Callable, Collection

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import FencedInstanceIdError, KafkaError

from streaming.committing import commitment, replaced
from streaming.membership import Membership
from streaming.moments import Committed, Committing, Lost, Revoking

logger = logging.getLogger(__name__)

_LOOK_S = 0.02

Partitions = Collection[TopicPartition]


class Rebalancing(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """Ends an epoch within a deadline; the library calls it in its own thread, from within `poll`.

    Partitions that come stand in `fresh` until the polling thread has taken them up: only it may ask for offsets.
    """

    def __init__(
        self,
        consumer: KafkaConsumer,
        member: Membership,
        *,
        forget: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self.fresh: frozenset[TopicPartition] | None = None
        self._consumer, self._forget, self._lost = consumer, forget, lost
        self._member = member
        self._tracker, self._lease, self._stream = member.tracker, member.lease, member.stream
        self._ending, self._watch = member.ending, member.watch

    async def on_partitions_revoked(self, revoked: Partitions) -> None:
        """The batch that is being written ends, what has ended is committed, all else will be read again."""
        if not revoked:  # the library says so before the first join
            return
        try:
            self._watch(Revoking(tuple(sorted(one.partition for one in revoked))))
            self._lease.close()
            drained = await self._drained()
            await self._commit(revoked)
            logger.info("revoked partitions=%s drained=%s", _numbers(revoked), drained)
        except BaseException as error:  # noqa: BLE001  # the library would swallow it
            self._ending.fail(error)
        self._end()

    async def on_partitions_lost(self, lost: Partitions) -> None:
        """The group went on without this member: nothing may be committed."""
        logger.warning("lost partitions=%s: the group took this member for dead", _numbers(lost))
        self._end()
        self._lost()
        self._watch(Lost(tuple(sorted(one.partition for one in lost))))

    async def on_partitions_assigned(self, assigned: Partitions) -> None:
        """Note what came; its position here may be one of long ago."""
        self._end()
        self.fresh = frozenset(assigned)

    def _end(self) -> None:
        self._tracker.end()
        self._forget()

    async def _drained(self) -> bool:
        end_s = self._member.drained_by_s()
        while not self._lease.idle and time.monotonic() < end_s:
            await _pause(self._consumer, _LOOK_S)
        return self._lease.idle

    async def _commit(self, revoked: Partitions) -> None:
        leaving = {one.partition for one in revoked}
        offsets = {partition: at for partition, at in self._tracker.committable().items() if partition in leaving}
        if not offsets:
            return
        self._watch(Committing(offsets))
        try:
            await self._consumer.commit_async(commitment(next(iter(revoked)).topic, offsets))
        except FencedInstanceIdError as error:
            raise replaced(self._stream.member) from error
        except KafkaError as error:
            logger.warning("commit failed while partitions left, they are read again: %s", error)
        else:
            self._watch(Committed(offsets))


def _pause(consumer: KafkaConsumer, seconds: float) -> Awaitable[None]:
    # Not public, but what public ways there are to wait in a listener take up to a heartbeat.
    pause: Awaitable[None] = consumer._net.sleep(seconds)
    return pause


def _numbers(partitions: Partitions) -> str:
    return ",".join(str(one.partition) for one in sorted(partitions))
