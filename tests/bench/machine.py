"""The machine of a measurement, and what processes cost on it: CPU-seconds and peak memory."""

import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8")
_PACKAGES = ("torch", "torchvision", "pyspark", "pyarrow", "numpy", "pandas", "pillow")


def facts() -> dict[str, Any]:
    """What a reader must know of this machine to compare figures."""
    known = set(_cpuinfo("flags").split())
    return {
        "cpu": _cpuinfo("model name") or platform.processor(),
        "cpu_family_model": f"{_cpuinfo('cpu family')}/{_cpuinfo('model')}",
        "flags": [flag for flag in _FLAGS if flag in known],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "versions": {"python": platform.python_version(), **dict(_versions())},
        "command": " ".join(sys.orig_argv),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            yield name, version(name)


def _cpuinfo(field: str) -> str:
    path = Path("/proc/cpuinfo")
    found = re.search(rf"^{field}\s*:\s*(.*)$", path.read_text() if path.exists() else "", re.MULTILINE)
    return found[1] if found else ""


def load_average() -> float:
    """Runnable processes, averaged over the last minute."""
    return round(os.getloadavg()[0], 2)


def family(root: psutil.Process) -> list[psutil.Process]:
    """A process and all below it."""
    return [root, *root.children(recursive=True)]


def cpu_seconds(processes: Iterable[psutil.Process]) -> dict[psutil.Process, float]:
    """User and system seconds of all threads, by process; those of a child that has ended go to nobody.

    So only what is still running at the end of a measurement is in the difference that `spent` takes.
    """
    found = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found[process] = sum(process.cpu_times()[:2])
    return found


def spent(before: dict[psutil.Process, float], after: dict[psutil.Process, float]) -> float:
    """CPU-seconds between two readings."""
    return sum(seconds - before.get(process, 0.0) for process, seconds in after.items())


def peak_rss_bytes(processes: Iterable[psutil.Process]) -> int:
    """The largest resident memory that any of the processes has had so far."""
    return max(map(_high_water_bytes, processes), default=0)


def _high_water_bytes(process: psutil.Process) -> int:
    with suppress(OSError):
        found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0
