"""Signals, and how much the client library may say in the log."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; a second one ends the process as if there were no handler."""
    stop = threading.Event()

    def told(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    return stop


class Sparing(logging.Filter):
    """Lets the Kafka client library say each thing once a minute: in an outage it does so many times a second."""

    EVERY_S = 60.0

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said_s: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record of the log is written."""
        if not record.name.startswith("kafka."):
            return True
        what, now_s = (record.name, str(record.msg)), self._clock()
        if now_s - self._said_s.get(what, float("-inf")) < self.EVERY_S:
            return False
        self._said_s[what] = now_s
        return True


def spare_the_log() -> None:
    """Let the client library say less, in whatever the log is written to."""
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)  # it warns of each moment of a busy machine
    for handler in logging.getLogger().handlers:
        handler.addFilter(Sparing())
