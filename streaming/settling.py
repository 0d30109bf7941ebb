"""The settle check: what was applied is read back a while later, and applied again where the view fell behind it.

Two writers of one product, a member that was taken for dead or one of another partitioning, can pass the same guard.
What the slower one did is healed by this.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from streaming.applying import Applied
from streaming.changes import Change
from streaming.restating import Restated
from vitrine.index import schema, stated
from vitrine.index.collections import Collection
from vitrine.index.ledger import LedgerRow
from vitrine.index.rows import Row
from vitrine.index.stated import Stated
from vitrine.index.store import Store

PRODUCTS_PER_CHECK = stated.PRODUCTS_PER_CALL

_OVERHEAD_BYTES = 3_000  # what an event, its row keys and hashes take of Python's memory


@dataclass(frozen=True, slots=True)
class _Written:
    """What the view stated once a product was written; `number` tells it from what was written later."""

    number: int
    at_s: float
    again: Change
    pictures: Mapping[str, tuple[int, str]]
    exception: tuple[int, bool] | None
    size_bytes: int

    def has_fallen(self, now: Stated) -> bool:
        """Whether the view no longer states this, and nothing newer; or something newer that lacks a picture of this.

        Such a version came while a slower writer had undone this one, and without the bytes.
        """
        if now.version is not None and now.version > self.again.event.version:
            return now.ledger is not None and any(what in self.again.vectors for _, what, _ in now.ledger.missing)
        return _pictures(now.rows.values()) != self.pictures or _exception(now.ledger) != self.exception


class Settling:
    """What was applied not long ago; threads may share it.

    Each product is checked `after_s` seconds, ascending, after its newest version was applied. What is kept for that
    weighs at most about `max_bytes`: beyond, the oldest are dropped unchecked and counted.
    """

    def __init__(
        self,
        store: Store,
        collection: Collection,
        *,
        after_s: Sequence[float],
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dropped = 0
        self._store = store
        self._collection = collection
        self._after_s = after_s
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._written: dict[str, _Written] = {}
        self._checks: list[tuple[float, int, str, int]] = []
        self._size_bytes = 0

    @property
    def waiting(self) -> int:
        """How many products are still to be checked."""
        return len(self._written)

    def applied(self, applied: Iterable[Applied]) -> None:
        """Remember what was written; a product's newest takes the place of what was remembered of it."""
        for one in applied:
            if one.restated:
                with self._lock:
                    self._remember(one.product_id, one.restated)

    def due(self) -> list[Change]:
        """Read back, Strong, what is due, 128 products at most; the changes that the view has fallen behind.

        They go through the guard again, as every change. Costs nothing while nothing is due.

        Raises:
            Unavailable: nothing was checked; the next call asks again.
        """
        checks = self._taken()
        if not checks:
            return []
        try:
            now = stated.read(self._store, self._collection, [product_id for _, _, product_id, _ in checks])
        except BaseException:
            with self._lock:
                for check in checks:
                    heapq.heappush(self._checks, check)
            raise
        with self._lock:
            return [again for check in checks if (again := self._checked(check, now[check[2]]))]

    def clear(self) -> None:
        """Forget everything: what is checked from here might be another's by now."""
        with self._lock:
            self._written.clear()
            self._checks.clear()
            self._size_bytes = 0

    def _remember(self, product_id: str, restated: Restated) -> None:
        self._forget(product_id)
        write = restated.write
        one = _Written(
            number=next(self._numbers),
            at_s=self._clock(),
            again=restated.again,
            pictures=_pictures(write.rows),
            exception=_exception(write.ledger),
            size_bytes=write.size_bytes + _OVERHEAD_BYTES,
        )
        self._written[product_id] = one
        self._size_bytes += one.size_bytes
        self._schedule(product_id, one, 0)
        while self._size_bytes > self._max_bytes:
            self._forget(next(iter(self._written)))
            self.dropped += 1

    def _schedule(self, product_id: str, one: _Written, turn: int) -> None:
        if turn < len(self._after_s):
            heapq.heappush(self._checks, (one.at_s + self._after_s[turn], one.number, product_id, turn))
        else:
            self._forget(product_id)

    def _forget(self, product_id: str) -> None:
        if product_id in self._written:
            self._size_bytes -= self._written.pop(product_id).size_bytes

    def _taken(self) -> list[tuple[float, int, str, int]]:
        """Checks that are due, of what was not written anew since."""
        taken: list[tuple[float, int, str, int]] = []
        with self._lock:
            while self._checks and self._checks[0][0] <= self._clock() and len(taken) < PRODUCTS_PER_CHECK:
                check = heapq.heappop(self._checks)
                if self._is_present(check):
                    taken.append(check)
        return taken

    def _checked(self, check: tuple[float, int, str, int], now: Stated) -> Change | None:
        """The change to be applied again, if the view has fallen behind it and it was not written anew since."""
        if not self._is_present(check):
            return None
        _, _, product_id, turn = check
        one = self._written[product_id]
        self._schedule(product_id, one, turn + 1)
        return one.again if one.has_fallen(now) else None

    def _is_present(self, check: tuple[float, int, str, int]) -> bool:
        one = self._written.get(check[2])
        return one is not None and one.number == check[1]


def _pictures(rows: Iterable[Row]) -> dict[str, tuple[int, str]]:
    return {
        cast(str, row[schema.IMAGE_ID]): (cast(int, row[schema.VERSION]), cast(str, row[schema.IMAGE_SHA256]))
        for row in rows
    }


def _exception(ledger: LedgerRow | None) -> tuple[int, bool] | None:
    return (ledger.version, ledger.deleted) if ledger else None
