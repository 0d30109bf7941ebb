"""Micro-batches: what was asked for during one pass through the network goes into the next, together."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vitrine.embedding import Embedder, Vectors
from vitrine.errors import BadRecord, Unavailable
from vitrine.product import Reject

Outcome = Vectors | Reject | Exception


class Caller(Protocol):
    """Whoever waits for a vector."""

    @property
    def gone(self) -> bool:
        """Whether nobody waits any more."""
        ...


class Meter(Protocol):
    """Who is told of each pass."""

    def passed(self, pictures: int, waited_s: Sequence[float], took_s: float) -> None:
        """A pass of so many pictures has ended; each of them waited so long before it."""
        ...


@dataclass(slots=True, eq=False)
class _Waiting:
    picture: bytes
    caller: Caller
    since_s: float
    outcome: Outcome | None = None
    woken: threading.Event = field(default_factory=threading.Event)


class MicroBatcher:
    """An embedder that threads share: one of those that wait leads a pass, and takes the others along.

    An idle network is used at once, so a single caller waits for nobody. Callers that are gone are left out.
    """

    def __init__(
        self,
        embedder: Embedder,
        meter: Meter,
        *,
        batch_size: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._embedder = embedder
        self._meter = meter
        self._batch_size = batch_size
        self._clock = clock
        self._lock = threading.Lock()
        self._queue: deque[_Waiting] = deque()
        self._led = False

    def vector(self, picture: bytes, caller: Caller) -> Vectors:
        """The (dim,) unit vector of a picture.

        Raises:
            BadRecord: the picture cannot be used.
            Unavailable: the caller is gone, or the network failed.
        """
        mine = _Waiting(picture, caller, self._clock())
        with self._lock:
            self._queue.append(mine)
            leads, self._led = not self._led, True
        if not leads:
            mine.woken.wait()
        if mine.outcome is None:
            self._lead(mine)
        match mine.outcome:
            case Reject():
                raise BadRecord(mine.outcome.reason, mine.outcome.detail)
            case Unavailable():
                raise Unavailable(str(mine.outcome)) from mine.outcome
            case Exception():
                raise Unavailable(f"embedding failed: {type(mine.outcome).__name__}") from mine.outcome
        assert mine.outcome is not None
        return mine.outcome

    def _lead(self, mine: _Waiting) -> None:
        """Pass after pass until the own picture is through; then one of those that wait leads on."""
        try:
            while mine.outcome is None:
                self._run(self._next())
        finally:
            with self._lock:
                self._led = bool(self._queue)
                if self._queue:
                    self._queue[0].woken.set()

    def _next(self) -> list[_Waiting]:
        with self._lock:
            taken = [self._queue.popleft() for _ in range(min(self._batch_size, len(self._queue)))]
        for one in taken:
            if one.caller.gone:
                self._end(one, Unavailable("the caller is gone"))
        return [one for one in taken if one.outcome is None]

    def _run(self, batch: Sequence[_Waiting]) -> None:
        if not batch:
            return
        started_s = self._clock()
        outcomes = self._outcomes([one.picture for one in batch])
        self._meter.passed(len(batch), [started_s - one.since_s for one in batch], self._clock() - started_s)
        for one, outcome in zip(batch, outcomes, strict=True):
            self._end(one, outcome)

    def _outcomes(self, pictures: Sequence[bytes]) -> list[Outcome]:
        found: dict[int, Outcome] = {}
        failed: Exception = LookupError("the embedder left a picture out")
        try:
            for batch in self._embedder.embed(enumerate(pictures)):
                vectors = iter(batch.vectors)
                for key, reject in zip(batch.keys, batch.rejects, strict=True):
                    found[key] = next(vectors).copy() if reject is None else reject
        except Exception as error:  # noqa: BLE001  # those who wait must hear of any end of the pass
            failed = error
        return [found.get(key, failed) for key in range(len(pictures))]

    def _end(self, one: _Waiting, outcome: Outcome) -> None:
        one.outcome = outcome
        one.woken.set()
