"""The right to write: a member that the group may have given up must not touch the view."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vitrine.errors import VitrineError


class Fenced(VitrineError):
    """The batch must not be written now: its partitions have left, or no commit was acknowledged lately."""


class Lease:
    """May the batch under way be written? Only while a commit of its own epoch was acknowledged within `within_s`.

    One thread writes, another commits; `epoch` gives the present one.
    """

    def __init__(
        self, epoch: Callable[[], int], *, within_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._epoch = epoch
        self._within_s = within_s
        self._clock = clock
        self._changed = threading.Condition()
        self._renewed: tuple[int, float] | None = None
        self._busy = False
        self._closed = False

    def renew(self, epoch: int, asked_s: float) -> None:
        """The broker has acknowledged a commit that this epoch asked for at that time of the clock."""
        with self._changed:
            self._renewed = (epoch, asked_s)
            self._changed.notify_all()

    @contextmanager
    def writing(self, epoch: int) -> Iterator[Callable[[], None]]:
        """A batch of this epoch is being written; gives what must be called before each write.

        Raises:
            Fenced: here, or by what must be called: the batch must not be written now.
        """
        with self._changed:
            if self._closed:
                raise Fenced("the partitions are about to leave")
            self._busy = True
        try:
            yield lambda: self._check(epoch)
        finally:
            self._busy = False

    def close(self) -> None:
        """Let no other batch begin to be written; the one under way goes on."""
        with self._changed:
            self._closed = True

    def open(self) -> None:
        """Let batches be written again."""
        with self._changed:
            self._closed = False
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """Whether nothing is being written."""
        return not self._busy

    def wait(self, epoch: int, timeout_s: float) -> bool:
        """Wait until batches of this epoch may be written; False if they may not when the time has passed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._holds(epoch) and not self._closed, timeout_s)

    def _check(self, epoch: int) -> None:
        with self._changed:
            if not self._holds(epoch):
                raise Fenced("the group may have given this member up: nothing is written until a commit passes")

    def _holds(self, epoch: int) -> bool:
        if epoch != self._epoch() or self._renewed is None:
            return False
        renewed_in, asked_s = self._renewed
        return renewed_in == epoch and self._clock() - asked_s < self._within_s
