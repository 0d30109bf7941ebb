import json

import pytest

from vitrine.errors import BadInput, Unavailable
from vitrine.index import schema
from vitrine.index.bulk.loading import outwait, submit
from vitrine.settings import Milvus
from vitrine.storage import directory


@pytest.fixture
def journal(tmp_path):
    return directory(str(tmp_path / "journal"))


def journalled(journal):
    return [json.loads(journal.read(name))["job"] for name in journal.names()]


def test_files_are_shared_out_to_jobs_as_the_server_takes_them(memory, journal, stage, unit):
    store, importer = memory
    store.create("shop__1", schema.pictures(8), description="")
    files = stage(*({f"p{i}/0": vector} for i, vector in enumerate(unit(5))))

    jobs = submit(importer, "shop__1", files, journal=journal)

    assert [importer.state(job).rows for job in jobs] == [2, 2, 1]
    assert store.count("shop__1") == 5


def test_a_job_is_journalled_before_the_next_is_asked_for(journal):
    noted = []

    class Dying:
        files_per_job = 1

        def submit(self, collection, paths):
            noted.append(journalled(journal))
            if paths == ["c"]:
                raise Unavailable("gone")
            return f"job-{paths[0]}"

    with pytest.raises(Unavailable):
        submit(Dying(), "shop__1", ["a", "b", "c"], journal=journal)

    assert noted == [[], ["job-a"], ["job-a", "job-b"]]
    assert journalled(journal) == ["job-a", "job-b"]


def test_jobs_of_several_attempts_are_kept_apart(memory, journal):
    _, importer = memory
    for collection in ("shop__1", "shop__1_2"):
        submit(importer, collection, ["nowhere.parquet"], journal=journal)

    assert journalled(journal) == ["0", "1"]


def test_more_jobs_than_milvus_keeps_are_refused_before_any_is_asked_for(memory, journal):
    _, importer = memory

    with pytest.raises(BadInput, match=r"^2049 files are more than 1024 import jobs: set milvus\.load to insert$"):
        submit(importer, "shop__1", ["a"] * 2049, journal=journal)

    assert journal.names() == []


def test_nothing_is_asked_where_nothing_is_journalled(journal):
    assert outwait(Milvus(uri="http://127.0.0.1:9"), journal) == 0
