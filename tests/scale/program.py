"""Does the units of a catalogue on a Spark of its own, with an embedder whose work is proportional to bytes.

    program.py CATALOG WORK MASTER SECONDS_PER_MB

Leaves in WORK the plan, what the units leave, and memory.json: for each Python worker (time, resident bytes), sampled
while they ran.
"""

import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil

from vitrine import catalog, spark
from vitrine.embedding import Batch
from vitrine.intake import UnitJob
from vitrine.settings import Settings
from vitrine.testing import FakeEmbedder
from vitrine.unit import KNOWN_HASHES, run_unit_text

K = TypeVar("K")
DIM = 16


class SlowEmbedder(FakeEmbedder):
    """A FakeEmbedder that works so many seconds a megabyte."""

    def __init__(self, seconds_per_mb: float) -> None:
        super().__init__(dim=DIM)
        self._seconds_per_mb = seconds_per_mb

    def embed(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[Batch[K]]:
        """See `Embedder.embed`."""
        return super().embed(self._worked(pictures))

    def _worked(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[tuple[K, bytes]]:
        for key, data in pictures:
            time.sleep(len(data) / 1e6 * self._seconds_per_mb)
            yield key, data


def sample(samples: dict[str, list[tuple[float, int]]], over: threading.Event) -> None:
    """Note the memory of all Python workers below this process until it is over."""
    while not over.wait(0.1):
        for process in psutil.Process().children(recursive=True):
            try:
                if "pyspark.daemon" in " ".join(process.cmdline()):
                    samples[str(process.pid)].append((time.monotonic(), process.memory_info().rss))
            except psutil.NoSuchProcess:
                continue


def main() -> None:
    """Plan, run, write down."""
    files, work, master, seconds_per_mb = sys.argv[1:]
    place, settings = Path(work), Settings(catalog=[files])
    properties = {"master": master, "driver.memory": "1g", "executor.memory": "1g"}
    with spark.session("scale", properties, log=place / "spark.log") as session:
        plan = catalog.plan(settings, slots=spark.slots(session))
        catalog.write_plan(plan, place / catalog.PLAN)
        (place / KNOWN_HASHES).touch()
        job = UnitJob(work, work, plan.columns, settings.pictures, DIM, 0, 0)
        run = partial(run_unit_text, job=job, make_embedder=partial(SlowEmbedder, float(seconds_per_mb)))
        samples, over = defaultdict[str, list[tuple[float, int]]](list), threading.Event()
        sampling = threading.Thread(target=sample, args=(samples, over))
        sampling.start()
        try:
            spark.run_units(session, [unit.unit_id for unit in plan.units], run, meanwhile=lambda: None)
        finally:
            over.set()
            sampling.join()
    (place / "memory.json").write_text(json.dumps(samples))


if __name__ == "__main__":
    main()
