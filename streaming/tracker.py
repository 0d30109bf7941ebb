"""Which records are under way, and from where the others may be committed."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from streaming.moments import Place
from streaming.records import Taken


@dataclass(frozen=True, slots=True)
class Load:
    """What is under way: records, their bytes, and when the oldest was produced (microseconds; 0: nothing is).

    `uncommitted` are the offsets between the last commits and what was polled: what a kill would cost.
    """

    records: int
    size_bytes: int
    oldest_us: int
    uncommitted: int


@dataclass(slots=True)
class _Partition:
    start: int
    committed: int
    next: int
    under_way: OrderedDict[int, Taken] = field(default_factory=OrderedDict)


class Tracker:
    """Accounts for each record from its poll to its end; threads may share it.

    Every assignment is an epoch of its own: what an earlier epoch ends is no longer counted, since the records will be
    read again, here or elsewhere.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epoch = 0
        self._partitions: dict[int, _Partition] = {}
        self._records = 0
        self._bytes = 0

    @property
    def epoch(self) -> int:
        """The present epoch; it only grows."""
        return self._epoch

    def begin(self, offsets: Mapping[int, int]) -> int:
        """Begin an epoch that reads these partitions from these offsets; returns it."""
        with self._lock:
            self._epoch += 1
            self._partitions = {partition: _Partition(offset, offset, offset) for partition, offset in offsets.items()}
            self._records = self._bytes = 0
            return self._epoch

    def end(self) -> None:
        """End the epoch: from now on nothing of it counts."""
        self.begin({})

    def polled(self, record: Taken) -> bool:
        """A record has come, in the order of its partition's offsets; False if its partition is not read any more."""
        place = record.place
        with self._lock:
            partition = self._partitions.get(place.partition)
            if partition is None:
                return False
            partition.next = place.offset + 1
            partition.under_way[place.offset] = record
            self._records += 1
            self._bytes += record.size_bytes
            return True

    def settle(self, record: Taken) -> bool:
        """A record has ended; False if it is not under way in the present epoch."""
        place = record.place
        with self._lock:
            partition = self._partitions.get(place.partition)
            if record.epoch != self._epoch or partition is None or place.offset not in partition.under_way:
                return False
            del partition.under_way[place.offset]
            self._bytes -= record.size_bytes
            self._records -= 1
            return True

    def committable(self) -> dict[int, int]:
        """For each partition the first offset that has not ended: all before it have."""
        with self._lock:
            return {number: _first(one) for number, one in self._partitions.items()}

    def positions(self) -> dict[int, int]:
        """For each partition the offset after the last that came."""
        with self._lock:
            return {number: one.next for number, one in self._partitions.items()}

    def committed(self, offsets: Mapping[int, int], epoch: int) -> None:
        """The broker has acknowledged these offsets of `committable`, asked for in this epoch."""
        with self._lock:
            if epoch == self._epoch:
                for number, offset in offsets.items():
                    self._partitions[number].committed = offset

    def ended(self) -> int:
        """How many offsets have ended since the last commit."""
        with self._lock:
            return sum(_first(one) - one.committed for one in self._partitions.values())

    def is_among_first(self, place: Place, records: int) -> bool:
        """Whether a record is one of the first so many of its partition in this epoch."""
        with self._lock:
            partition = self._partitions.get(place.partition)
            return partition is not None and place.offset < partition.start + records

    def load(self) -> Load:
        """What is under way now."""
        with self._lock:
            uncommitted = sum(one.next - one.committed for one in self._partitions.values())
            oldest = [next(iter(one.under_way.values())) for one in self._partitions.values() if one.under_way]
            return Load(
                self._records, self._bytes, min((one.timestamp_ms * 1_000 for one in oldest), default=0), uncommitted
            )


def _first(partition: _Partition) -> int:
    return next(iter(partition.under_way), partition.next)
