"""A Spark of its own for tests of scale, in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from vitrine.manifest import Manifest


@dataclass(frozen=True)
class Done:
    """Manifests with the moments in which they were written, and each worker's (time, resident bytes)."""

    units: list[tuple[Manifest, float]]
    memory: dict[str, list[tuple[float, int]]]


@pytest.fixture
def do_units(tmp_path: Path) -> Callable[..., Done]:
    """`do_units(catalog, master, seconds_per_mb=)` does all units of the catalogue on that Spark."""

    def do(catalog: Path, master: str, *, seconds_per_mb: float) -> Done:
        work = tmp_path / "work"
        work.mkdir()
        program = Path(__file__).with_name("program.py")
        command = [sys.executable, program, catalog, work, master, seconds_per_mb]
        subprocess.run(list(map(str, command)), check=True, timeout=280)
        written = [(Manifest(**json.loads(path.read_bytes())), path.stat().st_mtime) for path in work.glob("units/*")]
        return Done(written, json.loads((work / "memory.json").read_text()))

    return do
