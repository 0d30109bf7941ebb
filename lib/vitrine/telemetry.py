"""What a program says while it works: seconds by stage, memory, progress, log lines."""

import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from rich.progress import TaskID

logger = logging.getLogger(__name__)

Clock = Callable[[], float]

_OWN_LOGGERS = ("vitrine", "streaming")
# These write down with tracebacks what they raise or answer too.
_TRACEBACK_LOGGERS = ("grpc", "py4j", "SQLQueryContextLogger", "DataFrameQueryContextLogger")


class Stages:
    """Wall time by stage of one program, in the order in which they were first entered; for one thread."""

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the wall time inside `with` towards the stage `name`, also when it ends with an error."""
        before = self._seconds.setdefault(name, 0.0)
        start = self._clock()
        try:
            yield
        finally:
            self._seconds[name] = before + self._clock() - start

    def seconds(self) -> dict[str, float]:
        """Wall seconds by stage; a stage still open counts what it has finished."""
        return dict(self._seconds)


def peak_memory_bytes() -> int:
    """Largest resident memory of this process so far, in bytes; its children, a JVM among them, are not in it."""
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes


class Progress(Protocol):
    """Where long work says how far it is."""

    def update(self, done: int) -> None:
        """So many units are done, all told."""
        ...

    def advance(self, n: int = 1) -> None:
        """So many more units are done."""
        ...


@contextmanager
def progress(
    description: str,
    total: int,
    unit: str,
    *,
    stream: TextIO | None = None,
    clock: Clock = time.monotonic,
) -> Iterator[Progress]:
    """Show progress inside `with`: a bar where `stream` (stderr by default) is a terminal, else log lines.

    Of log lines there is at most one in 10 s, and one at the end.
    """
    stream = stream or sys.stderr
    if not stream.isatty():
        lines = _Lines(description, total, unit=unit, clock=clock)
        try:
            yield lines
        finally:
            lines.close()
        return
    with _bar(description, total, unit=unit, stream=stream) as bar:
        yield bar


def configure_logging(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send the log of this program to `stream`; for programs only, replaces what was configured.

    On a terminal a line is its message, with the level before a warning or error; elsewhere also UTC time and logger.
    `level` is that of Vitrine's own loggers; others are heard from warnings on.
    Without a `stream` each line goes to what stderr is at that moment, so it stands above a progress bar.
    """
    handler = _Handler(stream)
    handler.setFormatter(_TerminalFormatter() if (stream or sys.stderr).isatty() else _line_formatter())
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    for name in _OWN_LOGGERS:
        logging.getLogger(name).setLevel(level)
    for name in _TRACEBACK_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # gRPC's own log, which knows no loggers


class _Handler(logging.StreamHandler[TextIO]):
    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream)
        self._follow_stderr = stream is None

    def emit(self, record: logging.LogRecord) -> None:
        if self._follow_stderr:
            self.stream = sys.stderr
        super().emit(record)


class _TerminalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {text}"


def _line_formatter() -> logging.Formatter:
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(name)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    return formatter


class _Lines:
    """Progress as log lines."""

    def __init__(self, description: str, total: int, *, unit: str, clock: Clock, every_s: float = 10.0) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._clock, self._every_s = clock, every_s
        self._start = self._last = clock()
        self._done = 0

    def update(self, done: int) -> None:
        self._done = done
        now = self._clock()
        if now - self._last >= self._every_s:
            self._last = now
            self._log(now - self._start)

    def advance(self, n: int = 1) -> None:
        self.update(self._done + n)

    def close(self) -> None:
        self._log(self._clock() - self._start)

    def _log(self, seconds: float) -> None:
        rate = self._done / seconds if seconds > 0 else 0.0
        event = self._description.replace(" ", "_")
        done = f"done={self._done} total={self._total} unit={self._unit}"
        logger.info("%s %s seconds=%.1f per_second=%.1f", event, done, seconds, rate)


@contextmanager
def _bar(description: str, total: int, *, unit: str, stream: TextIO) -> Iterator[Progress]:
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn(unit),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, console=Console(file=stream, force_terminal=True)) as display:
        yield _Bar(display, display.add_task(description, total=total))


class _Bar:
    """Progress as a bar."""

    def __init__(self, display: "Display", task: "TaskID") -> None:
        self._display, self._task = display, task

    def update(self, done: int) -> None:
        self._display.update(self._task, completed=done)

    def advance(self, n: int = 1) -> None:
        self._display.advance(self._task, n)
