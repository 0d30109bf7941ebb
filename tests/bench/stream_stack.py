"""What the bench of the stream runs: a real Milvus, a real Kafka, and the service in a process of its own."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread

import psutil

from deploy.local import kafka, milvus
from tests.bench import machine
from vitrine import broker
from vitrine.broker import Admin
from vitrine.index import collections
from vitrine.index.collections import Collection, Facts
from vitrine.index.store import Store, connect
from vitrine.settings import Kafka, Milvus, Settings

ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = 2
LOOK_EVERY_S = 0.25
_START_S = 300.0
_STOP_S = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """A look at the service: records committed and published, its resident memory, CPU-seconds with its children."""

    at_s: float
    committed: int
    published: int
    rss_bytes: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Stack:
    """Both servers, for one topic and one collection."""

    settings: Settings
    store: Store
    admin: Admin
    view: Collection

    @property
    def topic(self) -> str:
        """The topic of listing events."""
        return self.settings.kafka.topic

    def committed(self) -> int:
        """Records that the group of the view has committed."""
        return sum(self.admin.committed(f"vitrine.{self.view.name}", self.topic).values())

    def published(self) -> int:
        """Records in the topic."""
        return sum(self.admin.ends(self.topic).values())

    def rows(self) -> int:
        """Rows of the view."""
        return self.store.count(self.view.name)

    def case(self, name: str, *, model_id: str, dim: int) -> "Stack":
        """The same servers with a topic and a collection of that name, both new."""
        kafka = self.settings.kafka.model_copy(update={"topic": f"bench-{name}", "dlq_topic": f"bench-{name}.dlq"})
        alias = f"bench_{name}"
        settings = self.settings.model_copy(
            update={"kafka": kafka, "milvus": self.settings.milvus.model_copy(update={"alias": alias})}
        )
        self.admin.create_topics(kafka, partitions=PARTITIONS)
        view = collections.create(self.store, Facts(alias, "r", model_id, dim, "2026-01-01T00:00:00Z"))
        for made in view.names:
            self.store.prepare(made)
        collections.swap(self.store, alias, view.name)
        return replace(self, settings=settings, view=view)


@contextmanager
def servers() -> Iterator[Stack]:
    """Start both, with directories of their own, until the block ends."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vitrine-bench-")))
        database = milvus.start(home / "milvus")
        stack.callback(database.stop)
        events = kafka.start(home / "kafka")
        stack.callback(events.stop)
        settings = Settings(
            milvus=Milvus(uri=database.uri, token_file=database.token_file),
            kafka=Kafka(bootstrap=[events.bootstrap]),
        )
        store = stack.enter_context(connect(settings.milvus))
        admin = stack.enter_context(broker.admin(settings.kafka))
        yield Stack(settings, store, admin, Collection("", "", Facts("", "", "", 0, "")))


class Service:
    """The service as a process: `python -m streaming`, or with a fake embedder of so many dimensions."""

    def __init__(self, stack: Stack, options: Sequence[str] = (), *, fake_dim: int = 0) -> None:
        milvus, kafka = stack.settings.milvus, stack.settings.kafka
        flags = [
            f"--milvus.uri={milvus.uri}",
            f"--milvus.token_file={milvus.token_file}",
            f"--milvus.alias={milvus.alias}",
            f"--kafka.bootstrap={kafka.bootstrap[0]}",
            f"--kafka.topic={kafka.topic}",
            f"--kafka.dlq_topic={kafka.dlq_topic}",
            "--port=0",
            "--member=bench",
            *options,
        ]
        program = (
            [str(ROOT / "tests" / "bench" / "stream_member.py"), str(fake_dim)] if fake_dim else ["-m", "streaming"]
        )
        self._stack = stack
        self._child = subprocess.Popen([sys.executable, *program, *flags], cwd=ROOT)
        self._process = psutil.Process(self._child.pid)

    def ready(self) -> None:
        """Wait until it is a member of its group, which it joins when its model is warm."""
        end_s = time.monotonic() + _START_S
        while not self._stack.admin.members(f"vitrine.{self._stack.view.name}"):
            if self._child.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError(f"the service did not start, its exit code is {self._child.poll()}")
            time.sleep(LOOK_EVERY_S)

    def look(self, started_s: float) -> Sample:
        """How it is now."""
        family = machine.family(self._process)
        return Sample(
            at_s=round(time.monotonic() - started_s, 2),
            committed=self._stack.committed(),
            published=self._stack.published(),
            rss_bytes=self._process.memory_info().rss,
            cpu_s=round(sum(machine.cpu_seconds(family).values()), 2),
        )

    def kill(self) -> None:
        """End it with SIGKILL."""
        for one in machine.family(self._process):
            one.kill()
        self._child.wait()

    def stop(self) -> None:
        """Let it finish, commit and leave."""
        self._child.terminate()
        self._child.wait(_STOP_S)


@contextmanager
def serving(stack: Stack, options: Sequence[str] = (), *, fake_dim: int = 0) -> Iterator[Service]:
    """Run the service until the block ends."""
    service = Service(stack, options, fake_dim=fake_dim)
    try:
        service.ready()
        yield service
    except BaseException:
        service.kill()
        raise
    service.stop()


@contextmanager
def watching(service: Service) -> Iterator[list[Sample]]:
    """Look at the service again and again inside `with`; gives the list that grows."""
    samples: list[Sample] = []
    ended, started_s = Event(), time.monotonic()

    def look() -> None:
        while not ended.wait(LOOK_EVERY_S):
            samples.append(service.look(started_s))

    thread = Thread(target=look)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def until_committed(stack: Stack, records: int, within_s: float = 600.0) -> None:
    """Wait until so many records are committed."""
    end_s = time.monotonic() + within_s
    while stack.committed() < records:
        if time.monotonic() > end_s:
            raise RuntimeError(f"{stack.committed()} of {records} records were committed within {within_s:.0f} s")
        time.sleep(LOOK_EVERY_S)
