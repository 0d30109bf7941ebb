"""Answers a second of the HTTP service and their times, with micro-batches and one forward a request, fp32 and bf16.

Each way is a service of its own in a process of its own, with a Milvus Lite file of its own; every request brings
another picture. The ways of one model and precision are up together and take turns in rounds, so that a busy machine
slows them alike. At the end one service answers a long row of requests while its memory is watched.

Writes  bench-results/TIME-serve.json.
Run     make bench-serve, or .venv/bin/python tests/bench/serve.py [--callers N ...] [--seconds S] [--memory N]
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench-results"
MODELS = {"bundled": {}, "resnet50": {"backbone": "resnet50", "weights": "random:1"}}
PICTURES = 240
STARTED_WITHIN_S = 600
PROGRAM = Path(__file__).with_name("serve_program.py")


@dataclass(frozen=True, slots=True)
class Way:
    """How a service embeds."""

    model: str
    precision: str
    batch_size: int
    isolate: bool = True

    @property
    def name(self) -> str:
        """For people."""
        forward = f"batches up to {self.batch_size}" if self.batch_size > 1 else "one request, one forward"
        return f"{self.model} {self.precision}, {forward}" + ("" if self.isolate else ", decoding inside")


@dataclass(frozen=True, slots=True)
class Taken:
    """What callers of one way saw; milliseconds."""

    way: str
    callers: int
    answers: int
    per_second: float
    p50_ms: float
    p99_ms: float
    embed_p50_ms: float
    embed_p99_ms: float
    search_p50_ms: float
    search_p99_ms: float
    cpu_s_per_answer: float
    load_average: float


WAYS = [
    Way("bundled", "fp32", 16, isolate=False),
    *(Way(model, precision, size) for model in MODELS for precision in ("fp32", "bf16") for size in (16, 1)),
]
ROUNDS = 3


def main() -> int:
    """Run the bench from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="answers a second of the service, and how long they take")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 8, 32], help="callers at once (default 1 8 32)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (default 10)")
    parser.add_argument("--memory", type=int, default=20_000, help="requests while memory is watched (default 20000)")
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS), help="default: all")
    parser.add_argument("--rows", type=int, default=2_000, help="rows of the collection (default 2000)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory of the JSON file (default bench-results)")
    asked = parser.parse_args()
    found = _measured(asked)
    path = asked.out / f"{datetime.now(UTC):%Y%m%dt%H%M%S}-serve.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n")
    print(f"\nsaved {path}")
    return 0


def _measured(asked: argparse.Namespace) -> dict[str, Any]:
    from tests.bench.machine import facts
    from tests.bench.tables import show_machine

    machine = facts()
    show_machine(machine)
    pictures, taken = _pictures(), []
    print(f"{'way':<52} callers  per s     p50     p99  embed p50/p99   search p50/p99  CPU-s/answer  load")
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as home:
        for ways in _together(asked.models):
            with ExitStack() as up:
                services = {way: up.enter_context(_service(way, Path(home), asked.rows)) for way in ways}
                for callers in asked.callers:
                    taken += _compared(services, pictures, callers, asked.seconds)
        with _service(WAYS[1], Path(home), asked.rows) as (url, process):
            memory = _memory(url, process, pictures, asked.memory)
    return {"machine": machine, "rows": asked.rows, "taken": [asdict(one) for one in taken], "memory": memory}


def _together(models: Sequence[str]) -> list[list[Way]]:
    """Ways that are compared: those of one model and precision."""
    alike = itertools.groupby((way for way in WAYS if way.model in models), key=lambda way: (way.model, way.precision))
    return [list(ways) for _, ways in alike]


def _pictures() -> list[bytes]:
    from vitrine.rendering import draw, jpeg, look

    return [jpeg(draw(look(number), size=480)) for number in range(PICTURES)]


def _numbered(picture: bytes, number: int) -> bytes:
    return picture + number.to_bytes(8)  # what follows a JPEG is not decoded, but makes another picture of it


