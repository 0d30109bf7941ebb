"""Calling again what an outage made fail, for as long as it lasts."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from streaming.ending import Ending
from streaming.moments import Retried, Watch
from streaming.worker import Pulse
from vitrine.errors import Unavailable

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 15.0

T = TypeVar("T")


def through(
    action: Callable[[], T], where: str, *, ending: Ending, watch: Watch, pulse: Pulse, wanted: Callable[[], bool]
) -> T | None:
    """What `action` returns, called again with growing pauses while it raises Unavailable.

    None once it is not `wanted` any more, or all threads end.
    """
    pause_s = FIRST_PAUSE_S
    while wanted() and not ending.over:
        pulse.beat()
        try:
            return action()
        except Unavailable as error:
            wait_s = random.uniform(pause_s / 2, pause_s)
            logger.warning("retrying where=%s after_s=%.1f error=%s", where, wait_s, error)
            watch(Retried(where, str(error)))
        ending.wait(wait_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    return None


class Pauses:
    """When to try again what fails for want of a server, for one that looks now and then: after growing pauses."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause_s = FIRST_PAUSE_S
        self._over_s = float("-inf")

    @property
    def over(self) -> bool:
        """Whether to try now."""
        return self._clock() >= self._over_s

    def failed(self) -> None:
        """It failed now."""
        self._over_s = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def passed(self) -> None:
        """It passed: the next pause is a short one again."""
        self._pause_s = FIRST_PAUSE_S
