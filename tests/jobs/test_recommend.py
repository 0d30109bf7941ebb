"""The recommendation job: every event is used or counted, lists are right, and the same input gives the same bytes."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs.recommend import main
from vitrine import client, user_key
from vitrine.index import recommendations
from vitrine.index.store import connect
from vitrine.settings import Milvus

AS_OF = datetime(2026, 11, 20, tzinfo=UTC)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("user_id", "session_id", "product_id", "event_type", "title")),
        ("event_ts", pa.timestamp("us", tz="UTC")),
    ]
)
Row = dict[str, Any]


def event(product: str | None, session: str | None = "s", ago_s: float | None = 60, **changes: Any) -> Row:
    time = None if ago_s is None else AS_OF - timedelta(seconds=ago_s)
    row = {"user_id": "anna", "session_id": session, "product_id": product, "event_type": "view", "event_ts": time}
    return {**row, "title": None if product is None else f"the {product}", **changes}


def baskets(text: str) -> list[Row]:
    """`anna: a b, bob: a c` are two sessions with a user each; events are a minute apart."""
    sessions = (basket.split(": ") for basket in text.split(", "))
    return [
        event(product, f"s{n}", 10_000 * (n + 1) - 60 * place, user_id=user)
        for n, (user, products) in enumerate(sessions)
        for place, product in enumerate(products.split())
    ]


def write(path: Path, rows: Sequence[Row], *, files: int = 1) -> Path:
    path.mkdir(parents=True)
    for n in range(files):
        pq.write_table(pa.Table.from_pylist(list(rows[n::files]), schema=SCHEMA), path / f"{n}.parquet")
    return path


def run(place: Path, events: Path, *flags: str, name: str = "a") -> int:
    return main([f"--events={events}", f"--output={place}", f"--run={name}", f"--as_of={AS_OF.isoformat()}", *flags])


def report(place: Path, name: str = "a") -> dict[str, Any]:
    return json.loads((place / name / "report.json").read_text())


def related(place: Path, measure: str, name: str = "a") -> dict[str, list[str]]:
    """The list of each product."""
    lists: dict[str, list[str]] = {}
    for row in pq.read_table(place / name / "related_items" / f"{measure}-00000.parquet").to_pylist():
        lists.setdefault(row["product_id"], []).append(row["related_id"])
    return lists


def content(place: Path) -> dict[str, bytes]:
    """All files but for the log, the lock and the report, which tells seconds."""
    files = (path for path in place.rglob("*") if path.is_file() and path.name not in ("lock", "spark.log"))
    return {str(path.relative_to(place)): path.read_bytes() for path in files if not path.name.startswith("report.")}


@pytest.fixture(autouse=True)
def key_of_users(monkeypatch: pytest.MonkeyPatch, spark: SparkSession) -> None:
    monkeypatch.setenv("VITRINE_USER_KEY", "a key for tests")


def test_lists_are_those_of_the_sessions(tmp_path: Path) -> None:
    events = write(tmp_path / "events", baskets("anna: a b, bob: a b, carl: a c, anna: c d"))
    catalog = tmp_path / "catalog.parquet"
    pq.write_table(pa.table({"product_id": ["a", "b", "c"]}), catalog)
    flags = [
        "--measure",
        "cooccurrence",
        "sar-jaccard",
        "--users=2",
        "--top=2",
        "--columns.title=title",
        f"--catalog={catalog}",
    ]
    assert run(tmp_path / "out", events, *flags) == 0
    assert related(tmp_path / "out", "cooccurrence") == {"a": ["b", "c"], "b": ["a"], "c": ["a"]}
    # Users' histories are anna: a b c d, bob: a b, carl: a c.
    assert related(tmp_path / "out", "sar-jaccard") == {"a": ["b", "c"], "b": ["a", "c"], "c": ["a", "b"]}
    told = report(tmp_path / "out")
    assert (told["sessions"], told["products"], told["pairs"]) == (4, 4, 3)
    assert told["related_items"] == {"cooccurrence": 4, "sar-jaccard": 6}
    users = pq.read_table(tmp_path / "out" / "a" / "user_items").to_pylist()
    assert [(row["product_id"], row["rank"]) for row in users] == [("c", 1)]
    assert b"anna" not in b"".join(content(tmp_path / "out").values())
    page = (tmp_path / "out" / "a" / "report.html").read_text()
    assert page.index("<h3><bdi>the a<") < page.index("<li><bdi>the b<") < page.index("<h3><bdi>the b<")
    assert "the d" not in page


def test_bad_events_are_counted_and_the_rest_makes_lists(tmp_path: Path) -> None:
    long = [event(f"p{n % 40}", "long", 5_000 + n / 10, user_id=None) for n in range(1_500)]
    heavy = [event(f"p{n % 7}", None, 90_000 + 1_000 * n, user_id="heavy") for n in range(1_500)]
    bad = {
        "no_product": [event(None), event("")],
        "no_timestamp": [event("a", ago_s=None)],
        "future": [event("a", ago_s=-1)],
        "no_user_or_session": [event("a", None, user_id=None)],
        "unknown_type": [event("a", event_type="zoom")],
        "test_user": [event("a", user_id="tester")],
        "before_window": [event("a", ago_s=86_400 * 31)],
        "bot": [event("a", None, 86_401 + n / 100, user_id="bot") for n in range(1_600)],
    }
    rows = long + heavy + baskets("anna: a b, bob: a b") + [row for rows in bad.values() for row in rows]
    events = write(tmp_path / "events", rows)
    flags = ["--window_days=30", "--test_users=tester", "--bots_per_day=1500"]
    assert run(tmp_path / "out", events, *flags) == 0
    told = report(tmp_path / "out")
    assert told["events_refused"] == {reason: len(rows) for reason, rows in bad.items()}
    assert (told["events_read"], told["events_used"]) == (len(rows), 3_004)
    assert (told["sessions_capped"], told["events_capped"]) == (2, 2_900)
    assert related(tmp_path / "out", "gap-weighted")["a"] == ["b"]


def test_a_rerun_and_shuffled_input_give_the_same_bytes(tmp_path: Path) -> None:
    draw = random.Random(5)
    rows = [
        event(
            f"p{draw.randrange(30)}",
            draw.choice([None, f"s{draw.randrange(60)}"]),
            draw.randrange(400_000),
            user_id=f"u{draw.randrange(40)}",
            event_type=draw.choice(["view", "cart", "purchase"]),
        )
        for _ in range(2_000)
    ]
    flags = ["--measure", "gap-weighted", "llr", "--users=20", "--pair_half_life_days=3"]
    assert run(tmp_path / "out", write(tmp_path / "1" / "events", rows), *flags) == 0
    first = content(tmp_path / "out" / "a")
    draw.shuffle(rows)
    (tmp_path / "1").rename(tmp_path / "0")
    assert run(tmp_path / "out", write(tmp_path / "1" / "events", rows, files=5), *flags) == 0
    assert content(tmp_path / "out" / "a") == first
    assert len(first) == 5


def test_nothing_left_a_condition_that_stops_and_other_settings_are_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = write(tmp_path / "events", [event("a", event_type="zoom")])
    assert run(tmp_path / "out", events) == 1
    assert "no event is left of 1: unknown_type 1; check" in capsys.readouterr().err
    assert not (tmp_path / "out" / "a" / "report.json").exists()
    assert run(tmp_path / "out", events, "--cancelled=CAST(product_id AS INT) = 1", name="b") == 1
    assert "Spark stopped at the input: [CAST_INVALID_INPUT]" in capsys.readouterr().err
    assert run(tmp_path / "out", events, f"--catalog={tmp_path}") == 1
    assert "run a was begun with another as_of or other settings" in capsys.readouterr().err
    assert run(tmp_path / "out", events, "--top=3") == 1
    assert "run a was begun with another as_of or other settings: give another --run" in capsys.readouterr().err


def test_wrong_usage_is_said_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = write(tmp_path / "events", [event("a")])
    assert run(tmp_path / "out", events, "--measure=magic") == 2
    assert "measure magic is unknown: choose from gap-weighted" in capsys.readouterr().err
    monkeypatch.delenv("VITRINE_USER_KEY")
    assert run(tmp_path / "out", events) == 2
    assert "set VITRINE_USER_KEY" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_lists_are_served_from_milvus(tmp_path: Path) -> None:
    events = write(tmp_path / "events", baskets("anna: a b, bob: a b, carl: a c"))
    database = str(tmp_path / "shop.db")
    flags = ["--measure=cosine", "--users=3", "--milvus_load", f"--milvus.uri={database}"]
    assert run(tmp_path / "out", events, *flags) == 0
    with connect(Milvus(uri=database)) as store:
        served = store.resolve("related")
        assert served is not None
        found = recommendations.related(store, served, ["a", "c"])
        assert [item.product_id for item in found["a"].items] == ["b", "c"]
        users = store.resolve("users")
    assert report(tmp_path / "out")["collections"] == [served, users]


def test_tastes_come_from_the_served_vectors_and_the_client_answers_from_all_that_was_loaded(
    shop, drawn_pictures, tmp_path: Path
) -> None:
    shop.write({"product_id": list("abcdz"), "image": drawn_pictures[:5]})
    shop.run("products")
    events = write(tmp_path / "events", baskets("anna: a b, bob: a b, carl: a c, dora: d"))
    database = f"--milvus.uri={shop.place / 'shop.db'}"
    assert run(tmp_path / "out", events, "--taste", "--users=9", "--milvus_load", database) == 0
    assert report(tmp_path / "out")["tastes"] == 4
    dora = user_key.read({"VITRINE_USER_KEY": "a key for tests"}).hashed("dora")
    tastes = {row["user_hash"]: row["vector"] for row in pq.read_table(tmp_path / "out/a/taste").to_pylist()}
    vectors = shop.vectors()
    assert np.allclose(tastes[dora], vectors["d/0"], atol=1e-6)
    with client.connect(str(shop.place / "shop.db")) as answers:
        behaving = client.Wishes(kappa=0.01)
        together = answers.related("a", k=4, wishes=behaving)
        assert [one.product_id for one in together[:2]] == ["b", "c"]
        assert "bought together" in together[1].sources
        assert {one.product_id for one in together} == {"b", "c", "d", "z"}
        assert answers.related("z", k=1)[0].sources == ("looks alike",)
        assert answers.recommend(k=1, recent=["c"], wishes=behaving)[0].product_id == "a"
        near = answers.search_vector(vectors["a/0"], k=5, user=dora, taste_weight=1.0)
        assert near[0].product_id == "d"


@pytest.mark.slow
def test_a_session_of_a_million_events_and_a_user_with_half_of_all_are_capped_and_counted(tmp_path: Path) -> None:
    n = 1_000_000
    newest = round(AS_OF.timestamp()) - 10
    (tmp_path / "events").mkdir()
    for name, session, spread in (("one-session", "long", 1), ("one-user", None, 25)):
        seconds = newest - np.arange(n, dtype=np.int64) * spread
        table = {
            "user_id": pa.array([None if session else "heavy"] * n, pa.string()),
            "session_id": pa.array([session] * n, pa.string()),
            "product_id": np.char.add("p", (np.arange(n) % 1_000).astype(str)),
            "event_type": pa.array(["view"] * n),
            "event_ts": pa.array(seconds, pa.timestamp("s", tz="UTC")),
        }
        pq.write_table(pa.table(table), tmp_path / "events" / f"{name}.parquet")
    assert run(tmp_path / "out", tmp_path / "events", "--bots_per_day=100000") == 0
    told = report(tmp_path / "out")
    assert told["events_read"] == told["events_used"] == 2 * n
    assert (told["sessions"], told["sessions_capped"], told["events_capped"]) == (2, 2, 2 * n - 100)
    # Each of the 50 newest events has another product; all have pairs with the up to 10 on either side.
    assert len(related(tmp_path / "out", "gap-weighted")) == 50


@pytest.mark.slow
def test_shrinkage_decay_and_weights_can_be_fitted_to_the_last_days(tmp_path, spark) -> None:
    drawn, day_s = random.Random(4), 86_400
    rows = [
        event(product, f"s{n}", n * day_s / 10 - 60 * place, user_id=f"u{n}", event_type=drawn.choice(["view", "cart"]))
        for n in range(120)
        for place, product in enumerate(drawn.choice(["a b c d", "b c d a", "e f a b", "f e c d"]).split())
    ]
    events = write(tmp_path / "events", rows)
    tuned = ["--tune", "--evaluate.test_days=4", "--evaluate.shrinkages", "0", "20", "--evaluate.decays", "0", "0.8"]
    assert run(tmp_path, events, *tuned, "--users=3") == 0
    fitted = report(tmp_path)["fitted"]
    assert fitted["shrinkage"] in (0, 20)
    assert fitted["user_decay"] in (0, 0.8)
    assert fitted["types"]["view"] == 1
    assert fitted["types"]["cart"] in (1.5, 6, 24)
    assert report(tmp_path)["related_items"]["gap-weighted"] > 0
    assert not list((tmp_path / "a").glob(".aside*"))
