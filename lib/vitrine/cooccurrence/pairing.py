"""Sums over pairs of events of a session, as an executor takes them: sorted events in, partial sums out."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vitrine.cooccurrence.histories import Sessions, whole_sessions
from vitrine.cooccurrence.summing import Buffer, Distinct

Integers = npt.NDArray[np.int64]
Indexes = npt.NDArray[np.intp]

UNIT = 2520 << 20
"""What 1.0 is in a weighted sum: 1/gap is a whole number of units for gaps to 10, and sums to 3.4e9 fit in int64."""

MUTED = -1
"""Code of an event that keeps its place in the session and makes no pair."""

SESSIONS = -1
"""Key of the record that counts sessions."""

KEY, PAIR_COUNT = "key", "pair_count"


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which pairs of events count, and what is summed over them; None and infinity are no limit.

    `window_us` limits all pairs, `gap` those of the sums of 1/gap. `sums` are names of `TERMS`.
    """

    session_events: int | None
    gap: float
    window_us: float
    by_session_length: bool
    sums: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Pairs of events `gap` positions apart: indexes of the newer and of the older events, weights of all events.

    `apart` (n,) is their distance in moments: a basket has one time for all its events, and no order.
    """

    gap: int
    newer: Indexes
    older: Indexes
    weight: npt.NDArray[np.float64]
    apart: Integers
    most: float  # the limit of the gap

    @property
    def share(self) -> npt.NDArray[np.float64]:
        """1/gap in moments; of events of equal time either may be the later one, and each half counts."""
        return np.where(self.apart == 0, 0.5, 1 / np.maximum(self.apart, 1)) * (self.apart <= self.most)

    def of_equal_time(self) -> "Step":
        """The pairs of equal time, the other way round."""
        tied = self.apart == 0
        return Step(self.gap, self.older[tied], self.newer[tied], self.weight, self.apart[tied], self.most)


def _units(values: npt.NDArray[np.float64]) -> Integers:
    return np.rint(values * UNIT).astype(np.int64)


def _constant(step: Step, value: float) -> Integers:
    return np.full(len(step.newer), round(value) if step.gap <= step.most else 0, np.int64)


TERMS: Mapping[str, Callable[[Step], Integers]] = {
    "forward": lambda step: _units(step.weight[step.newer] * step.share),
    "backward": lambda step: _units(step.weight[step.older] * step.share),
    "inverse_gap": lambda step: _constant(step, UNIT / step.gap),
    "inverse_square_gap": lambda step: _constant(step, UNIT / step.gap**2),
    "consecutive": lambda step: np.full(len(step.newer), step.gap == 1, np.int64),
    "positions": lambda step: np.ones(len(step.newer), np.int64),
}
"""What a pair of events adds to each sum: in units, the last two in ones."""
_DIRECTED = {"forward", "backward"}
"""Sums in which events of equal time stand in no order; in the others their order is drawn."""


def schema(pairing: Pairing) -> pa.Schema:
    """Records: `key` (older item << 32 | newer item), `pair_count`, and the sums, all int64.

    The record of an item with itself has in `pair_count` the sessions that hold it.
    """
    return pa.schema([(name, pa.int64()) for name in (KEY, PAIR_COUNT, *pairing.sums)])


def records(batches: Iterator[pa.RecordBatch], pairing: Pairing) -> Iterator[pa.RecordBatch]:
    """Partial sums of the sessions in batches of (session, item int32, time_us int64, weight double).

    The batches are sorted by session, and from the newest event of a session to its oldest. A key may come several
    times. Sums are of integers: neither order nor cutting of the input changes a bit of their totals.
    """
    buffer = Buffer(schema(pairing))
    for sessions in whole_sessions(batches, pairing.session_events):
        for columns in chain(_of_sessions(sessions), _of_pairs(sessions, pairing)):
            buffer.add(columns)
            if buffer.full:
                yield from buffer.taken()
    yield from buffer.taken()


def _of_sessions(sessions: Sessions) -> Iterator[list[Integers]]:
    """How many sessions there are, and each item with itself once for each session that holds it."""
    yield [np.array([SESSIONS]), np.array([sessions.number[-1] + 1])]
    once, _ = sessions.occurrences
    held = sessions.item[once & (sessions.item != MUTED)]
    yield [_key(held, held), np.ones_like(held)]


def _of_pairs(sessions: Sessions, pairing: Pairing) -> Iterator[list[Integers]]:
    """A row for each pair of events, some at a time.

    A pair of items is counted at the newest events of both. Where these may be too far apart in time, and others of
    the same items are not, the pairs of a session are told apart at the end.
    """
    if not pairing.sums and pairing.window_us == math.inf:
        sessions = sessions.without_repeats()
    item, (once, repeated) = sessions.item, sessions.occurrences
    unsure = repeated & (sessions.span_us > pairing.window_us)
    found = Distinct()
    for step in _steps(sessions, pairing):
        older, newer = item[step.older], item[step.newer]
        told_apart = unsure[step.older] | unsure[step.newer]
        found.add(sessions.number[step.newer][told_apart], older[told_apart], newer[told_apart])
        counted = once[step.older] & once[step.newer] & (older != newer) & ~told_apart
        yield [_key(older, newer), counted.astype(np.int64), *(TERMS[name](step) for name in pairing.sums)]
        if _DIRECTED & set(pairing.sums) and (tied := step.of_equal_time()).newer.size:
            none = np.zeros(tied.newer.size, np.int64)
            turned = (TERMS[name](tied) if name in _DIRECTED else none for name in pairing.sums)
            yield [_key(item[tied.older], item[tied.newer]), none, *turned]
    pairs = found.keys()
    yield [pairs, np.ones_like(pairs)]


def _key(older: Integers, newer: Integers) -> Integers:
    return (older << 32) | newer


def _steps(sessions: Sessions, pairing: Pairing) -> Iterator[Step]:
    """All pairs of events, gap by gap; times fall from event to event, so that a pair too far apart ends its row."""
    weight = sessions.weight / np.log2(2 + sessions.length) if pairing.by_session_length else sessions.weight
    known = sessions.item != MUTED
    older_events = sessions.length - 1 - sessions.position
    newer = np.arange(len(sessions.item))
    for gap in count(1):
        newer = newer[older_events[newer] >= gap]
        newer = newer[sessions.time_us[newer] - sessions.time_us[newer + gap] <= pairing.window_us]
        if not newer.size:
            return
        usable = newer[known[newer] & known[newer + gap]]
        apart = sessions.moment[usable + gap] - sessions.moment[usable]
        yield Step(gap, usable, usable + gap, weight, apart, pairing.gap)
