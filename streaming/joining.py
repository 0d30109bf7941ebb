"""What keeps a member from waiting for its partitions for ever, which the client library may make it do."""

import time
from collections.abc import Callable

from kafka import KafkaConsumer
from kafka.structs import MemberState

from vitrine.errors import Unavailable


class Joining:
    """Watches a member join; for the thread that owns the consumer.

    The library may forget that it joins: where a poll ends before the join does, and another join ended meanwhile, or
    the reason was that the topic's partitions changed. No later poll then takes up the assignment, and without
    heartbeats the member is no longer one. Nothing public tells the library to try again.
    """

    def __init__(
        self, consumer: KafkaConsumer, *, longest_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._coordinator = consumer._coordinator
        self._longest_s = longest_s
        self._clock = clock
        self._since_s: float | None = None

    def look(self) -> None:
        """Remind the library of what it has forgotten; to be called after each poll.

        Raises:
            Unavailable: the group has been about to settle for longer than `longest_s`.
        """
        if self._coordinator.state is not MemberState.REBALANCING:
            self._since_s = None
            return
        if not self._coordinator.need_rejoin():
            self._coordinator.request_rejoin()
        self._since_s = self._since_s or self._clock()
        if self._clock() - self._since_s > self._longest_s:
            raise Unavailable(f"the group {self._coordinator.group_id} has not settled for {self._longest_s:g} s")