@contextmanager
def _service(way: Way, home: Path, rows: int) -> Iterator[tuple[str, psutil.Process]]:
    told = json.dumps({"way": asdict(way), "home": str(home), "rows": rows, "model": MODELS[way.model]})
    program = subprocess.Popen(
        [sys.executable, PROGRAM, told], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert program.stdin
    assert program.stdout
    try:
        yield program.stdout.readline().strip(), psutil.Process(program.pid)
    finally:
        program.stdin.close()
        program.wait(STARTED_WITHIN_S)


@dataclass(frozen=True, slots=True)
class _Round:
    """Of each answer the milliseconds that it, embedding and search took; what they took together."""

    times_ms: list[tuple[float, float, float]]
    took_s: float
    cpu_s: float


def _compared(
    services: Mapping[Way, tuple[str, psutil.Process]], pictures: Sequence[bytes], callers: int, seconds: float
) -> list[Taken]:
    numbers = itertools.count()
    rounds: dict[Way, list[_Round]] = {way: [] for way in services}
    for _ in range(ROUNDS):
        for way, (url, process) in services.items():
            rounds[way].append(_round(url, process, pictures, numbers, callers, seconds / ROUNDS))
    found = [_taken(way, callers, done) for way, done in rounds.items()]
    for one in found:
        _show(one)
    return found


def _round(
    url: str,
    process: psutil.Process,
    pictures: Sequence[bytes],
    numbers: Iterator[int],
    callers: int,
    seconds: float,
) -> _Round:
    from tests.bench.machine import cpu_seconds, family, spent

    lock = threading.Lock()

    def ask(until_s: float) -> list[tuple[float, float, float]]:
        found = []
        with httpx.Client(base_url=url, timeout=120) as own:
            while time.perf_counter() < until_s:
                with lock:
                    number = next(numbers)
                picture = _numbered(pictures[number % PICTURES], number)
                started = time.perf_counter()
                answer = own.post("/search", files={"picture": picture}, data={"query": '{"collapse": false}'})
                took_ms = 1000 * (time.perf_counter() - started)
                told = answer.raise_for_status().json()["took_ms"]
                found.append((took_ms, told["embed"], told["search"]))
        return found

    ask(time.perf_counter() + 0.5)
    before, started = cpu_seconds(family(process)), time.perf_counter()
    with ThreadPoolExecutor(callers) as threads:
        parts = list(threads.map(ask, [started + seconds] * callers))
    took_s, cpu_s = time.perf_counter() - started, spent(before, cpu_seconds(family(process)))
    return _Round([one for part in parts for one in part], took_s, cpu_s)


def _taken(way: Way, callers: int, rounds: Sequence[_Round]) -> Taken:
    from tests.bench.machine import load_average

    times_ms = np.array([one for done in rounds for one in done.times_ms])
    p50, p99 = np.percentile(times_ms, [50, 99], axis=0)
    return Taken(
        way.name, callers, len(times_ms), round(len(times_ms) / sum(done.took_s for done in rounds), 1),
        *(round(float(value), 1) for i in range(3) for value in (p50[i], p99[i])),
        round(sum(done.cpu_s for done in rounds) / len(times_ms), 4), load_average(),
    )  # fmt: skip


def _show(one: Taken) -> None:
    print(
        f"{one.way:<52} {one.callers:7d} {one.per_second:6.1f} {one.p50_ms:7.1f} {one.p99_ms:7.1f} "
        f"{one.embed_p50_ms:7.1f}/{one.embed_p99_ms:<7.1f} {one.search_p50_ms:7.1f}/{one.search_p99_ms:<7.1f} "
        f"{one.cpu_s_per_answer:10.4f} {one.load_average:7.1f}",
        flush=True,
    )


def _memory(url: str, process: psutil.Process, pictures: Sequence[bytes], requests: int) -> list[dict[str, float]]:
    """Resident memory of the service and what it started, after every twentieth of the requests."""
    found: list[dict[str, float]] = []
    step = max(1, requests // 20)
    with httpx.Client(base_url=url, timeout=120) as own:

        def ask(number: int) -> None:
            picture = _numbered(pictures[number % PICTURES], number)
            own.post("/search", files={"picture": picture}, data={"query": '{"collapse": false}'}).raise_for_status()

        with ThreadPoolExecutor(8) as threads:
            for start in range(0, requests, step):
                list(threads.map(ask, range(start, min(requests, start + step))))
                size = sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])
                found.append({"requests": start + step, "rss_mb": round(size / 1e6, 1)})
                print(f"after {start + step:6d} requests {size / 1e6:8.1f} MB", flush=True)
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
