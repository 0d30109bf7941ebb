"""Faults planted outside the code of the gates: each is found by its own gate, and the alias stays where it was."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine.embedding import Batch
from vitrine.errors import GateFailed
from vitrine.index import ledger
from vitrine.testing import FakeEmbedder

N = 100


@pytest.fixture
def serving(shop, drawn_pictures):
    """A shop that serves a first collection; the catalogue has other pictures since, and one that is broken."""
    shop.write({"product_id": ["a", "b"], "image": drawn_pictures[:2]})
    shop.run("first")
    ids = [f"p{number:02}" for number in range(N)]
    images = [drawn_pictures[number % 60] + bytes([number]) for number in range(N)]
    shop.write({"product_id": [*ids, "broken"], "image": [*images, b"<html>"]}, rows_per_group=34)
    return shop


def staged_files(shop, run: str) -> list[Path]:
    return sorted((shop.place / "work/runs" / run / "rows").glob("*.parquet"))


def stopped_between_embedding_and_loading(shop, run: str) -> None:
    """All units of the run are done, nothing is loaded: too many rejects for it, which a second start allows."""
    with pytest.raises(GateFailed, match="gate rejects failed"):
        shop.run(run, max_reject_ratio=0)


def assert_refused(shop, gate: str, run: str, **settings) -> None:
    before = shop.collections()
    with pytest.raises(GateFailed) as raised:
        shop.run(run, **settings)
    assert raised.value.gate == gate
    assert str(raised.value).startswith(f"gate {gate} failed: ")
    assert shop.collections() == before
    assert shop.served().name == "products__first"


def test_two_vectors_of_a_batch_exchanged_fail_the_canaries(serving) -> None:
    def make() -> FakeEmbedder:
        class Exchanging(FakeEmbedder):
            def embed(self, pictures):
                for batch in super().embed(pictures):
                    order = [1, 0, *range(2, len(batch.vectors))] if len(batch.vectors) > 1 else slice(None)
                    yield Batch(batch.keys, batch.rejects, batch.vectors[order])

        return Exchanging(dim=16)

    assert_refused(serving, "canaries", "second", make_embedder=make)
    report = serving.run("third", gates={"skip": ["canaries"]}, make_embedder=make)
    assert (report.embedded, report.reused) == (N, 0)
    assert serving.served().name == "products__third"


def test_a_staged_row_that_is_gone_fails_the_count(serving) -> None:
    stopped_between_embedding_and_loading(serving, "second")
    file = staged_files(serving, "second")[0]
    rows = pq.read_table(file)
    pq.write_table(rows.slice(1), file)
    few = {"canaries": 1}
    assert_refused(serving, "count", "second", gates=few)
    report = serving.run("second", gates={**few, "skip": ["count"]})
    assert (report.embedded, len(serving.vectors())) == (N, N - 1)
    assert serving.served().name == "products__second_2"


def test_a_ledger_row_that_is_lost_fails_the_count(serving, monkeypatch) -> None:
    whole = ledger.write
    monkeypatch.setattr(ledger, "write", lambda store, name, rows: whole(store, name, list(rows)[1:]))
    assert_refused(serving, "count", "second")


def test_a_row_that_is_staged_twice_is_refused_before_the_load(serving) -> None:
    stopped_between_embedding_and_loading(serving, "second")
    file = staged_files(serving, "second")[0]
    rows = pq.read_table(file)
    pq.write_table(pa.concat_tables([rows, rows.slice(0, 1)]), file)
    assert_refused(serving, "unique", "second")
    report = serving.run("second", gates={"skip": ["unique"]})
    assert serving.served().name == report.collection == "products__second"


def test_a_row_that_is_staged_in_two_files_is_refused_too(serving) -> None:
    stopped_between_embedding_and_loading(serving, "second")
    first, second = staged_files(serving, "second")[:2]
    pq.write_table(pa.concat_tables([pq.read_table(first), pq.read_table(second)]), first)
    assert_refused(serving, "unique", "second")


WEAK = {"index_params": {"M": 2, "efConstruction": 4}, "search_params": {"ef": 10}}


def test_a_weak_graph_fails_the_recall(serving, drawn_pictures) -> None:
    images = [drawn_pictures[n % 60] + n.to_bytes(2) for n in range(3_000)]
    serving.write({"product_id": [f"q{n:04}" for n in range(3_000)], "image": images}, rows_per_group=1_000)
    make = partial(FakeEmbedder, dim=16, batch_size=512)
    assert_refused(serving, "recall", "second", make_embedder=make, milvus=WEAK)
    report = serving.run("second", make, milvus=WEAK, gates={"skip": ["recall"]})
    assert (report.recall_at_10, report.embedded) == (None, 3_000)
    assert serving.served().name == "products__second_2"


def test_a_strong_graph_of_the_same_rows_passes(serving, drawn_pictures) -> None:
    images = [drawn_pictures[n % 60] + n.to_bytes(2) for n in range(3_000)]
    serving.write({"product_id": [f"q{n:04}" for n in range(3_000)], "image": images}, rows_per_group=1_000)
    report = serving.run("second", partial(FakeEmbedder, dim=16, batch_size=512))
    assert report.recall_at_10 is not None
    assert report.recall_at_10 >= 0.95


def test_vectors_of_a_failed_run_do_not_enter_the_feature_store(serving) -> None:
    def make() -> FakeEmbedder:
        class WrongInBatches(FakeEmbedder):
            def embed(self, pictures):
                for batch in super().embed(pictures):
                    yield Batch(
                        batch.keys, batch.rejects, batch.vectors * np.float32(1 if len(batch.keys) == 1 else -1)
                    )

        return WrongInBatches(dim=16)

    features = serving.place / "features"
    before = sorted(features.rglob("*.parquet"))
    assert_refused(serving, "canaries", "second", make_embedder=make)
    assert sorted(features.rglob("*.parquet")) == before
    assert serving.run("third").embedded == N


def test_an_interruption_after_the_load_leaves_nothing_behind(serving) -> None:
    def make() -> FakeEmbedder:
        from pyspark import TaskContext

        if TaskContext.get() is None:  # the driver, where the canaries are
            raise KeyboardInterrupt
        return FakeEmbedder(dim=16)

    before = serving.collections()
    with pytest.raises(KeyboardInterrupt):
        serving.run("second", make)
    assert (serving.collections(), serving.served().name) == (before, "products__first")
    report = serving.run("second")
    assert (report.embedded, report.collection, len(serving.vectors())) == (N, "products__second_2", N)
