"""Calling again what failed for a while; whether an error is of that kind, its class says."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from vitrine.errors import VitrineError

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0

T = TypeVar("T")


def again(
    action: Callable[[], T],
    *,
    patience_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What `action` returns, called until it does not raise a retriable error, for about `patience_s` at most.

    Pauses double from half a second to 15 s, each drawn from its upper half so that many callers do not come back
    at once. `action` must be safe to repeat.

    Raises:
        VitrineError: one that is not retriable, or the last one when patience has ended.
    """
    end = clock() + patience_s
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return action()
        except VitrineError as error:
            left_s = end - clock()
            if not error.retriable or left_s <= 0:
                raise
            wait_s = min(random.uniform(pause_s / 2, pause_s), left_s)
            logger.warning("%s; again in %.1f s, for %.0f s more", error, wait_s, left_s)
        sleep(wait_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
