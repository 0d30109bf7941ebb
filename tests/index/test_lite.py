import logging
import subprocess
import sys

import pytest

from vitrine.errors import BadSettings, Unavailable
from vitrine.index import lite, schema
from vitrine.index.filters import where
from vitrine.index.store import connect
from vitrine.settings import Milvus

OPEN = """
import sys
from vitrine.errors import Unavailable
from vitrine.index.store import connect
from vitrine.settings import Milvus
try:
    connect(Milvus(uri=sys.argv[1]))
except Unavailable as error:
    print(error)
"""


def test_what_was_written_is_there_when_the_file_is_opened_again(tmp_path, picture):
    place = Milvus(uri=str(tmp_path / "shop.db"))
    with connect(place) as store:
        store.create("shop__1", schema.pictures(2), description="facts")
        store.insert("shop__1", [picture("a/0", [1, 0])])
        store.point("shop", "shop__1")

    with connect(place) as store:
        assert store.resolve("shop") == "shop__1"
        assert store.description("shop__1") == "facts"
        assert store.query("shop__1", where("product_id", "a"), fields=["image_id"]) == [{"image_id": "a/0"}]


def test_a_second_process_is_told_in_one_line_that_the_file_is_open(tmp_path):
    path = tmp_path / "shop.db"
    with connect(Milvus(uri=str(path))):
        second = subprocess.run([sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=False)

    assert second.stderr == ""
    assert second.stdout.startswith(f"{path} is open in another program")
    assert second.stdout.count("\n") == 1


def test_a_second_connection_of_one_process_is_refused_alike(tmp_path):
    place = Milvus(uri=str(tmp_path / "shop.db"))
    with connect(place), pytest.raises(Unavailable, match="allows one at a time"):
        connect(place)


def test_closing_twice_is_closing_once(tmp_path):
    store = connect(Milvus(uri=str(tmp_path / "shop.db")))
    store.close()
    store.close()

    connect(Milvus(uri=str(tmp_path / "shop.db"))).close()


def test_a_path_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")

    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(BadSettings, match=r"milvus\.uri: .* is not a Milvus Lite 3 database"):
            connect(Milvus(uri=str(path)))

    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_a_path_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(BadSettings, match=r"milvus\.uri: cannot open .*file/shop\.db"):
        connect(Milvus(uri=str(tmp_path / "file" / "shop.db")))


def test_a_server_that_does_not_answer_is_unavailable():
    with pytest.raises(Unavailable, match=r"connecting to http://127\.0\.0\.1:9: "):
        connect(Milvus(uri="http://127.0.0.1:9", timeout_s=0.5))


def test_errors_are_raised_and_not_printed_as_well(lite, caplog, capfd):
    caplog.set_level(logging.DEBUG)

    assert lite.resolve("nowhere") is None

    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert capfd.readouterr() == ("", "")


def test_the_settings_of_the_index_reach_it(tmp_path, picture, unit):
    rows = [picture(f"p{i}/0", vector) for i, vector in enumerate(unit(1_000, 32))]
    shares = []
    for name, build, look in (
        ("good", {"M": 16, "efConstruction": 100}, 100),
        ("weak", {"M": 2, "efConstruction": 2}, 1),
    ):
        place = Milvus(uri=str(tmp_path / f"{name}.db"), index_params=build, search_params={"ef": look})
        with connect(place) as store:
            store.create("shop__1", schema.pictures(32), description="")
            store.insert("shop__1", rows)
            store.prepare("shop__1")
            found = store.search("shop__1", unit(1_000, 32)[:50], 1, fields=["image_id"])
        shares.append(sum(hits[0][1]["image_id"] == f"p{i}/0" for i, hits in enumerate(found)) / 50)

    assert shares[0] == 1.0
    assert shares[1] < 0.5


def test_a_filtered_search_looks_wider_until_enough_matches_are_seen():
    looked = []

    def look(limit, seen):
        looked.append(seen)
        return [[(1.0, {})] * min(limit, seen // 100)]

    assert len(lite.filtered(look, 10, rows=lambda: 5_000)[0]) == 10
    assert looked == [10, 80, 640, 5_000]


def test_a_filtered_search_that_saw_every_row_ends():
    looked = []

    def look(limit, seen):
        looked.append(seen)
        return [[]]

    assert lite.filtered(look, 10, rows=lambda: 50) == [[]]
    assert looked == [10, 50]
