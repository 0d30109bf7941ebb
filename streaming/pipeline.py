"""From polled records to a changed view: decode, read and guard, fetch and embed, write; each in its own thread."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from streaming.applying import Applied, Applier, Prepared, Read
from streaming.batches import Batch, Batches
from streaming.careful import Careful
from streaming.dead_letters import Bury, DeadLetters
from streaming.intake import Intake
from streaming.lease import Fenced
from streaming.membership import Membership
from streaming.moments import Batched, Embedded, Restored, Settled
from streaming.outages import through
from streaming.records import Delivery, Taken
from streaming.results import Result, results
from streaming.settling import Settling
from streaming.waiting import Waiting
from streaming.worker import WAIT_S, Handover, Pulse, Worker
from vitrine.product import Reason
from vitrine.settings import Stream

MILVUS = "milvus"
_OF_FETCHING = (Reason.MISSING, Reason.FETCH_FAILED, Reason.FORBIDDEN_ADDRESS)

T = TypeVar("T")


class Pipeline:
    """Applies records to one view, and tells the tracker when each has ended.

    At least once: a record ends only when all that it asks for was acknowledged. A batch whose epoch has ended is
    dropped where it stands; its products stay busy until then.
    """

    def __init__(
        self,
        applier: Applier,
        careful: Careful,
        settling: Settling,
        dead_letters: DeadLetters,
        member: Membership,
    ) -> None:
        self._applier, self._careful, self._settling, self._dead_letters = applier, careful, settling, dead_letters
        self._tracker, self._lease, self._stream = member.tracker, member.lease, member.stream
        self._ending, self._watch = member.ending, member.watch
        self._waiting = Waiting(_batches(member.stream), lambda: member.epoch)
        self._intake = Intake(self._waiting, dead_letters.put, self._settle, member)
        self._to_embed: Handover[tuple[Batch, Read]] = Handover(member.ending)
        self._to_write: Handover[tuple[Batch, Prepared]] = Handover(member.ending)
        self.pulses = {
            "decode": self._intake.pulse,
            "read": Pulse(),
            "embed": Pulse(),
            "write": Pulse(),
            "dead_letters": dead_letters.pulse,
        }
        turns = {"read": self._read, "embed": self._embed, "write": self._write}
        self._workers = [
            self._intake.worker,
            dead_letters.worker,
            *(Worker(name, turn, member.ending) for name, turn in turns.items()),
        ]

    def start(self) -> None:
        """Begin to work."""
        for worker in self._workers:
            worker.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the ends of the threads; what an engine or a server holds beyond that time is left alone."""
        end_s = time.monotonic() + timeout_s
        for worker in self._workers:
            worker.join(max(0.0, end_s - time.monotonic()))

    def put(self, records: Sequence[Taken]) -> None:
        """Hand over what a poll brought; bounded by the caller."""
        self._intake.put(records)

    def forget(self) -> None:
        """The epoch has ended: its records that wait are dropped."""
        self._waiting.forget_records()

    def _read(self) -> None:
        self._hand_in_fallen()
        batch = self._waiting.take(WAIT_S)
        if batch is None:
            return
        self._watch(Batched(tuple(batch.products), batch.records, batch.size_bytes, time.monotonic() - batch.since_s))
        read = self._step("read", batch, lambda: self._applier.read(batch.changes()))
        if read is not None:
            self._to_embed.put((batch, read))

    def _embed(self) -> None:
        if (came := self._to_embed.get()) is None:
            return
        batch, read = came
        self._careful.apart = any(map(self._may_have_killed, batch.deliveries))
        prepared = self._step("embed", batch, lambda: self._applier.embed(read))
        if prepared is not None:
            self._watch(Embedded(tuple(batch.products), prepared.embedded))
            self._to_write.put((batch, prepared))

    def _write(self) -> None:
        if (came := self._to_write.get()) is None:
            return
        batch, prepared = came
        self._step("write", batch, lambda: self._written(batch, prepared) or None)

    def _step(self, name: str, batch: Batch, action: Callable[[], T]) -> T | None:
        """What the action returns; None if the batch is dropped, and its products are then free again."""
        pulse = self.pulses[name]
        with pulse.working():
            done = through(
                action,
                MILVUS,
                ending=self._ending,
                watch=self._watch,
                pulse=pulse,
                wanted=lambda: batch.epoch == self._tracker.epoch,
            )
        if done is None:
            self._waiting.drop(batch)
        return done

    def _written(self, batch: Batch, prepared: Prepared) -> bool:
        """Write the batch as soon as that is allowed; False if its epoch ends before."""
        while batch.epoch == self._tracker.epoch and not self._ending.over:
            self.pulses["write"].beat()  # an outage of Kafka is no standstill
            if not self._lease.wait(batch.epoch, WAIT_S):
                continue
            try:
                with self._lease.writing(batch.epoch) as may_write:
                    self._end(batch, self._applier.write(prepared, may_write))
                    return True
            except Fenced:
                continue
        return False

    def _end(self, batch: Batch, applied: Sequence[Applied]) -> None:
        """All is written: partitions that are about to leave wait for this too, so that it is not done again."""
        self._settling.applied(applied)
        self._waiting.release(tuple(batch.products))
        for one in applied:
            for result in results(one, batch.products[one.product_id]):
                self._finish(one.product_id, result)

    def _finish(self, product_id: str, result: Result) -> None:
        record, rejects = result.record, result.rejects
        reasons = tuple(rejected.reason for rejected in rejects)
        ended = Settled(record.place, result.outcome, product_id, result.version, result.event_us, reasons, result.cut)
        if not rejects:
            self._settle(record, ended)
            return
        detail = "; ".join(f"picture {one.position}: {one.reason} {one.detail}".rstrip() for one in rejects)
        stage = "fetch" if reasons[0] in _OF_FETCHING else "embed"
        self._dead_letters.put(Bury(record, reasons[0], detail, stage, then=lambda: self._settle(record, ended)))

    def _may_have_killed(self, delivery: Delivery) -> bool:
        """Whether the record may have been under way when this process, or another of the group, ended last."""
        return delivery.record is not None and self._tracker.is_among_first(
            delivery.record.place, self._stream.in_flight_records
        )

    def _settle(self, record: Taken, ended: Settled) -> None:
        # Told before it counts: nothing that was not told is ever committed.
        if record.epoch == self._tracker.epoch:
            self._watch(ended)
            self._tracker.settle(record)

    def _hand_in_fallen(self) -> None:
        fallen = through(
            self._settling.due,
            MILVUS,
            ending=self._ending,
            watch=self._watch,
            pulse=self.pulses["read"],
            wanted=lambda: True,
        )
        for change in fallen or ():
            self._watch(Restored(change.product_id, change.event.version))
        self._waiting.add(Delivery(change, time.monotonic()) for change in fallen or ())


def _batches(stream: Stream) -> Batches:
    return Batches(most_products=stream.batch_size, most_bytes=stream.batch_bytes, age_s=stream.batch_age_s)
