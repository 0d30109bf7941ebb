from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.index.bulk.stand_in import TOKEN, Stand, serving
from vitrine.errors import BadInput
from vitrine.index.bulk import connections, watching
from vitrine.index.bulk.importer import Importer, JobState, Phase
from vitrine.index.bulk.over_rest import RestImporter
from vitrine.index.store import Store
from vitrine.settings import Milvus
from vitrine.testing import MemoryStore


class MemoryImporter:
    """An Importer of a MemoryStore; like a server it replaces nothing. `imported` are the keys it wrote."""

    version = (2, 6, 16)
    files_per_job = 2

    def __init__(self, store: Store) -> None:
        self.imported: set[str] = set()
        self._store = store
        self._jobs: list[JobState] = []

    def submit(self, collection: str, paths: Sequence[str]) -> str:
        try:
            rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
            self._store.insert(collection, rows)
            self.imported |= {row["image_id"] for row in rows}
            self._jobs.append(JobState(Phase.DONE, len(rows), 100))
        except (OSError, BadInput) as error:
            self._jobs.append(JobState(Phase.FAILED, reason=str(error)))
        return str(len(self._jobs) - 1)

    def state(self, job: str) -> JobState:
        return self._jobs[int(job)]


@pytest.fixture
def memory() -> tuple[MemoryStore, MemoryImporter]:
    """A store in memory, and the importer that fills it."""
    store = MemoryStore()
    return store, MemoryImporter(store)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are asked for without waiting in between."""
    monkeypatch.setattr(watching, "POLL_S", 0.01)
    monkeypatch.setattr(watching, "LONGEST_POLL_S", 0.01)


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """The stand-in of a server's REST import; its bucket is `tmp_path/bucket`."""
    with serving(Stand(tmp_path / "bucket")) as running:
        yield running


@pytest.fixture
def over_http(stand: Stand) -> Iterator[Callable[..., Importer]]:
    """`over_http(token=..., timeout_s=...)`: an importer that asks the stand-in."""
    opened = []

    def connect(**settings: object) -> Importer:
        opened.append(connections.client(Milvus(uri=stand.uri, **{"token": TOKEN, **settings})))  # type: ignore[arg-type]
        return RestImporter(opened[-1], (2, 6, 16))

    yield connect
    for client in opened:
        client.close()
