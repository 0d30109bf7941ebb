"""Two ways through Spark, each with Python workers of its own: Vitrine's plan rows, and the naive UDF."""

import functools
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import psutil
from pyspark.sql import SparkSession

from tests.bench import naive
from tests.bench.machine import cpu_seconds, family, peak_rss_bytes, spent
from tests.bench.pictures import Sample
from vitrine import catalog, spark
from vitrine.embedding import Batch, Embedder, K
from vitrine.intake import UnitJob
from vitrine.settings import Model, Pictures, Settings
from vitrine.unit import KNOWN_HASHES, run_unit_text, task_engine
from vitrine.vision import model_store
from vitrine.vision.request import EngineRequest
from vitrine.vision.weights import resolve

SLOTS = 2
_WAY = "VITRINE_BENCH_WAY"
_TRIES = 3
_READING_DIM = 512


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU-seconds of one job: of its Python workers, and of the driver, the JVM and the workers together."""

    workers_s: float
    everything_s: float


@dataclass(frozen=True, slots=True)
class Way:
    """A way of embedding a sample: its name, and what does it."""

    name: str
    run: Callable[[SparkSession, Sample], None]


@contextmanager
def session(place: Path) -> Iterator[SparkSession]:
    """The session of all ways, with the settings of the jobs and new Python workers; `place` takes the JVM's log."""
    with spark.session("vitrine bench", {"spark.master": f"local[{SLOTS}]"}, log=place / "jvm.log") as opened:
        yield opened


def vitrine_way(model: Model, work: Path) -> Way:
    """As `jobs/reindex.py` embeds: plan rows through Spark, pictures read by the workers."""
    weights, store = resolve(model), str(work / "models")
    model_store.publish(weights, store)
    request = EngineRequest(weights.spec, model, Pictures(), store)
    embedder = functools.partial(task_engine, request)
    return Way("spark", functools.partial(_by_plan_rows, work=work, dim=weights.spec.dim, make_embedder=embedder))


def reading_way(work: Path) -> Way:
    """The same without decoding and without a network: what it costs to move pictures."""
    run = functools.partial(_by_plan_rows, work=work, dim=_READING_DIM, make_embedder=Unseeing)
    return Way("reading", run)


def naive_way(model: Model, work: Path) -> Way:
    """See `naive.py`."""
    out, size = str(work / "naive"), resolve(model).spec.image_size

    def run(opened: SparkSession, sample: Sample) -> None:
        naive.run(opened, str(sample.directory), out, backbone=model.backbone, size=size)

    return Way("naive", run)


class Unseeing:
    """An embedder that gives every picture the same vector, in batches of 32."""

    model_id = "unseeing"
    dim = _READING_DIM
    forward_passes = 0

    def embed(self, pictures: Iterable[tuple[K, bytes]]) -> Iterator[Batch[K]]:
        """See `Embedder.embed`."""
        keys: list[K] = []
        for key, _ in pictures:
            keys.append(key)
            if len(keys) == 32:
                yield self._batch(keys)
                keys = []
        yield self._batch(keys)

    def _batch(self, keys: list[K]) -> Batch[K]:
        vectors = np.full((len(keys), _READING_DIM), _READING_DIM**-0.5, np.float32)
        return Batch(tuple(keys), (None,) * len(keys), vectors)


def _by_plan_rows(
    opened: SparkSession, sample: Sample, *, work: Path, dim: int, make_embedder: Callable[[], Embedder]
) -> None:
    settings = Settings(catalog=sample.files)
    plan = catalog.plan(settings, slots=SLOTS)
    place = work / "runs" / uuid4().hex
    place.mkdir(parents=True)
    (place / KNOWN_HASHES).touch()
    catalog.write_plan(plan, place / catalog.PLAN)
    job = UnitJob(str(place), str(place), plan.columns, settings.pictures, dim, event_us=0, indexed_us=0)
    run = functools.partial(run_unit_text, job=job, make_embedder=make_embedder)
    answers = spark.run_units(opened, [unit.unit_id for unit in plan.units], run, meanwhile=lambda: None)
    embedded = sum(json.loads(answer)["embedded"] for answer in answers)
    if embedded != sample.pictures:
        raise RuntimeError(f"{embedded} of {sample.pictures} pictures were embedded")


def measure(opened: SparkSession, way: Way, *, sample: Sample, warm_up: Sample) -> Cost:
    """Run a way once, warm: two jobs on `warm_up` come first, and a job that started a worker is run again.

    The first starts the workers; after it they collect garbage once, which is over when the second has ended.
    """
    opened.sparkContext.environment[_WAY] = way.name  # Spark keeps apart the workers of each environment
    for _ in range(_TRIES):
        way.run(opened, warm_up)
        way.run(opened, warm_up)
        warm, everything = _workers(way), family(psutil.Process())
        before = cpu_seconds(warm), cpu_seconds(everything)
        way.run(opened, sample)
        if set(_workers(way)) <= set(warm):
            return Cost(spent(before[0], cpu_seconds(warm)), spent(before[1], cpu_seconds(everything)))
    raise RuntimeError(f"{way.name}: Spark started a new Python worker in each of {_TRIES} tries")


def workers_peak_bytes(way: Way) -> int:
    """Peak resident memory of the largest Python worker of a way."""
    return peak_rss_bytes(_workers(way))


def jvm_peak_bytes() -> int:
    """Peak resident memory of the JVM."""
    return peak_rss_bytes(process for process in family(psutil.Process()) if process.name() == "java")


def _workers(way: Way) -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if process.environ().get(_WAY) == way.name:
                found.append(process)
    return found
