"""Servers that have not answered for a while, which are not waited for again and again."""

import time
from collections.abc import Callable

from vitrine.errors import BadRecord
from vitrine.product import Reason

PATIENCE_S = 30.0
"""How long every picture of a server that does not answer is tried: a restart should be over by then."""
PAUSE_S = 60.0
"""How long nothing is asked of a server that did not answer for longer."""


class Outages:
    """What is known of servers by name; threads may share it."""

    def __init__(
        self,
        *,
        patience_s: float = PATIENCE_S,
        pause_s: float = PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience_s = patience_s
        self._pause_s = pause_s
        self._clock = clock
        self._silent_since: dict[str, float] = {}
        self._asked_again: dict[str, float] = {}

    def check(self, server: str) -> None:
        """Give up at once on a picture of a server that is away.

        Raises:
            BadRecord: `fetch_failed`.
        """
        left_s = self._asked_again.get(server, 0.0) - self._clock()
        if left_s > 0:
            raise BadRecord(Reason.FETCH_FAILED, f"{server} does not answer; asked again in {left_s:.0f} s")

    def note(self, server: str, *, answered: bool) -> None:
        """Tell whether a server gave an answer that it stands by, be it a refusal."""
        now = self._clock()
        if answered:
            self._silent_since.pop(server, None)
        elif now - self._silent_since.setdefault(server, now) >= self._patience_s:
            self._asked_again[server] = now + self._pause_s
