"""How many requests a second are answered."""

import math
import time
from collections.abc import Callable

BURST_S = 2.0
"""Seconds of the rate that may come at once."""


class Bucket:
    """A token bucket: `rate` requests a second on average, a few more at once. For one thread."""

    def __init__(self, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._most = max(1.0, rate * BURST_S)
        self._tokens = self._most
        self._filled_s = clock()

    def wait_s(self) -> int:
        """Take a token and return 0; or, where there is none, how many whole seconds until there is one."""
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._filled_s) * self._rate)
        self._filled_s = now
        if self._tokens < 1:
            return max(1, math.ceil((1 - self._tokens) / self._rate))
        self._tokens -= 1
        return 0
