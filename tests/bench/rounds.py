"""The measurements of one case, interleaved in rounds so that all see the same load."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from tests.bench import stages, through_spark
from tests.bench.figures import naive_aim, rates, ratios
from tests.bench.machine import load_average
from tests.bench.pictures import Sample
from vitrine.settings import Model
from vitrine.telemetry import Progress

Taken = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rounds:
    """How one sample is measured: `warm_up` pictures before each Spark job, all else `count` times."""

    sample: Sample
    warm_up: Sample
    place: Path
    count: int
    shown: Progress

    def of_model(self, model: Model) -> dict[str, Any]:
        """Every stage, Vitrine through Spark, and the naive way."""
        shares = [stages.Share(model, file) for file in self.sample.files]
        with through_spark.session(self.place) as spark, stages.processes(shares) as engines:
            ready = engines.warm_up()
            ours = through_spark.vitrine_way(model, self.place)
            naive = through_spark.naive_way(model, self.place)
            taken = [
                [
                    self._stage("decode", lambda: engines.cpu_seconds(stages.run_decode)),
                    self._stage("model", lambda: engines.cpu_seconds(stages.run_model)),
                    self._stage("engine", lambda: engines.cpu_seconds(stages.run_engine)),
                    *self._way(spark, ours),
                    *self._way(spark, naive),
                ]
                for _ in self._counted()
            ]
            peaks = {
                "engine": max(one.peak_rss_bytes for one in ready),
                "spark": through_spark.workers_peak_bytes(ours),
                "naive": through_spark.workers_peak_bytes(naive),
                "jvm": through_spark.jvm_peak_bytes(),
            }
        aim = naive_aim(ready[0].precision, stages.resolve_once(model).spec.image_size)
        return {
            "model": model.model_dump(mode="json"),
            "precision": ready[0].precision,
            "engine_start_cpu_s": max(one.start_cpu_s for one in ready),
            "ratios": [{**asdict(one), "met": one.met} for one in ratios(_costs(taken), over_naive=aim)],
            **self._told(taken, peaks),
        }

    def of_reading(self) -> dict[str, Any]:
        """Spark alone: pictures are read, hashed and accounted for, but neither decoded nor embedded."""
        with through_spark.session(self.place) as spark:
            way = through_spark.reading_way(self.place)
            taken = [self._way(spark, way) for _ in self._counted()]
            peaks = {way.name: through_spark.workers_peak_bytes(way), "jvm": through_spark.jvm_peak_bytes()}
        return self._told(taken, peaks)

    def _counted(self) -> Iterator[int]:
        for number in range(self.count):
            yield number
            self.shown.advance()

    def _stage(self, name: str, seconds: Callable[[], float]) -> Taken:
        before = load_average()
        return self._taken(name, seconds(), before)

    def _way(self, spark: SparkSession, way: through_spark.Way) -> list[Taken]:
        before = load_average()
        cost = through_spark.measure(spark, way, sample=self.sample, warm_up=self.warm_up)
        whole = f"{way.name} with driver and JVM"
        return [self._taken(way.name, cost.workers_s, before), self._taken(whole, cost.everything_s, before)]

    def _taken(self, name: str, cpu_s: float, load_before: float) -> Taken:
        return {
            "name": name,
            "cpu_s": round(cpu_s, 3),
            "cpu_s_per_picture": cpu_s / self.sample.pictures,
            "load_before": load_before,
            "load_after": load_average(),
        }

    def _told(self, taken: list[list[Taken]], peaks: dict[str, int]) -> dict[str, Any]:
        found = rates(_costs(taken))
        per_gb = {name: self.sample.pictures / rate / self.sample.size_bytes * 1e9 for name, rate in found.items()}
        return {"images_per_cpu_s": found, "cpu_s_per_gb": per_gb, "peak_rss_bytes": peaks, "taken": taken}


def _costs(taken: list[list[Taken]]) -> list[dict[str, float]]:
    return [{one["name"]: one["cpu_s_per_picture"] for one in measurements} for measurements in taken]
