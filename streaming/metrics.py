"""What Prometheus is told, made of moments."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from streaming.moments import (
    Batched,
    Committed,
    Embedded,
    Following,
    Gauged,
    Lost,
    Moment,
    Outcome,
    Restored,
    Retried,
    Revoking,
    Settled,
)

PREFIX = "vitrine_stream"
FRESHNESS_S = (0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 30, 60, 120, 300, 900, 3_600)
PRODUCTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096)
AGE_S = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """A Watch that counts, in a registry of its own; threads may share it."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._registry = CollectorRegistry()
        self._records = self._counter("records", "Records that ended, by outcome", "outcome")
        self._rejects = self._counter("rejects", "Records and pictures that cannot be used, by reason", "reason")
        self._cut = self._counter("texts_cut", "Texts of listings that were too long, and are kept in part")
        self._images = self._counter("images_embedded", "Pictures embedded")
        self._restored = self._counter("restored", "Versions that fell and were applied again")
        self._retries = self._counter("retries", "Calls repeated because of an outage", "where")
        self._commits = self._counter("commits", "Commits acknowledged")
        self._rebalances = self._counter("rebalances", "Times that partitions left this member")
        self._freshness = self._histogram("freshness_seconds", "From event to acknowledged write", FRESHNESS_S)
        self._products = self._histogram("batch_products", "Products of a batch", PRODUCTS)
        self._age = self._histogram("batch_age_seconds", "How long a batch's oldest record waited for it", AGE_S)
        self._lag = self._gauge("lag_records", "Records of the log that have not ended", "partition")
        self._oldest = self._gauge("oldest_unapplied_seconds", "Age of the oldest record under way")
        self._in_flight = self._gauge("in_flight_records", "Records under way")
        self._in_flight_bytes = self._gauge("in_flight_bytes", "Their size")
        self._paused = self._gauge("paused", "Whether reading pauses because enough is under way")
        self._assigned = self._gauge("assigned_partitions", "Partitions of this member")
        self._view = self._gauge("view", "The view that is fed", "collection", "model")
        self._seconds = self._gauge("stage_seconds", "Time that a stage has worked", "stage")
        self._unchecked = self._gauge("settle_unchecked", "Versions that were not read back, for want of memory")
        for outcome in Outcome:
            self._records.labels(outcome)

    def __call__(self, moment: Moment) -> None:
        """See `Watch`."""
        match moment:
            case Settled():
                self._settled(moment)
            case Gauged():
                self._gauged(moment)
            case Batched(products=products, age_s=age_s):
                self._products.observe(len(products))
                self._age.observe(age_s)
            case Embedded(pictures=pictures):
                self._images.inc(pictures)
            case Committed():
                self._commits.inc()
            case Retried(where=where):
                self._retries.labels(where).inc()
            case Restored():
                self._restored.inc()
            case _:
                self._membership(moment)

    def stage(self, name: str, worked_s: Callable[[], float]) -> None:
        """Tell the time of a stage too."""
        self._seconds.labels(name).set_function(worked_s)

    def unchecked(self, versions: Callable[[], int]) -> None:
        """Tell how many versions the settle check has let go too."""
        self._unchecked.set_function(versions)

    def assigned(self, partitions: Callable[[], int]) -> None:
        """Tell how many partitions this member has: of two views, while the one is left, those of both."""
        self._assigned.set_function(partitions)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)

    def _membership(self, moment: Moment) -> None:
        match moment:
            case Revoking() | Lost():
                self._rebalances.inc()
                self._lag.clear()
            case Following(collection=collection, model_id=model_id):
                self._view.clear()
                self._view.labels(collection, model_id).set(1)
            case _:
                pass

    def _settled(self, moment: Settled) -> None:
        self._records.labels(moment.outcome).inc()
        self._cut.inc(moment.cut)
        for reason in moment.reasons:
            self._rejects.labels(reason).inc()
        if moment.outcome in (Outcome.APPLIED, Outcome.DELETED) and moment.event_us:
            self._freshness.observe(max(0.0, self._clock() - moment.event_us / 1e6))

    def _gauged(self, moment: Gauged) -> None:
        self._in_flight.set(moment.records)
        self._in_flight_bytes.set(moment.size_bytes)
        self._oldest.set(max(0.0, self._clock() - moment.oldest_us / 1e6) if moment.oldest_us else 0)
        self._paused.set(moment.paused)
        for partition, records in moment.lag.items():
            self._lag.labels(str(partition)).set(records)

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", said, labels, registry=self._registry)

    def _gauge(self, name: str, said: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", said, labels, registry=self._registry)

    def _histogram(self, name: str, said: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", said, buckets=buckets, registry=self._registry)
