"""Fixtures of a real Kafka broker: one for the whole run, with topics of its own for each test."""

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from deploy.local.kafka import Server
    from vitrine.settings import Kafka

LEAKY = [pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"), pytest.mark.leaky]
"""Marks of tests in which a connection fails: the library leaves its socket to the garbage collector."""


class Topics(Protocol):
    """Makes a topic of listings and one of dead letters with names of their own, and gives the settings of both."""

    def __call__(self, partitions: int = 1, **changes: object) -> "Kafka": ...


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark of `LEAKY` known."""
    config.addinivalue_line("markers", "leaky: leaves sockets to the garbage collector, which is run after it")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Collect what a leaky test left, before another is blamed for it; its log holds on to that to its very end."""
    result = yield
    if item.get_closest_marker("leaky"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
    return result


@pytest.fixture(scope="session")
def kafka_server(
    require: Callable[[str, str], NoReturn], tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Server]":
    """One real broker for the whole run; its callers choose names of their own, and do not stop it."""
    yield from _started(require, tmp_path_factory.mktemp("kafka"))


@pytest.fixture(scope="session")
def _second_server(
    require: Callable[[str, str], NoReturn], tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Server]":
    yield from _started(require, tmp_path_factory.mktemp("mortal"))


@pytest.fixture
def mortal_kafka(_second_server: "Server") -> "Server":
    """A running broker that the test may kill; it runs again for the next one."""
    if not _second_server.alive():
        _second_server.restart()
    return _second_server


def _started(require: Callable[[str, str], NoReturn], place: Path) -> "Iterator[Server]":
    from deploy.local import jars, kafka

    if jars.missing():
        require("kafka", f"no {jars.missing()}: {jars.INSTALL}")
    server = kafka.start(place)
    yield server
    server.stop()


@pytest.fixture
def kafka(kafka_server: "Server") -> Iterator[Topics]:
    """`kafka(partitions=1, **changes)`: settings that name the broker and two new topics, gone after the test."""
    from vitrine import broker
    from vitrine.errors import VitrineError

    made: list[Kafka] = []

    def make(partitions: int = 1, **changes: object) -> "Kafka":
        made.append(topics_on(kafka_server, partitions, **changes))
        return made[-1]

    yield make
    for settings in made:
        with suppress(VitrineError), broker.admin(settings) as admin:
            admin.drop_topics([settings.topic, settings.dlq_topic])


def topics_on(server: "Server", partitions: int = 1, **changes: object) -> "Kafka":
    """Settings for a broker of the test's own, with two new topics on it."""
    from vitrine import broker
    from vitrine.settings import Kafka

    name = f"listings-{uuid4().hex[:12]}"
    plain = {"bootstrap": [server.bootstrap], "topic": name, "dlq_topic": f"{name}.dlq"}
    settings = Kafka(**{**plain, **changes})  # type: ignore[arg-type]
    with broker.admin(settings) as admin:
        admin.create_topics(settings, partitions=partitions)
    return settings
