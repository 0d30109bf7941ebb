"""What the threads that feed one view share as one member of its group."""

import time

from streaming.ending import Ending
from streaming.lease import Lease
from streaming.moments import Watch
from streaming.tracker import Tracker
from vitrine.settings import Stream


class Membership:
    """What is under way, the right to write it, the threads' common end, and who is told."""

    def __init__(self, stream: Stream, watch: Watch) -> None:
        self.stream = stream
        self.watch = watch
        self.tracker = tracker = Tracker()
        self.lease = Lease(lambda: tracker.epoch, within_s=stream.session_timeout_s / 2)
        self.ending = Ending()
        self._leaves_at_s: float | None = None

    def leave(self) -> None:
        """Note that this member leaves from now on; all that it still finishes shares one `stream.drain_s`."""
        self._leaves_at_s = self._leaves_at_s or time.monotonic() + self.stream.drain_s

    def drained_by_s(self) -> float:
        """By when, on the monotonic clock, what is under way must have ended: that of leaving, else one from now."""
        return self._leaves_at_s or time.monotonic() + self.stream.drain_s

    @property
    def epoch(self) -> int:
        """The present epoch."""
        return self.tracker.epoch
