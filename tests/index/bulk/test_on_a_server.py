"""Bulk import and its probe on a real Milvus 2.3.5."""

import json
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrine.errors import BadInput
from vitrine.index import bulk, load, schema
from vitrine.index.bulk.importer import Phase, open_importer
from vitrine.index.bulk.loading import submit
from vitrine.index.filters import where
from vitrine.index.store import connect
from vitrine.settings import Milvus
from vitrine.storage import directory


@pytest.fixture
def place(milvus_server, tmp_path):
    return Milvus(uri=milvus_server.uri, token_file=milvus_server.token_file, import_uri=str(tmp_path))


@pytest.fixture
def store(place):
    with connect(place) as opened:
        yield opened


@pytest.fixture
def shop(store):
    """An empty collection for vectors of 8 dimensions."""
    name = f"bulk__{uuid4().hex[:8]}"
    store.create(name, schema.pictures(8), description="")
    yield name
    store.drop(name)


@pytest.fixture
def journal(tmp_path):
    return directory(str(tmp_path / "journal"))


def test_imported_rows_are_counted_read_and_found_like_inserted_ones(place, store, shop, journal, stage, unit):
    vectors = unit(5)
    parts = [{f"a/{i}": vectors[i] for i in range(3)}, {f"b/{i}": vectors[3 + i] for i in range(2)}]
    heard = []

    rows = bulk.import_rows(place, shop, stage(*parts), journal=journal, progress=heard.append)
    load.finish(store, shop)

    assert rows == sum(heard) == store.count(shop) == 5
    [row] = store.query(shop, where("image_id", "b/1"), fields=schema.pictures(8).names)
    [staged] = pq.read_table(stage(parts[1])[0]).slice(1, 1).to_pylist()
    assert np.array_equal(row.pop("vector"), np.float32(staged.pop("vector")))
    assert row == {**staged, "attributes": {}}
    [[(score, found)]] = store.search(shop, vectors[:1], 1, fields=["image_id"], strong=True)
    assert (found["image_id"], round(score, 4)) == ("a/0", 1.0)


def test_a_job_that_cannot_be_asked_for_may_still_run(journal):
    journal.write("a.json", json.dumps({"job": "1"}).encode())

    assert bulk.still_running(Milvus(uri="http://127.0.0.1:9", timeout_s=0.5), journal)


def test_each_job_is_journalled_and_outwaited(place, shop, journal, stage, unit):
    bulk.import_rows(place, shop, stage(*({f"p{i}/0": vector} for i, vector in enumerate(unit(2)))), journal=journal)
    journal.write("of-a-server-that-is-no-more.json", json.dumps({"job": "12345"}).encode())

    assert bulk.outwait(place, journal) == len(journal.names()) == 3


def test_a_job_is_known_to_run_until_it_has_ended(place, shop, journal, stage, unit):
    assert not bulk.still_running(place, journal)
    with open_importer(place) as importer:
        submit(importer, shop, stage({"a/0": unit(1)[0]}), journal=journal)

    assert bulk.still_running(place, journal)
    bulk.outwait(place, journal)
    assert not bulk.still_running(place, journal)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda table: table.drop_columns("position"), "there is no field in parquet file of name: position"),
        (lambda table: table.append_column("more", pa.array([1])), "the field: more is not in schema"),
        (
            lambda table: table.set_column(2, "position", table["position"].cast("int64")),
            "field schema is not match, collection field dataType: Int32, file field dataType:int64",
        ),
        (
            lambda table: table.set_column(3, "vector", pa.array([[1.0, 0.0]], pa.list_(pa.float32()))),
            "float vector is irregular",
        ),
    ],
)
def test_a_bad_file_fails_the_import_with_the_servers_reason(place, shop, journal, stage, unit, change, reason):
    [file] = stage({"a/0": unit(1)[0]})
    pq.write_table(change(pq.read_table(file)), file)

    with pytest.raises(BadInput, match=rf"^import job \d+ into {shop} failed: {reason}") as failed:
        bulk.import_rows(place, shop, [file], journal=journal)
    assert "\n" not in str(failed.value)


def test_a_request_that_the_server_refuses_is_told_in_one_line(place, shop, stage, unit):
    files = stage(*({f"p{i}/0": vector} for i, vector in enumerate(unit(2))))
    with open_importer(place) as importer, pytest.raises(BadInput, match=r"only accepts one file") as refused:
        importer.submit(shop, files)
    assert "\n" not in str(refused.value)


def test_a_wrong_token_is_a_wrong_setting(place):
    wrong = Milvus(uri=place.uri, token="root:wrong")
    with pytest.raises(BadInput, match=r"check milvus\.token "), open_importer(wrong) as importer:
        importer.state("1")


def test_an_unknown_job_counts_as_failed(place):
    with open_importer(place) as importer:
        assert importer.state("12345").phase is Phase.FAILED


def test_auto_imports_since_the_probe_passes_and_leaves_nothing(place, store, tmp_path):
    before = store.collections()

    assert str(bulk.choose(store, place)) == "import: the probe passed on Milvus 2.3.5"

    assert store.collections() == before
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.fixture
def planted(store):
    """The real store, but that deletes get lost on their way."""

    class Planted:
        def __getattr__(self, name):
            return getattr(store, name)

        def delete(self, collection, keys):
            pass

    return Planted()


def test_auto_inserts_where_the_probe_finds_a_planted_fault(place, planted):
    assert str(bulk.choose(planted, place)) == "insert: the probe found 500 deleted keys that have a row"


@pytest.mark.slow
def test_import_is_refused_where_the_probe_finds_a_planted_fault(place, planted):
    wish = place.model_copy(update={"load": "import"})
    with pytest.raises(
        BadInput, match=r"^milvus\.load is import, but the probe found 500 deleted keys that have a row"
    ):
        bulk.choose(planted, wish)
