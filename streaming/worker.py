"""A thread that works on one thing after another, shows whether it gets on, and hands over what it made."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from streaming.ending import Ending

WAIT_S = 0.2

T = TypeVar("T")


class Pulse:
    """Whether a thread gets on: how long it has worked on one thing, and how long on all."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since_s: float | None = None
        self.worked_s = 0.0

    def beat(self) -> None:
        """The thing under way is not stuck."""
        if self._since_s is not None:
            self._since_s = self._clock()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Inside `with` the thread works on one thing."""
        began_s = self._since_s = self._clock()
        try:
            yield
        finally:
            self._since_s = None
            self.worked_s += self._clock() - began_s

    def silence_s(self) -> float:
        """Seconds since the thing under way began or last got on; 0 while nothing is."""
        since_s = self._since_s
        return 0.0 if since_s is None else self._clock() - since_s


class Handover(Generic[T]):
    """A place for at most one thing, between two threads that end together."""

    def __init__(self, ending: Ending) -> None:
        self._ending = ending
        self._thing: queue.Queue[T] = queue.Queue(maxsize=1)

    def put(self, thing: T) -> None:
        """Put it there as soon as the place is free; at the end it is dropped."""
        placed = False
        while not placed and not self._ending.over:
            with suppress(queue.Full):
                self._thing.put(thing, timeout=WAIT_S)
                placed = True

    def get(self) -> T | None:
        """Take what is there, or what comes in the next moment; None if nothing does."""
        try:
            return self._thing.get(timeout=WAIT_S)
        except queue.Empty:
            return None


class Worker(threading.Thread):
    """A thread that calls `turn` until the end; what that raises ends all threads."""

    def __init__(self, name: str, turn: Callable[[], None], ending: Ending) -> None:
        super().__init__(name=name, daemon=True)
        self._turn = turn
        self._ending = ending

    def run(self) -> None:
        """See `threading.Thread.run`."""
        try:
            while not self._ending.over:
                self._turn()
        except BaseException as error:  # noqa: BLE001  # whatever it is ends the service, which raises it
            self._ending.fail(error)
