"""A run of the real service: a topic, a shop, members, faults, and the evidence of it all."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deploy.local.kafka import Server as KafkaServer
from deploy.local.milvus import Server as MilvusServer
from tests.streaming.proof.brokers_eye import produce, records
from tests.streaming.proof.evidence import Bounds, Evidence
from tests.streaming.proof.eyes import Eyes
from tests.streaming.proof.members import Member
from tests.streaming.proof.orders import Orders
from tests.streaming.proof.shops_eye import Shop, make_shop
from tests.streaming.proof.wire import Sent
from vitrine.settings import Kafka, Milvus

SESSION_S = 6.0
QUICK = {
    "session_timeout_s": SESSION_S,
    "heartbeat_s": 1.0,
    "batch_size": 16,
    "batch_age_s": 0.1,
    "in_flight_records": 128,
    "drain_s": 5.0,
    "port": 0,
}
"""Small batches and a short session, so that a run of a minute has many of each and faults are soon noticed."""
CATCH_UP_S = 120.0


@dataclass(frozen=True, slots=True)
class Servers:
    """Where a run happens: settings with a topic and an alias of its own; what is killed is the run's own, too."""

    kafka: Kafka
    milvus: Milvus
    broker: KafkaServer | None = None
    database: MilvusServer | None = None


Fault = Callable[["Stage"], None]


@dataclass(frozen=True, slots=True)
class Play:
    """What is taken in, how fast, under which fault; `rest_s` is how long it rests in the end, for what heals later."""

    sent: Sequence[Sent]
    fault: Fault
    per_second: float = 40.0
    immortal: frozenset[str] = frozenset()
    plant: str = "none"
    real: bool = False
    model_id: str = "fake"
    dim: int = 16
    rest_s: float = 0.0
    look_every_s: float = 0.5
    stream: Mapping[str, Any] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=lambda: Bounds(in_flight=128, caught_up_s=CATCH_UP_S, idle_s=60.0))


class Stage:
    """What a fault can touch while a run lasts."""

    def __init__(self, place: Path, servers: "Servers", eyes: Eyes, play: "Play", producing: "Future[None]") -> None:
        self.place, self.servers, self.eyes, self.play, self.producing = place, servers, eyes, play, producing
        self.members: list[Member] = []
        self.outages: list[tuple[float, float]] = []

    def start(self, **orders: Any) -> Member:
        """Start a member, as this run's members are."""
        told = replace(Orders(plant=self.play.plant, real=self.play.real, dim=self.play.dim), **orders)
        settings = {
            "kafka": self.servers.kafka.model_dump(mode="json", exclude_none=True),
            "milvus": self.servers.milvus.model_dump(mode="json", exclude_none=True),
            "work": str(self.place),
            "stream": {**QUICK, **self.play.stream, "member": told.static},
        }
        self.members.append(Member(self.place, f"member-{len(self.members) + 1}", told, settings))
        return self.members[-1]

    @contextmanager
    def outage(self, extra_s: float = 0.0) -> Iterator[None]:
        """A time in which nobody is to blame for what is not there."""
        start = time.monotonic()
        yield
        self.outages.append((start, time.monotonic() + extra_s))

    def done(self) -> int:
        """Records that members have finished so far, each time counted."""
        return sum(member.done() for member in self.members)

    def until(self, condition: Callable[[], object], what: str, within_s: float = CATCH_UP_S) -> None:
        """Wait for something that a fault needs; a run in which it never comes has failed."""
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                words = "\n".join(f"{member.name}: {member.words()}" for member in self.members[-3:])
                raise AssertionError(f"{what} did not happen within {within_s:.0f} s\n{words}")
            time.sleep(0.1)


def perform(play: Play, place: Path, servers: Servers) -> Evidence:
    """Produce everything while the fault happens, wait until all is taken in, end the members; say what was seen."""
    make_shop(servers.milvus, model_id=play.model_id, dim=play.dim, run="first")
    with _eyes(servers, play) as eyes, ThreadPoolExecutor(1) as hands:
        producing = hands.submit(produce, servers.kafka, play.sent, per_second=play.per_second)
        stage = Stage(place, servers, eyes, play, producing)
        try:
            play.fault(stage)
            producing.result()
            healed_at = time.monotonic()
            _settle(stage)
            settled_at = time.monotonic()
            require_none_left_by_itself(stage.members)
            for member in stage.members:
                if member.alive:
                    member.finish()
            eyes.look_once_more()
        finally:
            for member in stage.members:
                if member.alive:
                    member.kill()
    return _evidence(stage, healed_at=healed_at, settled_at=settled_at)


def _eyes(servers: Servers, play: Play) -> Eyes:
    return Eyes(servers.kafka, servers.milvus, dim=play.dim, every_s=play.look_every_s)


def _settle(stage: Stage) -> None:
    """Wait until all is committed, while anybody works at it; what never is, the checker finds."""
    deadline = time.monotonic() + stage.play.bounds.caught_up_s
    while not stage.eyes.all_committed() and time.monotonic() < deadline:
        if not any(member.alive for member in stage.members):
            break
        time.sleep(0.2)
    time.sleep(stage.play.rest_s)


def require_none_left_by_itself(members: Sequence[Member]) -> None:
    """No outage and no record may end the service: whoever is gone was ended, or awaited, by the fault."""
    for member in members:
        assert member.alive or member.stop, f"{member.name} ended by itself: {member.words()}"


def _evidence(stage: Stage, *, healed_at: float, settled_at: float) -> Evidence:
    with closing(Shop(stage.servers.milvus, stage.play.dim)) as shop:
        serving = shop.serving()
        collections = {look.collection for look in stage.eyes.looks if look.collection}
        views = {collection: shop.view(collection) for collection in collections}
    entries = [entry for member in stage.members for entry in member.entries()]
    return Evidence(
        records(stage.servers.kafka, stage.servers.kafka.topic),
        records(stage.servers.kafka, stage.servers.kafka.dlq_topic),
        views,
        serving,
        journal=sorted(entries, key=lambda entry: entry.at),
        commits=stage.eyes.commits,
        looks=stage.eyes.looks,
        stops=[member.stop for member in stage.members if member.stop],
        outages=stage.outages,
        healed_at=healed_at,
        settled_at=settled_at,
        immortal=stage.play.immortal,
        bounds=stage.play.bounds,
    )
