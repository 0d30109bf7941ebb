"""Training that gives way to everything else on its machine."""

import fcntl
import logging
import os
import tempfile
from pathlib import Path

logger = logging.getLogger(__name__)

BENCH_LOCK = Path(tempfile.gettempdir()) / "vitrine-bench.lock"
"""What `make bench` and `make bench-serve` hold while they measure."""

_LEAST = 19


def step_back() -> None:
    """Take the lowest priority for all threads of this process and all that they start; there is no way back."""
    for thread in Path("/proc/self/task").iterdir():  # on Linux each has its own
        os.setpriority(os.PRIO_PROCESS, int(thread.name), _LEAST)


def give_way() -> None:
    """Return at once, or where somebody measures, as soon as they have done."""
    try:
        file = BENCH_LOCK.open()
    except OSError:  # nobody ever measured here
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("waiting: benchmarks run on this machine")
            fcntl.flock(file, fcntl.LOCK_SH)
            logger.info("going on")
