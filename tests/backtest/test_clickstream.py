"""Cutting a clickstream into training part and cases: sessions of letters, a letter a product, a second an event."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from vitrine.backtest import clickstream, sequences
from vitrine.backtest.cases import Cases
from vitrine.errors import BadInput


def unstaged(frame: DataFrame, name: str) -> DataFrame:
    return frame


START = datetime(2026, 11, 1, tzinfo=UTC)
Build = Callable[[str], DataFrame]


@pytest.fixture(scope="module")
def clicks(spark: SparkSession) -> Build:
    """`clicks("1 ann: a b, 2 bob: c")`: on day 1 a session of ann, on day 2 one of bob; `-` is nobody."""

    def build(text: str) -> DataFrame:
        rows = []
        for number, session in enumerate(text.split(",")):
            head, products = session.split(":")
            day, user = head.split()
            for place, product in enumerate(products.split()):
                time = START + timedelta(days=float(day), seconds=place)
                rows.append((None if user == "-" else user, f"s{number}", product, "view", 1.0, time))
        names = (
            "user_id string, session_id string, product_id string, event_type string, weight double, event_ts timestamp"
        )
        return spark.createDataFrame(rows, names)

    return build


def told(cases: Cases, items: pa.Array) -> list[str]:
    """Each case as its history from the oldest event on, an arrow, and what is relevant."""
    found = []
    for case in range(len(cases)):
        known = cases.known
        mine = np.flatnonzero(known.case == case)
        history = [items[known.item[row]].as_py() for row in sorted(mine, key=lambda row: -known.back[row])]
        wanted = [
            items[item].as_py() if item >= 0 else "?" for item in cases.relevant_item[cases.relevant_case == case]
        ]
        found.append(f"{''.join(history)}>{''.join(wanted)}")
    return found


def sessions_of(events: DataFrame) -> set[str]:
    return {row["session_id"] for row in events.select("session_id").distinct().collect()}


def test_a_session_belongs_to_the_side_of_its_last_event(clicks: Build) -> None:
    cut = clickstream.later(clicks("1 -: a b, 5 -: a b, 5 -: a b c, 6 -: a b"), days=1)
    assert (sessions_of(cut.train), sessions_of(cut.test)) == ({"s0", "s1"}, {"s2", "s3"})


def test_a_cut_that_leaves_nothing_to_train_on_is_refused(clicks: Build) -> None:
    with pytest.raises(BadInput, match="all sessions ended in the last 7 days: lower --test_days"):
        clickstream.later(clicks("1 -: a b, 2 -: a b"), days=7)
    with pytest.raises(BadInput, match="lower --min_support"):
        clickstream.later(clicks("1 -: a b").where("false"), days=7)


def test_rare_products_and_then_sessions_of_one_event_are_left_out(clicks: Build) -> None:
    events = clickstream.usable(clicks("1 -: a b, 2 -: a b, 3 -: a rare, 4 -: b"), min_support=2)
    found = sorted(f"{row['session_id']}{row['product_id']}" for row in events.collect())
    assert found == ["s0a", "s0b", "s1a", "s1b"]


def test_each_event_of_a_session_but_the_first_is_asked_for(clicks: Build) -> None:
    items = pa.array(["a", "b", "c"])
    test = clicks("1 -: a b a c, 2 -: c a")
    found = clickstream.next_items(test, items, most=100, seed=1, repeats=True)
    assert told(found, items) == ["a>b", "ab>a", "aba>c", "c>a"]
    assert found.groups.tolist() == [0, 0, 0, 1]


def test_new_items_only_drops_the_events_whose_item_the_session_had(clicks: Build) -> None:
    items = pa.array(["a", "b", "c"])
    found = clickstream.next_items(clicks("1 -: a b a c c, 2 -: c a"), items, most=100, seed=1, repeats=False)
    assert told(found, items) == ["a>b", "aba>c", "c>a"]


def test_items_unknown_to_the_training_part_are_left_out(clicks: Build) -> None:
    items = pa.array(["a", "b"])
    found = clickstream.next_items(clicks("1 -: a new b, 2 -: new a"), items, most=100, seed=1, repeats=True)
    assert told(found, items) == ["a>b"]


def test_of_too_many_cases_some_are_drawn_by_the_seed(clicks: Build) -> None:
    items = pa.array(["a", "b", "c"])
    test = clicks("1 -: a b a c a b c a b a b")

    def drawn(seed: int) -> list[str]:
        return told(clickstream.next_items(test, items, most=3, seed=seed, repeats=True), items)

    assert len(drawn(1)) == 3
    assert drawn(1) == drawn(1) != drawn(2)


def test_only_the_newest_events_of_a_long_session_are_known(clicks: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clickstream, "NEWEST_EVENTS", 2)
    items = pa.array(["a", "b", "c", "d"])
    found = clickstream.next_items(clicks("1 -: a b c d"), items, most=100, seed=1, repeats=True)
    assert told(found, items) == ["a>b", "ab>c", "bc>d"]


def test_the_last_two_products_of_a_user_are_held_back_wherever_they_stand(clicks: Build) -> None:
    events = clicks("1 ann: a b, 2 ann: b c a d, 3 bob: a b, 4 -: a d")
    held = clickstream.last_products(events, users=10, seed=1, stage=unstaged)
    left = sorted(f"{row['session_id']}{row['product_id']}" for row in held.train.collect())
    assert left == ["s0a", "s0b", "s1a", "s1b", "s2a", "s2b", "s3a", "s3d"]
    items = held.sequences.items
    assert told(sequences.cases(held.sequences, held=1), items) == ["ab>?"]
    assert told(sequences.cases(held.sequences, held=0), items) == ["ab>d"]


def test_without_users_of_three_products_there_is_no_last_product(clicks: Build) -> None:
    with pytest.raises(BadInput, match="no user has three products"):
        clickstream.last_products(clicks("1 ann: a b, 2 -: a b c"), users=10, seed=1, stage=unstaged)
