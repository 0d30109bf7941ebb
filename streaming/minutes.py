"""One line a minute: what was done in it, and how things stand."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from streaming.moments import Embedded, Gauged, Moment, Outcome, Settled

logger = logging.getLogger("streaming")

EVERY_S = 60.0
_MOST_SAMPLES = 100_000
_FRESH = (Outcome.APPLIED, Outcome.DELETED)


class Minutes:
    """A Watch that sums up; `line` begins the next minute."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._turn = threading.Lock()
        self._gauged = Gauged(0, 0, 0, {}, paused=False)
        self._worked_s: dict[str, float] = {}
        self._clear()

    def __call__(self, moment: Moment) -> None:
        """See `Watch`."""
        with self._turn:
            match moment:
                case Settled(outcome=outcome, event_us=event_us, reasons=reasons):
                    self._outcomes[outcome] += 1
                    self._rejects += len(reasons)
                    self._rejected += bool(reasons)
                    if outcome in _FRESH and event_us and len(self._ages_s) < _MOST_SAMPLES:
                        self._ages_s.append(max(0.0, self._clock() - event_us / 1e6))
                case Embedded(pictures=pictures):
                    self._images += pictures
                case Gauged():
                    self._gauged = moment
                case _:
                    pass

    @property
    def reject_ratio(self) -> float:
        """Share of this minute's records that cannot be used, or only in part."""
        with self._turn:
            return self._rejected / max(1, self._outcomes.total())

    def line(self, worked_s: Mapping[str, float]) -> str:
        """The line of the minute that ends now; `worked_s` says how long each stage has worked so far."""
        with self._turn:
            p50, p99 = np.percentile(self._ages_s, (50, 99)) if self._ages_s else (0.0, 0.0)
            spent_s = {name: seconds - self._worked_s.get(name, 0.0) for name, seconds in worked_s.items()}
            oldest_us = self._gauged.oldest_us
            said = {
                "records": self._outcomes.total(),
                **{str(outcome): self._outcomes[outcome] for outcome in Outcome},
                "rejects": self._rejects,
                "images": self._images,
                "lag": sum(self._gauged.lag.values()),
                "oldest_s": f"{max(0.0, self._clock() - oldest_us / 1e6) if oldest_us else 0.0:.1f}",
                "freshness_p50_s": f"{p50:.2f}",
                "freshness_p99_s": f"{p99:.2f}",
                "in_flight": self._gauged.records,
                "slowest_stage": max(spent_s, key=lambda name: spent_s[name], default="none"),
            }
            self._worked_s = dict(worked_s)
            self._clear()
        return "minute " + " ".join(f"{name}={value}" for name, value in said.items())

    def _clear(self) -> None:
        self._outcomes: Counter[Outcome] = Counter()
        self._ages_s: list[float] = []
        self._rejects = self._rejected = self._images = 0
