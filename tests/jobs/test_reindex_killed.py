"""A driver that is killed at any point, and a database that is killed under a driver: the run still ends right."""

import itertools
import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deploy.local import milvus as local
from vitrine.errors import VitrineError
from vitrine.index import schema
from vitrine.index.store import connect
from vitrine.journal import Journal
from vitrine.storage import directory

CHILD = """
import functools, json, os, signal, sys
from pathlib import Path

from jobs.reindex import reindex
from vitrine.settings import Settings
from vitrine.testing import FakeEmbedder

event, name, left, settings = sys.argv[1], sys.argv[2], int(sys.argv[3]), Settings(**json.loads(sys.argv[4]))
units = Path(settings.work, "runs", settings.run, "units")

def watch(frame, what, _):
    global left
    if what == event and frame.f_code.co_qualname == name and any(units.glob("*.json")):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

sys.setprofile(watch)
reindex(settings, make_embedder=functools.partial(FakeEmbedder, dim=16))
"""


@dataclass(frozen=True)
class Point:
    """The driver dies at a call or return of a function, drawn from the first `most`, in this phase of the run.

    Rows come in by insert or import.
    """

    event: str
    function: str
    phase: str
    most: int = 1
    by: str = "insert"


POINTS = {
    "embedding": Point("call", "embed.<locals>.show", "embed"),
    "embedded": Point("return", "embed", "embed"),
    "staging": Point("return", "join_hits", "reuse"),
    "loading": Point("return", "MilvusStore.insert", "load", most=9),
    "importing": Point("return", "submit", "load", by="import"),
    "indexing": Point("return", "MilvusStore.prepare", "index", most=2),
    "before the swap": Point("call", "swap", "keep"),
}
QUICK = ("loading",)


def load_by(way: str, place: Path) -> dict[str, object]:
    """Settings that have rows come in this way."""
    return {"load": way, "insert_bytes": 10_000} | ({"import_uri": str(place)} if way == "import" else {})


@pytest.fixture
def catalogue(drawn_pictures) -> dict[str, list[object]]:
    """A hundred rows: several pictures a product, a picture replaced by a later one, two that are broken."""
    images = [drawn_pictures[n % 60] + bytes([n]) for n in range(97)]
    return {
        "product_id": [*(f"p{n // 2:02}" for n in range(97)), "p00", "broken", "cut"],
        "position": [*(n % 2 for n in range(97)), 0, 0, 0],
        "title": [f"title {n}" for n in range(100)],
        "image": [*images, drawn_pictures[0] + b"newest", b"<html>", drawn_pictures[1][:100]],
    }


@pytest.fixture
def serving(catalogue):
    """`serving(shop)` serves half of the catalogue, which has been written whole since."""

    def make(shop):
        shop.write({column: values[:48] for column, values in catalogue.items()}, rows_per_group=6)
        shop.run("first", max_reject_ratio=1)
        shop.write(catalogue, rows_per_group=6)
        return shop

    return make


def rows_of(shop) -> dict[object, object]:
    """What the alias serves, by key, but for the moments of the run."""
    fields = [name for name in schema.pictures(16).names if name not in (schema.INDEXED_US, schema.EVENT_US)]
    with connect(shop.settings("x").milvus) as store:
        rows = list(store.scan(shop.alias, fields=fields))
    found = {row[schema.IMAGE_ID]: {**row, schema.VECTOR: list(row[schema.VECTOR])} for row in rows}
    assert len(found) == len(rows)
    return found


@contextmanager
def watched(shop) -> Iterator[list[str]]:
    """What the alias pointed at meanwhile, each time with rows to be found; an error is noted in its place."""
    seen: list[str] = []
    ended = threading.Event()

    def look() -> None:
        with connect(shop.settings("x").milvus) as store:
            while not ended.wait(0.02):
                try:
                    served = str(store.resolve(shop.alias))
                    seen.append(served if store.count(shop.alias) else "nothing")
                except VitrineError as error:
                    seen.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in POINTS]
)
def test_a_driver_killed_at_any_point_leaves_the_alias_and_the_same_run_ends_as_if_undisturbed(
    name, serving, shop, server_shop, tmp_path
) -> None:
    point, other = POINTS[name], serving(shop)
    other.run("second")
    shop = serving(server_shop(f"killed_at_{point.phase}_{point.event}_{point.by}"))
    milvus = load_by(point.by, tmp_path / "imports")
    settings = shop.settings("second", milvus=milvus)
    values = json.dumps({**settings.model_dump(mode="json", exclude_unset=True)})
    nth = random.Random(name).randint(1, point.most)
    command = [sys.executable, "-c", CHILD, point.event, point.function, str(nth), values]
    with watched(shop) as seen:
        killed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        entries = Journal(directory(str(shop.place / "work/runs/second"))).entries()
        assert entries[-1].what == point.phase
        committed = {path.name for path in (shop.place / "work/runs/second/units").glob("*.json")}
        assert set(seen) == {f"{shop.alias}__first"}
        report = shop.run("second", milvus=milvus)
    assert set(seen) <= {f"{shop.alias}__first", report.collection}
    assert rows_of(shop) == rows_of(other)
    assert shop.exceptions() == other.exceptions()
    assert committed <= {path.name for path in (shop.place / "work/runs/second/units").glob("*.json")}
    left = {f"{shop.alias}__first", report.collection}
    assert set(shop.collections()) == left | {name.replace("__", "_ledger__") for name in left}


@pytest.fixture
def own_server(milvus_server, tmp_path) -> Iterator[local.Server]:
    """A server of this test alone, to be killed."""
    server = local.start(tmp_path / "milvus")
    yield server
    server.stop()


@contextmanager
def dying(server: local.Server, event: str, function: str, nth: int) -> Iterator[list[str]]:
    """The server is killed at the nth call or return of a function of this thread; a second later it is back.

    It ends with the block.
    """
    hit: list[str] = []
    ended = threading.Event()

    def come_back() -> None:
        ended.wait(1)
        server.restart()
        ended.wait()  # the server ends with the thread that started it

    thread = threading.Thread(target=come_back)
    calls = itertools.count(1)

    def watch(frame, what, _) -> None:
        if what == event and frame.f_code.co_qualname == function and next(calls) == nth:
            server.kill()
            hit.append(function)
            thread.start()

    sys.setprofile(watch)
    try:
        yield hit
    finally:
        sys.setprofile(None)
        ended.set()
        if hit:
            thread.join()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("event", "function", "most", "phase", "by"),
    [
        ("call", "MilvusStore.insert", 9, "load", "insert"),
        ("return", "submit", 1, "load", "import"),
        ("call", "MilvusStore.prepare", 2, "index", "insert"),
    ],
)
def test_a_database_killed_in_load_or_index_is_waited_for(
    event, function, most, phase, by, own_server, serving, shop, tmp_path
) -> None:
    database = {"uri": own_server.uri, "token_file": str(own_server.token_file), "timeout_s": 10}
    serving(shop).run("second")
    (tmp_path / "killed").mkdir()
    killed = serving(replace(shop, place=tmp_path / "killed", database=database))
    with dying(own_server, event, function, random.Random(function).randint(1, most)) as hit:
        report = killed.run("second", milvus=load_by(by, tmp_path / "imports") | {"patience_s": 120})
        assert hit == [function]
        phases = [entry.what for entry in Journal(directory(str(killed.place / "work/runs/second"))).entries()]
        assert phases.count(phase) == 2
        assert report.load.startswith(by)
        assert rows_of(killed) == rows_of(shop)
        assert killed.served().name == report.collection
