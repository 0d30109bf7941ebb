"""Training that gives way."""

import fcntl
import logging
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import pytest

from vitrine.vision.training import manners


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bench.lock"
    monkeypatch.setattr(manners, "BENCH_LOCK", path)
    return path


def test_it_waits_for_as_long_as_somebody_measures(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: Queue[str] = Queue()
    monkeypatch.setattr(manners.logger, "info", told.put)
    with ThreadPoolExecutor(1) as beside:
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            waiting = beside.submit(manners.give_way)
            assert told.get(timeout=60) == "waiting: benchmarks run on this machine"
            assert not waiting.done()
        waiting.result(timeout=60)
    assert told.get(timeout=60) == "going on"


@pytest.mark.parametrize("prepare", [Path.touch, lambda _: None], ids=["nobody measures", "nobody ever measured"])
def test_it_goes_on_at_once_where(
    lock: Path, prepare: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    prepare(lock)
    caplog.set_level(logging.INFO)
    manners.give_way()
    assert not caplog.messages


STEPS_BACK = """
import os, threading
from vitrine.vision.training.manners import step_back
threading.Thread(target=threading.Event().wait, daemon=True).start()
step_back()
threading.Thread(target=threading.Event().wait, daemon=True).start()
print(*(os.getpriority(os.PRIO_PROCESS, int(one)) for one in os.listdir("/proc/self/task")))
"""


def test_all_its_threads_take_the_lowest_priority() -> None:
    told = subprocess.run([sys.executable, "-c", STEPS_BACK], capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.split() == ["19"] * 3
