"""Pairs and lists of a synthetic clickstream of 1, 5 and 20 million events, beside a plain SQL self-join.

Writes  bench-results/TIME-cooccurrence.json: seconds, CPU-seconds, the slowest task over the median, peak memory.
Run     .venv/bin/python tests/bench/cooccurrence.py [--millions 1 5 20] [--join-up-to 1]
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench-results"
SLOTS = 2
OURS, JOIN = "vitrine", "self-join"
_SHORT_STAGE_S = 1.0
_LOOK_EVERY_S = 0.2
_SELF_JOIN = """
    WITH numbered AS (
        SELECT *, row_number() OVER
            (PARTITION BY session_id ORDER BY event_ts DESC, product_id DESC, weight DESC) AS place
        FROM events),
    newest AS (SELECT * FROM numbered WHERE place <= 50),
    supports AS (SELECT product_id, count(DISTINCT session_id) AS support FROM newest GROUP BY product_id),
    pairs AS (
        SELECT i.product_id, j.product_id AS related_id, count(DISTINCT i.session_id) AS pair_count,
               sum(CASE WHEN abs(i.place - j.place) > 10 THEN 0
                        WHEN j.place < i.place THEN j.weight / (i.place - j.place)
                        ELSE 0.5 * j.weight / (j.place - i.place) END) AS weighed
        FROM newest i JOIN newest j ON i.session_id = j.session_id AND i.product_id <> j.product_id
             AND abs(unix_micros(i.event_ts) - unix_micros(j.event_ts)) <= 86400000000
        GROUP BY i.product_id, j.product_id),
    scored AS (
        SELECT p.*, weighed / sqrt((a.support + 20) * (b.support + 20)) AS score
        FROM pairs p JOIN supports a USING (product_id)
             JOIN supports b ON b.product_id = p.related_id WHERE weighed > 0)
    SELECT * FROM (
        SELECT *, row_number() OVER (PARTITION BY product_id ORDER BY score DESC, related_id) AS rank FROM scored)
    WHERE rank <= 50
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one way took for so many events, from Parquet to Parquet; peaks are of resident memory."""

    way: str
    events: int
    wall_s: float
    cpu_s: float
    events_per_s: int
    events_per_cpu_s: int
    slowest_task_over_median: float
    jvm_peak_bytes: int
    worker_peak_bytes: int
    related_items: int
    load_average: tuple[float, float]


def main() -> int:
    """Run the bench from a command line; returns the exit code."""
    from tests.bench.machine import facts
    from vitrine.telemetry import configure_logging

    parser = argparse.ArgumentParser(description="events a second from a clickstream to lists, beside a self-join")
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 5, 20], help="events (default 1 5 20)")
    parser.add_argument("--join-up-to", type=float, default=1, help="most millions for the self-join (default 1)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="directory of the JSON file (default bench-results)")
    asked = parser.parse_args()
    configure_logging()
    taken = []
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as home:
        for millions in asked.millions:
            for one in _of_size(Path(home), round(millions * 1e6), joined=millions <= asked.join_up_to):
                print(json.dumps(asdict(one)), flush=True)
                taken.append(one)
    found = {"machine": facts(), "data": "synthetic", "taken": [asdict(one) for one in taken], "ratios": _ratios(taken)}
    path = asked.out / f"{datetime.now(UTC):%Y%m%dt%H%M%S}-cooccurrence.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n")
    print(f"\nsaved {path}")
    return 0


def _of_size(home: Path, events: int, *, joined: bool) -> Iterator[Taken]:
    """Both ways, each with a JVM of its own, so that one's peak is not the other's."""
    from tests.bench import clickstream

    place = home / str(events)
    clickstream.write(place / "events", events)
    for way in (OURS, JOIN) if joined else (OURS,):
        yield _in_child(place, events, way)


def _in_child(place: Path, events: int, way: str) -> Taken:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
        return apart.submit(_measured, place, events, way).result()


def _measured(place: Path, events: int, way: str) -> Taken:
    import psutil

    from tests.bench.machine import cpu_seconds, family, load_average
    from vitrine import spark

    log = place / f"log-{way}"
    log.mkdir()
    properties = {"master": f"local[{SLOTS}]", "driver.memory": "4g", "eventLog.enabled": "true"}
    properties |= {"eventLog.dir": log.as_uri(), "eventLog.rolling.enabled": "false", "eventLog.compress": "false"}
    run: Callable[..., int] = _vitrine if way == OURS else _self_join
    with spark.session("vitrine bench", properties, log=place / "jvm.log") as opened:
        before, load, started = cpu_seconds(family(psutil.Process())), load_average(), time.perf_counter()
        with _peaks() as peaks:
            listed = run(opened, str(place / "events"), str(place / f"lists-{way}"))
        wall_s = time.perf_counter() - started
        cpu_s = sum(cpu_seconds(family(psutil.Process())).values()) - sum(before.values())
    figures = {"events_per_s": round(events / wall_s), "events_per_cpu_s": round(events / cpu_s)}
    return Taken(
        way=way,
        events=events,
        wall_s=round(wall_s, 2),
        cpu_s=round(cpu_s, 2),
        slowest_task_over_median=_slowest_over_median(next(log.iterdir())),
        jvm_peak_bytes=peaks["java"],
        worker_peak_bytes=peaks["python"],
        related_items=listed,
        load_average=(load, round(os.getloadavg()[0], 2)),
        **figures,
    )


def _vitrine(spark: Any, events: str, lists: str) -> int:
    from vitrine.cooccurrence import measures, pairs, related

    counted = pairs.count(spark.read.parquet(events), sums=measures.sums([measures.DEFAULT]))
    related.top(counted, measures.DEFAULT).write.parquet(lists)
    return int(spark.read.parquet(lists).count())


def _self_join(spark: Any, events: str, lists: str) -> int:
    spark.read.parquet(events).createOrReplaceTempView("events")
    spark.sql(_SELF_JOIN).write.parquet(lists)
    return int(spark.read.parquet(lists).count())


@contextmanager
def _peaks() -> Iterator[dict[str, int]]:
    """Peak memory of the JVM and of the largest Python worker so far; workers come and go while it is watched."""
    import psutil

    from tests.bench.machine import peak_rss_bytes

    found, ended = {"java": 0, "python": 0}, Event()

    def look() -> None:
        while not ended.wait(_LOOK_EVERY_S):
            below = psutil.Process().children(recursive=True)
            for name, most in found.items():
                found[name] = max(most, peak_rss_bytes(one for one in below if _named(one, name)))

    watching = Thread(target=look, daemon=True)
    watching.start()
    try:
        yield found
    finally:
        ended.set()
        watching.join()


def _named(process: Any, name: str) -> bool:
    import psutil

    try:
        return name in process.name()
    except psutil.NoSuchProcess:
        return False


def _slowest_over_median(log: Path) -> float:
    """The largest of all stages that took a second or more, in run time of their tasks."""
    from statistics import median

    tasks: dict[int, list[float]] = {}
    for line in log.open():
        event = json.loads(line)
        if event["Event"] == "SparkListenerTaskEnd" and event.get("Task Metrics"):
            tasks.setdefault(event["Stage ID"], []).append(event["Task Metrics"]["Executor Run Time"] / 1e3)
    return max(round(max(of) / median(of), 2) for of in tasks.values() if max(of) >= _SHORT_STAGE_S)


def _ratios(taken: list[Taken]) -> dict[str, float]:
    rate = {(one.way, one.events): one.events_per_cpu_s for one in taken}
    sizes = sorted({one.events for one in taken})
    found = {
        f"{OURS} / {JOIN}, {events:,} events": round(rate[OURS, events] / rate[JOIN, events], 2)
        for events in sizes
        if (JOIN, events) in rate
    }
    largest, smallest = sizes[-1], sizes[0]
    return found | {
        f"{largest:,} / {smallest:,} events, events per CPU-second": round(
            rate[OURS, largest] / rate[OURS, smallest], 2
        )
    }


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    sys.exit(main())
