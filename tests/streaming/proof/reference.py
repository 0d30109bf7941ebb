"""A tiny stream in one thread, for checking the checker: what the real service does, without its engines.

A member polls, batches, reads, writes and commits in steps that a seed puts in some order, with kills, rebalances and
graceful stops between. `Plant` names the ways in which such a service is got wrong.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import Any

from tests.streaming.proof.evidence import Bounds, CommitSample, Entry, Evidence, Look, Stop, View
from tests.streaming.proof.reference_view import MemoryView, Row
from tests.streaming.proof.wire import DEAD, PARTLY, Listing, Record, Sent, read
from vitrine.testing import FakeEmbedder

PARTITIONS = 3
GROUP, COLLECTION = "vitrine.shop", "shop"
BATCH, POLL = 6, 5
WRITES_AGO = 6


class Plant(StrEnum):
    """A rule that is left out."""

    NONE = "none"
    NO_SEEK = "no seek on assignment"
    COMMIT_FIRST = "commit before write"
    NO_GUARD = "no guard"
    BOUNDED = "Bounded guard"
    NO_COALESCING = "no coalescing"
    TWO_BATCHES = "two batches of one product at once"
    STORED_LIST = "deletes by a stored list"
    BYTES_LOST = "bytes of superseded events thrown away"
    DLQ_UNACKNOWLEDGED = "DLQ not acknowledged"
    EQUAL_DROPPED = "equal version dropped"


@dataclass(slots=True)
class Change:
    """What a batch does to a product; `pictures` are those of all its events there."""

    listing: Listing
    pictures: dict[str, bytes]
    stated: tuple[dict[int, Row], Row | None] = field(default_factory=lambda: ({}, None))
    stale: bool = False


@dataclass(slots=True)
class Batch:
    """Records on their way: formed, read (1), half written (2)."""

    records: list[Record]
    changes: list[Change]
    stage: int = 0


class World:
    """Topic, dead letters, view and broker, and all that is seen of them."""

    def __init__(self, sent: Sequence[Sent]) -> None:
        self.log: dict[int, list[Record]] = {partition: [] for partition in range(PARTITIONS)}
        for one in sent:
            partition = sum(one.key or b"") % PARTITIONS
            self.log[partition].append(Record(one.key, one.value, one.headers, partition, len(self.log[partition])))
        self.view = MemoryView()
        self.committed: dict[int, int] = dict.fromkeys(self.log, 0)
        self.dead: list[Record] = []
        self.journal: list[Entry] = []
        self.commits: list[CommitSample] = []
        self.looks: list[Look] = []
        self.stops: list[Stop] = []
        self.clock = 0

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def say(self, member: str, what: str, **facts: Any) -> None:
        self.journal.append(Entry(self.tick(), member, what, {"collection": COLLECTION, **facts}))

    def bury(self, record: Record) -> None:
        origin = (("x-dlq.partition", b"%d" % record.partition), ("x-dlq.offset", b"%d" % record.offset))
        self.dead.append(replace(record, headers=(*record.headers, *origin)))

    def look(self) -> None:
        rows, ledger = self.view.now
        live: dict[str, int] = {}
        for row in rows.values():
            live[row["product_id"]] = max(row["version"], live.get(row["product_id"], row["version"]))
        deleted = {product_id: row["version"] for product_id, row in ledger.items() if row["deleted"]}
        self.looks.append(Look(self.tick(), COLLECTION, live, deleted))
        ends = {partition: len(records) for partition, records in self.log.items()}
        self.commits.append(CommitSample(self.tick(), GROUP, dict(self.committed), ends))

    def evidence(self, **more: Any) -> Evidence:
        rows, ledger = self.view.now
        view = View(GROUP, list(rows.values()), list(ledger.values()), len(rows))
        records = [record for records in self.log.values() for record in records]
        seen = (self.journal, self.commits, self.looks, self.stops)
        # The clock counts steps here, so nothing can be late.
        bounds = Bounds(in_flight=POLL * BATCH, idle_s=self.clock)
        return Evidence(records, self.dead, {COLLECTION: view}, COLLECTION, *seen, bounds=bounds, **more)


class Member:
    """One consumer of all partitions."""

    def __init__(self, world: World, name: str, plant: Plant) -> None:
        self.world, self.name, self.plant = world, name, plant
        self.position = dict(world.committed)
        self.waiting: list[Record] = []
        self.batches: list[Batch] = []
        self.unsent: list[Record] = []
        self.open: dict[int, set[int]] = {partition: set() for partition in world.log}
        self.last_known: dict[str, int] = {}
        self.calls = 0

    def poll(self, partition: int) -> None:
        start = self.position[partition]
        records = self.world.log[partition][start : start + POLL]
        self.position[partition] += len(records)
        self.open[partition] |= {record.offset for record in records}
        self.waiting += records

    def form(self) -> None:
        """A batch of what waits; a product that is in another batch waits on."""
        busy = {change.listing.product_id for batch in self.batches for change in batch.changes}
        taken: list[Record] = []
        for record in self.waiting:
            if len(taken) < BATCH and (
                record.label == DEAD or self.plant is Plant.TWO_BATCHES or _id(record) not in busy
            ):
                taken.append(record)
            elif record.label != DEAD:
                busy.add(_id(record))
        self.waiting = [record for record in self.waiting if record not in taken]
        if taken:
            self.batches.append(Batch(taken, self._changes([read(one) for one in taken if one.label != DEAD])))

    def advance(self, at: int) -> None:
        """One step of a batch; no batch overtakes the one before it."""
        batch = self.batches[at]
        if at and self.batches[at - 1].stage <= batch.stage:
            return
        step = (self._read, self._write_rows, self._write_ledger)[batch.stage]
        step(batch)
        batch.stage += 1
        if batch.stage == 3:
            self.batches.remove(batch)

    def commit(self) -> None:
        offsets = {
            partition: self.position[partition]
            if self.plant is Plant.COMMIT_FIRST
            else min(open_, default=self.position[partition])
            for partition, open_ in self.open.items()
        }
        self.world.say(
            self.name, "committing", offsets={str(partition): offset for partition, offset in offsets.items()}
        )
        self.world.committed = offsets

    def rebalance(self) -> None:
        """All partitions go and come back."""
        self.waiting, self.batches = [], []
        self.commit()
        self.open = {partition: set() for partition in self.open}
        if self.plant is not Plant.NO_SEEK:
            self.position = dict(self.world.committed)
        self.world.say(self.name, "assigned")

    def send_dead_letters(self) -> None:
        for record in self.unsent:
            self.world.bury(record)
        self.unsent = []

    def drain(self) -> None:
        """Finish all that was polled."""
        while self.waiting or self.batches:
            self.form()
            while self.batches:
                self.advance(0)
        self.send_dead_letters()
        self.commit()

    def _changes(self, listings: list[Listing]) -> list[Change]:
        if self.plant is Plant.NO_COALESCING:
            return [Change(listing, dict(listing.pictures)) for listing in listings]
        products: dict[str, list[Listing]] = defaultdict(list)
        for listing in listings:
            products[listing.product_id].append(listing)
        changes = []
        for events in products.values():
            newest = max(events, key=lambda one: (one.version, one.deleted))
            kept = [newest] if self.plant is Plant.BYTES_LOST else events
            changes.append(Change(newest, {sha: data for one in kept for sha, data in one.pictures.items()}))
        return changes

    def _read(self, batch: Batch) -> None:
        ago = WRITES_AGO if self.plant is Plant.BOUNDED else 0
        for change in batch.changes:
            change.stated = rows, ledger = self.world.view.stated(change.listing.product_id, writes_ago=ago)
            known = [row["version"] for row in rows.values()] + ([ledger["version"]] if ledger else [])
            stated, version = max(known, default=-1), change.listing.version
            deleted = bool(ledger and ledger["deleted"] and version == ledger["version"])
            lower = version < stated or (version == stated and self.plant is Plant.EQUAL_DROPPED)
            change.stale = self.plant is not Plant.NO_GUARD and (lower or (deleted and not change.listing.deleted))
            if change.stale and ledger and any(sha in change.pictures for _, sha, _ in ledger["missing"]["images"]):
                change.listing, change.stale = ledger["statement"], False

    def _write_rows(self, batch: Batch) -> None:
        """Rows first; of what has none in the end the ledger first."""
        plans = [(change, _rows(change)) for change in batch.changes if not change.stale]
        self._write([(change, rows) for change, rows in plans if rows])
        for change, rows in plans:
            if not rows:
                self._note(change, rows)

    def _write_ledger(self, batch: Batch) -> None:
        for change in batch.changes:
            if not change.stale:
                rows = _rows(change)
                if rows:
                    self._note(change, rows)
                else:
                    self.world.view.delete(self._gone(change, rows))
                self.last_known[change.listing.product_id] = len(change.listing.images)
        for record in batch.records:
            self._settle(record, batch)

    def _write(self, plans: list[tuple[Change, list[Row]]]) -> None:
        rows = [row for _, own in plans for row in own]
        self._log([(row["product_id"], row["version"]) for row in rows])
        self.world.view.upsert(rows)
        for change, own in plans:
            self.world.view.delete(self._gone(change, own))

    def _gone(self, change: Change, rows: list[Row]) -> list[str]:
        product_id = change.listing.product_id
        if self.plant is Plant.STORED_LIST:
            had = range(self.last_known.get(product_id, 0))
        else:
            had = self.world.view.stated(product_id)[0] if self.plant is Plant.NO_COALESCING else change.stated[0]
        return [f"{product_id}/{position}" for position in had if position not in {row["position"] for row in rows}]

    def _note(self, change: Change, rows: list[Row]) -> None:
        listing, have = change.listing, {row["position"] for row in rows}
        missing = [[i, what, "image_unavailable"] for i, what in enumerate(listing.images) if i not in have]
        said = {"product_id": listing.product_id, "version": listing.version, "deleted": listing.deleted}
        whole = rows and not missing
        if not whole:
            self._log([(listing.product_id, listing.version)])
        self.world.view.note(
            listing.product_id, None if whole else {**said, "missing": {"images": missing}, "statement": listing}
        )

    def _log(self, stated: list[tuple[str, int]]) -> None:
        self.calls += 1
        self.world.say(self.name, "writing", call=self.calls, stated=stated)
        self.world.say(self.name, "written", call=self.calls)

    def _settle(self, record: Record, batch: Batch) -> None:
        if record.label in (DEAD, PARTLY):
            if self.plant is Plant.DLQ_UNACKNOWLEDGED:
                self.unsent.append(record)
            else:
                self.world.bury(record)
        outcome = "dead" if record.label == DEAD else "deleted" if read(record).deleted else "applied"
        self.world.say(self.name, "outcome", place=record.place, outcome=outcome)
        self.open[record.partition].discard(record.offset)


def run(
    sent: Sequence[Sent], seed: int, plant: Plant = Plant.NONE, *, immortal: frozenset[str] = frozenset()
) -> Evidence:
    """Take all records in, by members that are killed, stopped and rebalanced; then let the last one finish."""
    random, world = Random(seed), World(sent)
    members = 1
    member = Member(world, "member 1", plant)
    for _ in range(6 * len(sent)):
        step = random.choices(
            ("poll", "form", "advance", "commit", "look", "send", "rebalance", "kill", "stop"), _WEIGHTS
        )[0]
        if step in ("kill", "stop"):
            if step == "stop":
                member.drain()
            world.stops.append(Stop(world.tick(), member.name, graceful=step == "stop"))
            members += 1
            member = Member(world, f"member {members}", plant)
        else:
            _do(step, member, random)
    while any(member.position[partition] < len(records) for partition, records in world.log.items()):
        for partition in world.log:
            member.poll(partition)
        member.drain()
    member.drain()
    world.look()
    return world.evidence(immortal=immortal)


_WEIGHTS = (6, 6, 18, 3, 2, 2, 0.3, 0.3, 0.1)


def _do(step: str, member: Member, random: Random) -> None:
    match step:
        case "poll":
            if len(member.waiting) < BATCH:
                member.poll(random.randrange(PARTITIONS))
        case "form":
            member.form()
        case "advance":
            if member.batches:
                member.advance(random.randrange(len(member.batches)))
        case "commit":
            member.commit()
        case "look":
            member.world.look()
        case "send":
            member.send_dead_letters()
        case "rebalance":
            member.rebalance()


def _rows(change: Change) -> list[Row]:
    listing, have = change.listing, {row["image_sha256"]: row["vector"] for row in change.stated[0].values()}
    rows = []
    for position, sha in enumerate(() if listing.deleted else listing.images):
        vector = have.get(sha)
        if vector is None and sha in change.pictures:
            vector = _vector(change.pictures[sha])
        if vector is not None:
            key = {
                "image_id": f"{listing.product_id}/{position}",
                "product_id": listing.product_id,
                "position": position,
            }
            rows.append({**key, "version": listing.version, "image_sha256": sha, "vector": vector, **listing.facts})
    return rows


def _vector(picture: bytes) -> Any:
    (batch,) = FakeEmbedder().embed([("", picture)])
    return None if batch.rejects[0] else batch.vectors[0]


def _id(record: Record) -> str:
    assert record.key is not None
    return record.key.decode()
