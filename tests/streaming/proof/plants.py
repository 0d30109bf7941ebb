"""Rules taken out of the real service, one each, in the process of a member: the checker must find every one."""

import threading
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from streaming import batches, changes, planning, polling, restating
from streaming.batches import Batches
from streaming.changes import Change
from streaming.dead_letters import Bury, DeadLetters
from streaming.tracker import Tracker
from tests.streaming.proof.reference import Plant
from vitrine.index import stated
from vitrine.index.rows import Row
from vitrine.index.schema import IMAGE_ID
from vitrine.index.stated import Stated

LINGER_S = 3.0


def _no_seek() -> None:
    """A partition that stays with its member is read on from where it was."""
    known: set[Any] = set()

    def seek(consumer: Any, offsets: Mapping[Any, int]) -> None:
        for partition in offsets.keys() - known:
            consumer.seek(partition, offsets[partition])
        known.update(offsets)
        consumer.resume(*offsets)

    polling.seek_all = seek


def _commit_first() -> None:
    """What was polled is committed."""
    Tracker.committable = Tracker.positions  # type: ignore[method-assign]


def _no_guard() -> None:
    """Whatever comes is applied."""
    planning.is_outdated = lambda *_: False


def _bounded() -> None:
    """The guard reads as searches do."""
    stated.STRONG = False


def _no_coalescing() -> None:
    """All events of a batch are written in one call."""
    batches.coalesced = list


def _two_batches() -> None:
    """A product's next event does not wait for the batch before."""
    Batches.is_busy = lambda *_: False  # type: ignore[method-assign]


def _stored_list() -> None:
    """Rows are deleted by what this process wrote last, not by what is there."""
    written: dict[str, set[str]] = {}

    def gone(known: Stated, rows: Iterable[Row]) -> tuple[str, ...]:
        keys = {str(row[IMAGE_ID]) for row in rows}
        before = written.get(known.product_id, set())
        written[known.product_id] = keys
        return tuple(before - keys)

    restating.gone = gone


def _bytes_lost() -> None:
    """Only the newest event's bytes count."""

    def kept(of_product: Iterable[Change], since: int | None) -> dict[str, bytes]:
        return dict(max(of_product, key=lambda one: (one.event.version, one.deletes)).pictures)

    changes.kept = kept


def _unacknowledged() -> None:
    """A dead letter counts as sent while it lingers in a buffer."""
    put = DeadLetters.put

    def linger(self: DeadLetters, letter: Bury) -> None:
        letter.then()
        timer = threading.Timer(LINGER_S, put, (self, letter))
        timer.daemon = True
        timer.start()

    DeadLetters.put = linger  # type: ignore[method-assign]


def _equal_dropped() -> None:
    """An equal version counts as old."""
    planning.is_stale = lambda version, than: version <= than


PLANTS: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        Plant.NONE: lambda: None,
        Plant.NO_SEEK: _no_seek,
        Plant.COMMIT_FIRST: _commit_first,
        Plant.NO_GUARD: _no_guard,
        Plant.BOUNDED: _bounded,
        Plant.NO_COALESCING: _no_coalescing,
        Plant.TWO_BATCHES: _two_batches,
        Plant.STORED_LIST: _stored_list,
        Plant.BYTES_LOST: _bytes_lost,
        Plant.DLQ_UNACKNOWLEDGED: _unacknowledged,
        Plant.EQUAL_DROPPED: _equal_dropped,
    }
)
