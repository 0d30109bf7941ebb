from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.streaming.proof.stage import Servers

if TYPE_CHECKING:
    from tests.brokers import Topics
    from vitrine.settings import Milvus

PARTITIONS = 3
ALIAS = "proof"


@pytest.fixture
def servers(kafka: "Topics", on_server: "Milvus") -> Servers:
    """The servers of the whole test run, with a topic and an alias of the test's own."""
    return Servers(kafka(partitions=PARTITIONS), on_server.model_copy(update={"alias": ALIAS}))


@pytest.fixture
def mortal(servers: Servers, tmp_path: Path) -> Iterator[Callable[[str], Servers]]:
    """`mortal("broker")`, `mortal("database")`: as `servers`, but that one is the test's own and may be killed."""
    from deploy.local import kafka, milvus
    from tests.brokers import topics_on
    from vitrine.settings import Milvus

    with ExitStack() as started:

        def serve(which: str) -> Servers:
            if which == "broker":
                broker = kafka.start(tmp_path / "broker")
                started.callback(broker.stop)
                return Servers(topics_on(broker, PARTITIONS), servers.milvus, broker=broker)
            if which == "database":
                database = milvus.start(tmp_path / "database")
                started.callback(database.stop)
                own = Milvus(uri=database.uri, token_file=database.token_file, alias=ALIAS)
                return Servers(servers.kafka, own, database=database)
            return servers

        yield serve
