"""Members of a group as processes that a test starts, freezes and ends."""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from functools import cache
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.streaming.proof.evidence import Entry, Stop
from tests.streaming.proof.orders import Orders
from tests.streaming.proof.serving import serve

ENDS_S = 240.0


class Member:
    """A process that runs the service; its journal and what it printed are files of `place`."""

    def __init__(self, place: Path, name: str, orders: Orders, settings: Mapping[str, Any]) -> None:
        self.name, self.orders = name, orders
        self._journal, self._log = place / f"{name}.jsonl", place / f"{name}.log"
        self._process = _nursery().Process(
            target=serve, args=(orders, dict(settings), self._journal, self._log), name=name
        )
        self._process.start()
        self.stop: Stop | None = None
        self._entries: list[Entry] = []
        self._read_bytes = 0

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._send(signal.SIGKILL)
        self._ended(graceful=False)

    def finish(self) -> None:
        """End it with SIGTERM, as an operator does; it must leave cleanly."""
        self._send(signal.SIGTERM)
        assert self._ended(graceful=True) == 0, f"{self.name} did not end cleanly: {self.words()}"

    def joined(self) -> bool:
        """Whether the group has given it partitions."""
        return any(entry.what == "assigned" and entry.facts["offsets"] for entry in self.entries())

    def frozen(self) -> bool:
        """Whether it has stood still as it was told to."""
        return any(entry.what == "frozen" for entry in self.entries())

    def thaw(self) -> None:
        """SIGCONT: it goes on, and knows nothing of the time between."""
        self._send(signal.SIGCONT)

    def await_death(self, within_s: float = ENDS_S) -> int:
        """Wait until it has ended by itself, and give its exit code; a signal's is negative."""
        return self._ended(graceful=False, within_s=within_s)

    def entries(self) -> list[Entry]:
        """Its journal so far."""
        if self._journal.exists():
            with self._journal.open("rb") as file:
                file.seek(self._read_bytes)
                whole, _, _ = file.read().rpartition(b"\n")
            self._read_bytes += len(whole) + bool(whole)
            said = map(json.loads, whole.splitlines())
            self._entries += [Entry(line["at"], self.name, line["what"], line["facts"]) for line in said]
        return self._entries

    def done(self) -> int:
        """Records that it has finished so far."""
        return sum(entry.what == "outcome" for entry in self.entries())

    def words(self) -> str:
        """The end of what it printed."""
        return self._log.read_text(errors="replace")[-2_000:]

    def _send(self, number: signal.Signals) -> None:
        assert self._process.pid
        os.kill(self._process.pid, number)

    def _ended(self, *, graceful: bool, within_s: float = ENDS_S) -> int:
        self._process.join(within_s)
        code = self._process.exitcode
        assert code is not None, f"{self.name} did not end within {within_s:.0f} s: {self.words()}"
        self.stop = self.stop or Stop(time.monotonic(), self.name, graceful)
        return code


@cache
def _nursery() -> ForkServerContext:
    """A process that has imported what members need: from it they start in a tenth of the time."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["__main__", "tests.streaming.proof.serving", "vitrine.index.opening"])
    # Python 3.11 does not hand its own search path on to that process.
    with patch.dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path))):
        ensure_running()
    return context
