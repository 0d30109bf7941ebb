"""Where deliveries wait for their batch, between the threads that bring, take and finish them."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from streaming.batches import Batch, Batches
from streaming.records import Delivery


class Waiting:
    """`Batches` for threads; `epoch` gives the present one, and deliveries of another are dropped."""

    def __init__(
        self, batches: Batches, epoch: Callable[[], int], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._batches = batches
        self._epoch = epoch
        self._clock = clock
        self._changed = threading.Condition()

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Let deliveries wait."""
        with self._changed:
            for delivery in deliveries:
                if delivery.record is None or delivery.record.epoch == self._epoch():
                    self._batches.add(delivery)
            self._changed.notify_all()

    def release(self, products: Sequence[str]) -> None:
        """The batch of these products has ended."""
        with self._changed:
            self._batches.release(products)
            self._changed.notify_all()

    def drop(self, batch: Batch) -> None:
        """The epoch of a batch has ended: its records are read again; what the settle check handed in waits again."""
        with self._changed:
            self._drop(batch)
            self._changed.notify_all()

    def forget_records(self) -> None:
        """See `Batches.forget_records`; to be called when an epoch ends."""
        with self._changed:
            self._batches.forget_records()

    def take(self, timeout_s: float) -> Batch | None:
        """The next batch as soon as it is due; None if that is not within the time."""
        end_s = self._clock() + timeout_s
        with self._changed:
            while (batch := self._taken()) is None:
                due_s = self._batches.due_s()
                wait_s = min(end_s, end_s if due_s is None else due_s) - self._clock()
                if wait_s <= 0 and self._clock() >= end_s:
                    return None
                self._changed.wait(max(wait_s, 0.0))
        return batch

    def _taken(self) -> Batch | None:
        """The batch that is due; None, and its products free, if its epoch has ended since its records came."""
        batch = self._batches.take(self._epoch(), self._clock())
        if batch and any(one.record and one.record.epoch != batch.epoch for one in batch.deliveries):
            self._drop(batch)
            return None
        return batch

    def _drop(self, batch: Batch) -> None:
        self._batches.release(tuple(batch.products))
        for delivery in batch.deliveries:
            if delivery.record is None:
                self._batches.add(delivery)
