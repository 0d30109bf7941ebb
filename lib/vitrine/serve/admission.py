"""How many requests are worked on at once: the next is told to come again, and no queue grows."""

import math
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from vitrine.serve.lingering import refuse
from vitrine.serve.metrics import Metrics
from vitrine.serve.problems import again
from vitrine.serve.rules import Work, work_of

SHOWING_PER_PLACE = 4
"""Small files that may be read at once for each place: a page shows many pictures."""
_RECENT = 0.1  # weight of the newest request in what one typically takes


class Places:
    """A bounded number of places, and how long one is typically taken."""

    def __init__(self, places: int) -> None:
        self.taken = 0
        self._places = places
        self._typical_s = 0.0

    def take(self) -> bool:
        """Take a place; whether there was one."""
        if self.taken >= self._places:
            return False
        self.taken += 1
        return True

    def leave(self, after_s: float) -> None:
        """Give the place back after so many seconds."""
        self.taken -= 1
        self._typical_s += _RECENT * (after_s - self._typical_s)

    @property
    def retry_after_s(self) -> int:
        """When those who have the places now are typically done, in whole seconds."""
        return max(1, math.ceil(self._typical_s))


class Admission:
    """Middleware that gives each request a place before its body is read, and frees it when the request ends."""

    def __init__(
        self, app: ASGIApp, places: int, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._clock = clock
        self._metrics = metrics
        self._asking = Places(places)
        self._showing = Places(places * SHOWING_PER_PLACE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The interface of ASGI."""
        work = work_of(scope["path"]) if scope["type"] == "http" else Work.NONE
        if work is Work.NONE:
            await self._app(scope, receive, send)
            return
        places = self._asking if work is Work.ASKING else self._showing
        if not places.take():
            busy = again(429, "busy", "The service has as much to do as it takes on", places.retry_after_s)
            await refuse(busy, scope, receive, send)
            return
        self._metrics.worked_on(+1)
        started_s = self._clock()
        try:
            await self._app(scope, receive, send)
        finally:
            places.leave(self._clock() - started_s)
            self._metrics.worked_on(-1)
