"""The service in a thread of a test."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from streaming.moments import Assigned, Committed, Moment, Place, Settled
from streaming.service import run
from vitrine import broker
from vitrine.errors import VitrineError
from vitrine.events import Message
from vitrine.index.store import Store
from vitrine.settings import Kafka, Settings
from vitrine.testing import FakeEmbedder


class Member:
    """One service: what it was told, and how it ended."""

    def __init__(self, settings: Settings, store: Store, watch=lambda moment: None) -> None:
        self.moments: list[Moment] = []
        self.ended: BaseException | None = None
        self._watch_too = watch
        self._stop = threading.Event()
        self._settings, self._store = settings, store
        self._thread = threading.Thread(target=self._run)

    def start(self) -> "Member":
        """Begin."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._stop.set()
        self._thread.join(90)
        assert not self._thread.is_alive()

    def refusal(self) -> str:
        """What it says when it ends by itself."""
        self._thread.join(60)
        self.stop()
        assert isinstance(self.ended, VitrineError), self.ended
        return str(self.ended)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    @property
    def applied(self) -> Counter[Place]:
        """How often each record ended here."""
        return Counter(moment.place for moment in self.moments if isinstance(moment, Settled))

    @property
    def outcomes(self) -> Counter[str]:
        """How often records ended each way."""
        return Counter(str(moment.outcome) for moment in self.moments if isinstance(moment, Settled))

    @property
    def committed(self) -> dict[int, int]:
        """The offsets that were committed last."""
        return next((dict(one.offsets) for one in reversed(self.moments) if isinstance(one, Committed)), {})

    @property
    def partitions(self) -> set[int]:
        """What it was assigned last."""
        return next((set(one.offsets) for one in reversed(self.moments) if isinstance(one, Assigned)), set())

    def _run(self) -> None:
        try:
            run(
                self._settings,
                watch=self._watch,
                make_embedder=lambda model_id: FakeEmbedder(model_id, dim=16),
                open_store=lambda _: self._store,
                stop=self._stop,
            )
        except BaseException as error:  # noqa: BLE001  # the test looks at it
            self.ended = error

    def _watch(self, moment: Moment) -> None:
        self.moments.append(moment)
        self._watch_too(moment)


@contextmanager
def serving(settings: Settings, store: Store, watch=lambda moment: None) -> Iterator[Member]:
    """A member for the block; raises what ended it."""
    member = Member(settings, store, watch).start()
    try:
        yield member
    finally:
        member.stop()
    if member.ended:
        raise member.ended


def refused(settings: Settings, store: Store) -> str:
    """What the service says when it ends by itself."""
    return Member(settings, store).start().refusal()


def quick(kafka: Kafka, **stream: object) -> Settings:
    """Settings of a service that is quick to notice things."""
    return Settings(
        kafka=kafka,
        stream={"port": 0, "session_timeout_s": 6, "heartbeat_s": 0.5, "commit_every_s": 0.2, "settle_s": [], **stream},
    )


def publish(kafka: Kafka, messages: Sequence[Message]) -> None:
    """Send records, and wait until they have arrived."""
    with broker.Producer(kafka) as producer:
        for message in messages:
            producer.send(kafka.topic, message)


def dead_letters(kafka: Kafka) -> list[Message]:
    """What the dead-letter topic holds."""
    return [record.message for record in broker.records(kafka, kafka.dlq_topic)]
