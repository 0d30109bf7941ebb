"""A pipeline without Kafka: records are put in by hand, and its dead letters lie in a list."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from streaming.applying import Applier
from streaming.careful import Careful
from streaming.dead_letters import DeadLetters, Names
from streaming.membership import Membership
from streaming.moments import Moment, Place, Settled
from streaming.pipeline import Pipeline
from streaming.settling import Settling
from tests.streaming.records import taken
from vitrine.embedding import Embedder
from vitrine.errors import BadRecord, Unavailable, VitrineError
from vitrine.events import DeadLetter, Message, exhume
from vitrine.index import collections
from vitrine.index.collections import Collection, Facts
from vitrine.index.store import Store
from vitrine.product import Reason
from vitrine.settings import Stream
from vitrine.testing import FakeEmbedder, MemoryStore


def made(store: Store) -> Collection:
    """A collection of the fake embedder's model with a name of its own, behind the alias `products`."""
    facts = Facts("products", uuid4().hex[:12], "fake", 16, "2026-01-01T00:00:00+00:00")
    collection = collections.create(store, facts)
    store.prepare(collection.name)
    store.prepare(collection.ledger)
    collections.swap(store, "products", collection.name)
    return collection


def eventually(holds: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s, "not within the time"
        time.sleep(0.01)


@dataclass
class Mailbox:
    """A `dead_letters.Sender` that acknowledges at once, not at all, or fails so often first."""

    acknowledges: bool = True
    most_bytes: int = 1 << 30
    failures: list[VitrineError] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)
    owed: list[Callable[[VitrineError | None], None]] = field(default_factory=list)

    def send(self, topic: str, message: Message, *, done: Callable[[VitrineError | None], None] | None = None) -> None:
        """See `Sender.send`."""
        assert topic == "listings.dlq"
        assert done is not None
        if len(message.value or b"") > self.most_bytes:
            raise BadRecord(Reason.TOO_LARGE)
        if self.failures:
            done(self.failures.pop())
            return
        self.sent.append(message)
        if self.acknowledges:
            done(None)
        else:
            self.owed.append(done)

    @property
    def letters(self) -> list[DeadLetter]:
        """What was sent."""
        return [exhume(message.key, message.value, message.headers) for message in self.sent]


class Plumbing:
    """A pipeline at work on a view; `take` puts records in, as partition 0 of an epoch whose lease holds."""

    def __init__(
        self,
        store: Store | None = None,
        *,
        mailbox: Mailbox | None = None,
        watch: Callable[[Moment], None] = lambda moment: None,
        embedder: Embedder | None = None,
        **stream: object,
    ) -> None:
        self.store = store or MemoryStore()
        self.collection = made(self.store)
        self.mailbox = mailbox or Mailbox()
        self.moments: list[Moment] = []
        settings = Stream.model_validate({"batch_age_s": 0.01, "settle_s": [], "session_timeout_s": 1_800, **stream})
        self._watch_too = watch
        member = Membership(settings, self._watch)
        self.ending, self.tracker, self.lease = member.ending, member.tracker, member.lease
        careful = Careful(embedder or FakeEmbedder(dim=16))
        names = Names("listings", "listings.dlq", self.collection.name, "fake")
        self.pipeline = Pipeline(
            Applier(self.store, self.collection, careful, _no_address, watch=self._watch),
            careful,
            Settling(self.store, self.collection, after_s=settings.settle_s, max_bytes=settings.settle_bytes),
            DeadLetters(self.mailbox, names, member),
            member,
        )
        self.begin()

    def begin(self) -> None:
        """Begin an epoch at offset 0, and renew the lease."""
        epoch = self.tracker.begin({0: 0})
        self.pipeline.forget()
        self.lease.renew(epoch, time.monotonic())

    def take(self, messages: Sequence[Message]) -> None:
        """Put in records, whose offsets go on from where those of the epoch ended."""
        first = self.tracker.positions()[0]
        records = [
            taken(first + n, epoch=self.tracker.epoch, message=message, at_s=time.monotonic())
            for n, message in enumerate(messages)
        ]
        assert all(map(self.tracker.polled, records))
        self.pipeline.put(records)

    def settled(self) -> dict[Place, Settled]:
        """How records ended so far."""
        return {moment.place: moment for moment in self.moments if isinstance(moment, Settled)}

    def outcomes(self) -> list[str]:
        """The same, by offset."""
        return [str(one.outcome) for _, one in sorted(self.settled().items())]

    def wait(self) -> None:
        """Wait until no record is under way, or all has ended."""
        eventually(lambda: self.ending.over or not self.tracker.load().records)

    def __enter__(self) -> "Plumbing":
        self.pipeline.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.stop()
        self.pipeline.join(10.0)

    def _watch(self, moment: Moment) -> None:
        self.moments.append(moment)
        self._watch_too(moment)


class FailingStore(MemoryStore):
    """A MemoryStore of which so many writes fail first, as in an outage."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.failures = failures

    def upsert(self, collection: str, rows: Sequence[dict[str, object]]) -> None:
        """See `Store.upsert`."""
        if self.failures:
            self.failures -= 1
            raise Unavailable("the server is away")
        super().upsert(collection, rows)


class SharedStore(MemoryStore):
    """A MemoryStore that several members may write at once."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.RLock()

    def upsert(self, collection: str, rows: Sequence[dict[str, object]]) -> None:
        """See `Store.upsert`."""
        with self._turn:
            super().upsert(collection, rows)

    def delete(self, collection: str, keys: Sequence[str]) -> None:
        """See `Store.delete`."""
        with self._turn:
            super().delete(collection, keys)

    def query(self, *args: object, **named: object) -> list[dict[str, object]]:
        """See `Store.query`."""
        with self._turn:
            return super().query(*args, **named)


def _no_address(uri: str) -> bytes:
    raise AssertionError(f"nothing is fetched here: {uri}")
