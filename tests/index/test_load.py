import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine.index import schema, staged
from vitrine.index.filters import where
from vitrine.index.load import finish, load_rows
from vitrine.testing import MemoryStore


class Calls(MemoryStore):
    """A store that notes how many rows each insert carried."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def insert(self, collection, rows):
        self.sizes.append(len(rows))
        super().insert(collection, rows)


@pytest.fixture
def calls():
    store = Calls()
    store.create("shop__1", schema.pictures(8), description="")
    return store


def test_staged_rows_are_in_the_collection_as_they_were_staged(store, stage, unit):
    vectors = unit(5)
    files = stage({f"a/{i}": vectors[i] for i in range(3)}, {f"b/{i}": vectors[3 + i] for i in range(2)})
    store.create("shop__1", schema.pictures(8), description="")

    assert load_rows(store, "shop__1", files, insert_bytes=10_000) == 5
    finish(store, "shop__1")

    rows = store.query("shop__1", where("product_id", ["a", "b"]), fields=schema.pictures(8).names)
    by_id = {row["image_id"]: row for row in rows}
    assert np.allclose([by_id[f"a/{i}"]["vector"] for i in range(3)], vectors[:3])
    assert by_id["b/1"]["attributes"] == {}
    assert store.count("shop__1") == 5


def test_calls_are_bounded_by_bytes(calls, stage, unit):
    files = stage({f"a/{i}": vector for i, vector in enumerate(unit(100))})

    load_rows(calls, "shop__1", files, insert_bytes=10_000)

    row_bytes = 200 + 8 * 4 + len("a/10" + "a" + "00" * 32 + "{}")
    assert set(calls.sizes[:-1]) == {10_000 // row_bytes}
    assert sum(calls.sizes) == 100


def test_a_row_larger_than_a_call_goes_alone(calls, stage, unit):
    load_rows(calls, "shop__1", stage({f"a/{i}": vector for i, vector in enumerate(unit(3))}), insert_bytes=1)

    assert calls.sizes == [1, 1, 1]


def test_progress_hears_of_every_row(calls, stage, unit):
    heard = []
    files = stage({f"a/{i}": vector for i, vector in enumerate(unit(100))})

    load_rows(calls, "shop__1", files, insert_bytes=10_000, progress=heard.append)

    assert heard == calls.sizes


def test_no_rows_are_loaded_from_no_files_and_from_empty_ones(calls, tmp_path):
    empty = str(tmp_path / "empty.parquet")
    pq.write_table(schema.ROW_SCHEMA(8).empty_table(), empty)

    assert load_rows(calls, "shop__1", [], insert_bytes=10_000) == 0
    assert load_rows(calls, "shop__1", [empty], insert_bytes=10_000) == 0
    assert calls.count("shop__1") == 0


def test_vectors_of_a_sliced_batch_are_its_own(unit):
    vectors = unit(4)
    batch = pa.RecordBatch.from_pylist([{"vector": list(vector)} for vector in vectors])

    assert np.array_equal(staged.vectors(batch.slice(1, 2)).astype(np.float32), vectors[1:3])


def test_staged_files_are_read_by_uri_too(stage, unit):
    [file] = stage({"a/0": unit(1)[0]})

    [batch] = staged.read([f"file://{file}"], ["image_id"])

    assert batch.to_pydict() == {"image_id": ["a/0"]}
