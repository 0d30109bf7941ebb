"""What the service counts and times, as Prometheus reads it."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_PICTURES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The measures of one service; labels are addresses of the description and codes, never what callers sent."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "vitrine_requests", "Answers by address and status", ["route", "status"], registry=registry
        )
        self._request_s = Histogram(
            "vitrine_request_seconds",
            "From the first byte to the answer",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._stage_s = Histogram(
            "vitrine_stage_seconds", "Parts of an answer", ["stage"], buckets=_SECONDS, registry=registry
        )
        self._batch = Histogram("vitrine_batch_pictures", "Pictures of one pass", buckets=_PICTURES, registry=registry)
        self._cache = Counter("vitrine_vector_cache", "Vectors looked up", ["found"], registry=registry)
        self._serving = Gauge(
            "vitrine_serving_info", "What answered last", ["collection", "model_id"], registry=registry
        )
        self._places = Gauge("vitrine_places_taken", "Requests that are worked on", registry=registry)

    def answered(self, route: str, status: int, took_s: float) -> None:
        """A request to that address of the description has ended."""
        self._requests.labels(route, str(status)).inc()
        self._request_s.labels(route).observe(took_s)

    def took(self, stage: str, seconds: float) -> None:
        """A part of an answer (`embed`, `search`, `wait`, `pass`, `fetch`) has ended."""
        self._stage_s.labels(stage).observe(seconds)

    def passed(self, pictures: int, waited_s: Sequence[float], took_s: float) -> None:
        """See `vitrine.serve.batching.Meter`."""
        self._batch.observe(pictures)
        self.took("pass", took_s)
        for seconds in waited_s:
            self.took("wait", seconds)

    def looked_up(self, *, found: bool) -> None:
        """A vector was looked up in the cache."""
        self._cache.labels("yes" if found else "no").inc()

    def served(self, collection: str, model_id: str) -> None:
        """This collection answered."""
        self._serving.clear()
        self._serving.labels(collection, model_id).set(1)

    def worked_on(self, change: int) -> None:
        """So many more requests are worked on."""
        self._places.inc(change)

    def text(self) -> bytes:
        """All measures in Prometheus' text format."""
        return generate_latest(self._registry)
