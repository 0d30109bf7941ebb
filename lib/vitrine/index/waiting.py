"""How long the next question to a server may take."""

import math
import time
from dataclasses import dataclass

from vitrine.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Wait:
    """`timeout_s` for each question, and none past `ends_s` of the monotonic clock; `place` names who is asked."""

    place: str
    timeout_s: float
    ends_s: float = math.inf

    def within(self, timeout_s: float) -> "Wait":
        """The same, but ending in `timeout_s` from now if that is sooner."""
        return Wait(self.place, self.timeout_s, min(self.ends_s, time.monotonic() + timeout_s))

    def __call__(self) -> float:
        """Seconds for the next question, above 0.

        Raises:
            Unavailable: no time is left.
        """
        wait_s = min(self.timeout_s, self.ends_s - time.monotonic())
        if wait_s <= 0:
            raise Unavailable(f"{self.place} did not answer in the time that was given")
        return wait_s
