"""The stages of applying: what they ask, tell and leave when they are stopped."""

import pytest

from streaming.changes import change
from streaming.moments import LedgerWritten, RowsWritten
from tests.streaming.shop import HASHES, Shop, delete, upsert
from vitrine.errors import BadRecord, ModelMismatch, VitrineError
from vitrine.events import sha256
from vitrine.product import Reason
from vitrine.testing import FakeEmbedder, MemoryStore


@pytest.fixture
def shop() -> Shop:
    return Shop(MemoryStore())


def test_thumbnails_are_made_of_new_pictures_that_have_a_vector_and_their_failures_lose_nothing():
    made = []

    def thumbnail(digest: str, data: bytes) -> None:
        made.append(digest)
        assert sha256(data) == digest
        raise OSError("disk full") if digest == HASHES["a"] else BadRecord(Reason.CORRUPT)

    shop = Shop(MemoryStore(), thumbnail=thumbnail)
    shop.take(upsert("p", 1, "A X"))
    shop.take(upsert("p", 2, "a @b"))

    assert made == [HASHES["a"], HASHES["b"]]
    assert shop.states("p") == "2: a b"


def test_a_collection_of_another_model_is_refused():
    shop = Shop(MemoryStore())

    with pytest.raises(ModelMismatch, match="holds vectors of model fake, not of model other"):
        type(shop.applier)(shop.store, shop.collection, FakeEmbedder("other", dim=16), shop.fetch)


class Fenced(VitrineError):
    pass


def test_every_call_that_writes_asks_first(shop):
    shop.take(upsert("p", 1, "A B"), upsert("q", 1, "A"), upsert("r", 1, "x"))
    before = snapshot(shop)
    prepared = shop.applier.embed(shop.applier.read([*map(change, [upsert("p", 2, "a x"), delete("q", 2)])]))
    calls = []

    def fenced() -> None:
        calls.append("asked")
        raise Fenced("gone")

    with pytest.raises(Fenced):
        shop.applier.write(prepared, fenced)

    assert snapshot(shop) == before
    assert calls == ["asked"]


def snapshot(shop):
    return [sorted(map(str, shop.store.scan(name, fields=["version"]))) for name in shop.collection.names]


def test_a_stage_may_be_called_again_with_what_it_was_given(shop):
    shop.take(upsert("p", 1, "A B"), upsert("q", 1, "A"))
    read = shop.applier.read([*map(change, [upsert("p", 2, "b C"), delete("q", 2)])])
    shop.applier.embed(read)
    prepared = shop.applier.embed(read)

    first = shop.applier.write(prepared, lambda: None)

    assert shop.applier.write(prepared, lambda: None) == first
    assert (shop.states("p"), shop.states("q")) == ("2: b c", "2: deleted")


def test_the_moments_between_rows_and_ledger_are_told():
    told = []
    shop = Shop(MemoryStore(), watch=told.append)

    shop.take(upsert("p", 2, "A"), delete("q", 1))
    shop.take(upsert("p", 1, "A"))

    assert told == [RowsWritten(("p", "q")), LedgerWritten(("p", "q"))]


def test_a_batch_of_more_rows_than_a_call_takes_is_written_whole():
    shop = Shop(MemoryStore())

    shop.take(*(upsert(f"p{i}", 1, "A B", attributes={"k": "v" * 30_000}) for i in range(150)))

    assert shop.store.count(shop.collection.name) == 300
