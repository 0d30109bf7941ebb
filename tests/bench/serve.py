"""Answers a second of the HTTP service and their times, with micro-batches and one forward a request, fp32 and bf16.

Each way is a service of its own in a process of its own, on one Milvus Lite file; every request brings another picture.
Each way is measured once, to its end: compare ways only on a machine that does nothing else. At the end one service
answers a long row of requests while its memory is watched.

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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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


WAYS = [Way(model, precision, size) for model in MODELS for precision in ("fp32", "bf16") for size in (16, 1)]
WAYS.append(Way("bundled", "fp32", 16, isolate=False))


def main() -> int:
    """Run the bench from a command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="answers a second of the service, and how long they take")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 8, 32], help="callers at once (default 1 8 32)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (default 10)")
    parser.add_argument("--memory", type=int, default=20_000, help="requests while memory is watched (default 20000)")
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS), help="default: all")
    parser.add_argument("--rows", type=int, default=2_000, help="rows of the collection (default 2000)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory of the JSON file (default bench-results)")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        return _serve(**json.loads(asked.serve))
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
        for way in (one for one in WAYS if one.model in asked.models):
            with _service(way, Path(home), asked.rows) as (url, process):
                for callers in asked.callers:
                    taken.append(_asked(way, url, process, pictures, callers, asked.seconds))
                    _show(taken[-1])
        with _service(WAYS[0], Path(home), asked.rows) as (url, process):
            memory = _memory(url, process, pictures, asked.memory)
    return {"machine": machine, "rows": asked.rows, "taken": [asdict(one) for one in taken], "memory": memory}


def _pictures() -> list[bytes]:
    from vitrine.rendering import draw, jpeg, look

    return [jpeg(draw(look(number), size=480)) for number in range(PICTURES)]


def _numbered(picture: bytes, number: int) -> bytes:
    return picture + number.to_bytes(8)  # what follows a JPEG is not decoded, but makes another picture of it


@contextmanager
def _service(way: Way, home: Path, rows: int) -> Iterator[tuple[str, psutil.Process]]:
    told = json.dumps({"way": asdict(way), "home": str(home), "rows": rows})
    program = subprocess.Popen(
        [sys.executable, __file__, "--serve", told], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert program.stdin
    assert program.stdout
    try:
        yield program.stdout.readline().strip(), psutil.Process(program.pid)
    finally:
        program.stdin.close()
        program.wait(STARTED_WITHIN_S)


def _serve(way: dict[str, Any], home: str, rows: int) -> int:
    """The service of one way, until stdin ends."""
    from vitrine.client import Client
    from vitrine.index.store import connect
    from vitrine.serve.running import serving
    from vitrine.settings import Milvus, Model, Pictures, Serve, Settings
    from vitrine.vision.engine import load
    from vitrine.vision.request import EngineRequest
    from vitrine.vision.weights import resolve

    asked = Way(**way)
    model = Model(precision=asked.precision, **MODELS[asked.model])  # type: ignore[arg-type]
    engine = load(EngineRequest(resolve(model).spec, model, Pictures(), None, "cpu"))
    milvus = Milvus(uri=f"{home}/shop.db", alias=asked.model)
    serve = Serve(port=0, batch_size=asked.batch_size, isolate=asked.isolate, cached_vectors=0, timeout_s=60)
    _fill(milvus, engine, rows)
    with serving(
        Settings(milvus=milvus, serve=serve),
        open_client=lambda: Client(connect(milvus), milvus.alias, lambda model_id: engine, deadline_s=60),
    ) as url:
        print(url, flush=True)
        sys.stdin.read()
    return 0


def _fill(milvus: Any, engine: Any, rows: int) -> None:
    from vitrine.index import collections, schema
    from vitrine.index.load import finish
    from vitrine.index.rows import row
    from vitrine.index.store import connect
    from vitrine.product import Product

    with connect(milvus) as store:
        if collections.current(store, milvus.alias) is not None:
            return
        facts = collections.Facts(milvus.alias, "bench", engine.model_id, engine.dim, "2026-11-20T00:00:00+00:00")
        made = collections.create(store, facts)
        vectors = np.random.default_rng(1).standard_normal((rows, engine.dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for start in range(0, rows, 500):
            some = [
                row(Product(f"P{i}", title=f"Product {i}", category=f"A/B{i % 9}"), 0, sha256="0" * 64, uri="",
                    event_us=0, indexed_us=0)[0] | {schema.VECTOR: vectors[i]}
                for i in range(start, min(rows, start + 500))
            ]  # fmt: skip
            store.insert(made.name, some)
        finish(store, made.ledger)
        finish(store, made.name)
        collections.swap(store, milvus.alias, made.name)


def _asked(
    way: Way, url: str, process: psutil.Process, pictures: Sequence[bytes], callers: int, seconds: float
) -> Taken:
    from tests.bench.machine import cpu_seconds, family, load_average, spent

    numbers, lock = itertools.count(), threading.Lock()

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

    ask(time.perf_counter() + 1.0)
    before, started = cpu_seconds(family(process)), time.perf_counter()
    with ThreadPoolExecutor(callers) as threads:
        parts = list(threads.map(ask, [started + seconds] * callers))
    took_s, cpu_s = time.perf_counter() - started, spent(before, cpu_seconds(family(process)))
    times = np.array([one for part in parts for one in part])
    p50, p99 = np.percentile(times, [50, 99], axis=0)
    return Taken(
        way.name, callers, len(times), round(len(times) / took_s, 1),
        *(round(float(value), 1) for i in range(3) for value in (p50[i], p99[i])),
        round(cpu_s / len(times), 4), load_average(),
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
