"""The probe, and servers planted to fail it."""

import time

import pytest

from vitrine.errors import BadInput, Unavailable
from vitrine.index.bulk.choice import examine
from vitrine.index.bulk.probe import probe
from vitrine.settings import Milvus
from vitrine.storage import directory
from vitrine.testing import MemoryStore

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def place(tmp_path):
    return Milvus(uri="http://milvus:19530", import_uri=str(tmp_path / "imports"))


class Planted(MemoryStore):
    """A server with a fault in what it does with keys that were imported; `importer` knows which."""

    importer = None


class LosesDeletes(Planted):
    def delete(self, collection, keys):
        super().delete(collection, [key for key in keys if key not in self.importer.imported])


class UndoesDeletesWhenLoaded(Planted):
    """As Milvus before 2.6.16: right at first, wrong after a compaction, here at the flush."""

    def delete(self, collection, keys):
        gone = [row for row in self._find(collection).rows if row["image_id"] in set(keys)]
        self.lost = [*getattr(self, "lost", []), *gone]
        super().delete(collection, keys)

    def prepare(self, collection):
        self._find(collection).rows.extend(self.lost)


class LosesRows(Planted):
    def prepare(self, collection):
        del self._find(collection).rows[:7]


class LosesUpserts(Planted):
    def upsert(self, collection, rows):
        pass


def test_a_server_that_keeps_its_word_passes(memory, place):
    store, importer = memory

    assert probe(store, importer, place) == ""


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (LosesDeletes, "the probe found 500 deleted keys that have a row, 500 keys with several rows"),
        (UndoesDeletesWhenLoaded, "the probe found 500 deleted keys that have a row, 500 keys with several rows"),
        (LosesRows, "the probe found 7 keys without their row"),
        (LosesUpserts, "the probe found 500 keys without their row"),
    ],
)
def test_a_planted_fault_is_found(memory, place, kind, found):
    store = kind()
    store.importer = importer = type(memory[1])(store)

    assert probe(store, importer, place) == found


def test_nothing_is_left_of_a_probe(memory, place, tmp_path):
    store, importer = memory
    probe(store, importer, place)

    class Refusing(MemoryStore):
        def upsert(self, collection, rows):
            raise BadInput("no")

    broken = Refusing()
    with pytest.raises(BadInput, match=r"^no$"):
        probe(broken, type(importer)(broken), place)

    assert store.collections() == broken.collections() == []
    assert directory(str(tmp_path / "imports")).names() == []


def test_a_probe_that_loses_the_server_leaves_its_collection_and_one_an_hour_later_clears_it_away(
    memory, place, tmp_path, monkeypatch
):
    class Gone(MemoryStore):
        def upsert(self, collection, rows):
            raise Unavailable("gone")

    store = Gone()
    with pytest.raises(Unavailable):
        probe(store, type(memory[1])(store), place)
    (left,) = store.collections()
    files = directory(str(tmp_path / "imports"))
    assert files.names() == [f"probes/{left}.parquet"]

    with pytest.raises(Unavailable):
        probe(store, type(memory[1])(store), place)
    assert left in store.collections()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3_700)
    with pytest.raises(Unavailable):
        probe(store, type(memory[1])(store), place)
    (other,) = store.collections()
    assert other != left
    assert files.names() == [f"probes/{other}.parquet"]


def test_a_server_that_cannot_read_the_place_is_found_out(memory, place):
    store, importer = memory
    importer.submit = lambda collection, paths: type(importer).submit(importer, collection, ["/other/bucket.parquet"])

    with pytest.raises(BadInput, match=r"^import job 0 into vitrine_probe__\w+ failed: .*other/bucket"):
        probe(store, importer, place)


def test_a_version_that_is_known_to_lose_deletes_is_not_even_tried(memory, place):
    store, importer = memory
    importer.version = (2, 6, 14)

    assert examine(store, importer, place) == ("Milvus 2.6.14 is known to undo deletes of imported rows, before 2.6.16")
    assert importer.imported == set()
