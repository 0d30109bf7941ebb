"""What is left of imported rows after kill -9 of a real Milvus 2.3.5."""

import time
from collections import Counter

import pytest

from deploy.local import milvus, wheel
from vitrine.errors import Unavailable, VitrineError
from vitrine.index import bulk, load, schema
from vitrine.index.store import connect
from vitrine.settings import Milvus
from vitrine.storage import directory

KEPT, UPSERTED, DELETED = range(20), range(20, 40), range(40, 60)
RECOVERY_S = 120


@pytest.fixture
def server(require, tmp_path):
    if not wheel.installed():
        require("milvus", wheel.INSTALL)
    started = milvus.start(tmp_path / "server")
    yield started
    started.stop()


def eventually(read):
    """What `read` gives once the server answers again."""
    deadline = time.monotonic() + RECOVERY_S
    while True:
        try:
            return read()
        except (Unavailable, VitrineError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@pytest.mark.slow
def test_upserts_and_deletes_of_imported_rows_outlive_a_killed_server(server, tmp_path, picture, stage, unit):
    place = Milvus(uri=server.uri, token_file=server.token_file, import_uri=str(tmp_path))
    vectors = unit(60)
    files = stage({f"p{i}/0": vectors[i] for i in (*KEPT, *UPSERTED, *DELETED)})
    wanted = {(f"p{i}/0", 1): 1 for i in KEPT} | {(f"p{i}/0", 2): 1 for i in UPSERTED}

    def rows():
        with connect(place) as store:
            return Counter(
                (row["image_id"], row["version"]) for row in store.scan("shop", fields=["image_id", "version"])
            )

    with connect(place) as store:
        store.create("shop", schema.pictures(8), description="")
        bulk.import_rows(place, "shop", files, journal=directory(str(tmp_path / "journal")))
        load.finish(store, "shop")
        store.upsert("shop", [picture(f"p{i}/0", vectors[i], version=2) for i in UPSERTED])
        store.delete("shop", [f"p{i}/0" for i in DELETED])
        assert rows() == wanted
    server.restart()

    assert eventually(rows) == wanted
    with connect(place) as store:
        eventually(lambda: load.finish(store, "shop"))
    assert rows() == wanted
