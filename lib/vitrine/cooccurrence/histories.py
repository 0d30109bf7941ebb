"""Whole sessions out of sorted batches of events, as an executor reads them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Columns = tuple[npt.NDArray[Any], ...]

_EVENTS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Sessions:
    """Whole sessions one after another, the events of each from the newest to the oldest: four arrays (n,)."""

    item: Integers
    time_us: Integers
    weight: npt.NDArray[np.float64]
    position: Integers  # 0 = the newest of its session

    @cached_property
    def number(self) -> Integers:
        """Which session an event belongs to, from 0."""
        return np.cumsum(self.position == 0) - 1

    @cached_property
    def length(self) -> Integers:
        """Events in the session of an event."""
        lengths: Integers = np.bincount(self.number)
        return lengths[self.number]

    @cached_property
    def occurrences(self) -> tuple[Flags, Flags]:
        """Whether an event is the newest of its item in its session, and whether its session repeats the item."""
        held = (self.number << 32) | (self.item + 1)
        _, newest, of, times = np.unique(held, return_index=True, return_inverse=True, return_counts=True)
        once = np.zeros(len(held), np.bool_)
        once[newest] = True
        return once, (times > 1)[of]

    @cached_property
    def moment(self) -> Integers:
        """The times of a session counted from its newest on, by events; only differences within a session mean it."""
        later = np.diff(self.time_us, prepend=self.time_us[:1]) != 0
        return np.cumsum(later | (self.position == 0))

    @cached_property
    def span_us(self) -> Integers:
        """Time between the newest and the oldest event of an event's session."""
        newest = np.flatnonzero(self.position == 0)
        oldest = newest + self.length[newest] - 1
        spans: Integers = self.time_us[newest] - self.time_us[oldest]
        return spans[self.number]

    def without_repeats(self) -> "Sessions":
        """The newest event of each item only."""
        once, _ = self.occurrences
        number = self.number[once]
        starts = np.flatnonzero(np.diff(number, prepend=-1))
        position = np.arange(len(number)) - starts[number]
        return Sessions(self.item[once], self.time_us[once], self.weight[once], position)


def whole_sessions(batches: Iterator[pa.RecordBatch], newest: int | None) -> Iterator[Sessions]:
    """What is held back for the next batch is at most one session, and of that the newest events only."""
    held: list[Columns] = []
    size = 0
    for columns in _positioned(batches, newest):
        held.append(columns)
        size += len(columns[0])
        if size < _EVENTS_AT_ONCE:
            continue
        joined = [np.concatenate(parts) for parts in zip(*held, strict=True)]
        end = int(np.flatnonzero(joined[-1] == 0)[-1])
        if end:
            yield Sessions(*(column[:end] for column in joined))
        held = [tuple(column[end:] for column in joined)]
        size -= end
    if size:
        yield Sessions(*(np.concatenate(parts) for parts in zip(*held, strict=True)))


def _positioned(batches: Iterator[pa.RecordBatch], newest: int | None) -> Iterator[Columns]:
    """Item, time, weight and position of the events that are among the `newest` of their session."""
    last, seen = None, 0
    for batch in batches:
        if not batch.num_rows:
            continue
        session, *columns = batch.columns
        starts = np.empty(batch.num_rows, np.bool_)
        starts[0] = session[0].as_py() != last
        starts[1:] = pc.not_equal(session[1:], session[:-1]).to_numpy(zero_copy_only=False)
        index = np.arange(batch.num_rows)
        position = index - np.maximum.accumulate(np.where(starts, index, -seen))
        last, seen = session[-1].as_py(), int(position[-1]) + 1
        kept = slice(None) if newest is None else position < newest
        item, time_us, weight = (column.to_numpy(zero_copy_only=False) for column in columns)
        yield item.astype(np.int64)[kept], time_us[kept], weight[kept], position[kept]
