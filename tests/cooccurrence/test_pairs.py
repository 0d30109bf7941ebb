"""Pairs counted inside sessions: against the slow way, by hand, and the same to the last bit however it is done."""

import math
import random
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from tests.cooccurrence import oracle
from tests.cooccurrence.oracle import START, Event, clicks, clickstream, frame
from vitrine.cooccurrence import histories, pairing, pairs, summing
from vitrine.cooccurrence.pairing import UNIT
from vitrine.cooccurrence.pairs import UNLIMITED, PairLimits, PairWeights

IN_UNITS = ("forward", "backward", "inverse_gap", "inverse_square_gap")
SHORT = PairLimits(session_events=6, gap=3, window_s=3_600)


def rows(counted: pairs.Counted) -> dict[tuple[str, str], dict[str, float]]:
    """The table by pair, sums as they are without units."""
    return {
        (row.product_id, row.related_id): {
            name: row[name] / UNIT if name in IN_UNITS else row[name] for name in row.asDict()
        }
        for row in counted.pairs.collect()
    }


def as_table(frame: DataFrame) -> list[tuple]:
    return sorted(map(tuple, frame.collect()))


def test_a_session_of_two_repeats_by_hand(spark: SparkSession) -> None:
    events = [Event("s1", "a", 0, 1.0), Event("s1", "b", 1, 3.0), Event("s1", "a", 2, 6.0), Event("s2", "a", 0)]
    counted = pairs.count(frame(spark, events), UNLIMITED)
    one = UNIT
    expected = spark.createDataFrame(
        [
            # pairs of positions: a b (gap 1), a a (gap 2), b a (gap 1)
            ("a", "a", 2, 2, 2, 3 * one, one // 2, one // 2, one // 4, 0, 2),
            ("a", "b", 1, 2, 1, 3 * one, 3 * one, one, one, 1, 2),
            ("b", "a", 1, 1, 2, 6 * one, 1 * one, one, one, 1, 2),
            ("b", "b", 1, 1, 1, 0, 0, 0, 0, 0, 0),
        ],
        "product_id string, related_id string, pair_count long, support long, related_support long, forward long, "
        "backward long, inverse_gap long, inverse_square_gap long, consecutive long, positions long",
    )
    assert_df_equality(counted.pairs, expected, ignore_row_order=True, ignore_nullable=True)
    supports = spark.createDataFrame([("a", 2, 3), ("b", 1, 1)], "product_id string, support long, events long")
    assert_df_equality(counted.supports, supports, ignore_row_order=True, ignore_nullable=True)
    assert (counted.sessions, counted.products) == (2, 2)
    counted.release()


@pytest.mark.parametrize(
    ("limits", "by_session_length"),
    [(UNLIMITED, False), (SHORT, True), (PairLimits(None, 4, 30), False), (PairLimits(5, None, 5_000), False)],
)
def test_counts_and_sums_are_those_of_the_slow_way(
    spark: SparkSession, limits: PairLimits, by_session_length: bool
) -> None:
    """Sessions of many seeds are one clickstream: each of them is a case of its own."""
    events = [event for seed in range(12) for event in clickstream(seed)]
    weights = PairWeights(by_session_length=by_session_length)
    counted = pairs.count(frame(spark, events), limits, weights=weights)
    table = oracle.counted(
        events,
        session_events=limits.session_events,
        gap=limits.gap,
        window_s=limits.window_s,
        by_session_length=by_session_length,
    )
    found = rows(counted)
    assert counted.sessions == table.sessions
    assert {pair for pair, row in found.items() if row["pair_count"]} == set(table.pair_count)
    for pair, row in found.items():
        assert row["pair_count"] == table.pair_count[pair]
        assert (row["support"], row["related_support"]) == (table.support[pair[0]], table.support[pair[1]])
        for name in pairs.SUMS:
            assert row[name] == pytest.approx(table.sums[name][pair], abs=1e-6), (pair, name)
    counted.release()


def test_all_is_the_same_to_the_last_bit_for_any_order_and_partitioning(spark: SparkSession) -> None:
    events = clickstream(7, sessions=200)
    random.Random(1).shuffle(shuffled := list(events))
    limits, weights = PairLimits(8, 5, 9_000, 40), PairWeights(half_life_days=0.01, by_session_length=True)
    first = pairs.count(frame(spark, events, 1), limits, weights=weights)
    spark.conf.set("spark.sql.shuffle.partitions", "7")
    try:
        second = pairs.count(frame(spark, shuffled, 5), limits, weights=weights)
        assert as_table(first.pairs) == as_table(second.pairs)
        assert as_table(first.supports) == as_table(second.supports)
        assert first.sessions == second.sessions
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", "2")


def test_pair_counts_of_sets_do_not_change_with_repeats_and_are_symmetric(spark: SparkSession) -> None:
    events = clickstream(3)
    repeated = events + [Event(event.session, event.product, event.at_s + 1) for event in events]
    once, twice = (rows(pairs.count(frame(spark, given), UNLIMITED, sums=())) for given in (events, repeated))
    assert once == twice
    assert all(row["pair_count"] == once[related, product]["pair_count"] for (product, related), row in once.items())
    assert all(row["pair_count"] <= min(row["support"], row["related_support"]) for row in once.values())


def test_only_the_newest_events_of_a_session_count(spark: SparkSession) -> None:
    counted = pairs.count(frame(spark, clicks("s: a b c d")), PairLimits(session_events=2), sums=())
    assert set(rows(counted)) == {("c", "c"), ("c", "d"), ("d", "c"), ("d", "d")}
    assert {row.product_id: row.support for row in counted.supports.collect()} == {"a": 0, "b": 0, "c": 1, "d": 1}


def test_a_product_counts_in_as_many_sessions_as_its_cap_and_keeps_its_place_in_others(spark: SparkSession) -> None:
    events = clicks(*(f"s{number}: hot x{number % 3} y" for number in range(60)))
    capped = pairs.count(frame(spark, events), PairLimits(item_sessions=10))
    support = {row.product_id: row.support for row in capped.supports.collect()}
    assert support == {"hot": 10, "x0": 10, "x1": 10, "x2": 10, "y": 10}
    assert capped.sessions == 60
    uncapped = rows(pairs.count(frame(spark, events), PairLimits(item_sessions=60)))
    assert uncapped == rows(pairs.count(frame(spark, events), PairLimits()))
    alone = rows(pairs.count(frame(spark, clicks("s: a hot b")), PairLimits(), sums=["forward"]))
    assert alone["a", "b"]["forward"] == 0.5


def test_older_events_weigh_less_and_future_ones_no_more_than_one(spark: SparkSession) -> None:
    day = 86_400
    events = [Event("old", "a", -1), Event("old", "b", 0), Event("new", "a", 30 * day), Event("new", "c", 30 * day + 1)]
    weights = PairWeights(half_life_days=30, as_of=START + timedelta(days=30))
    found = rows(pairs.count(frame(spark, events), weights=weights, sums=["forward"]))
    assert found["a", "b"]["forward"] == 0.5
    assert found["a", "c"]["forward"] == 1.0
    earlier = PairWeights(half_life_days=30, as_of=START)
    found = rows(pairs.count(frame(spark, events), weights=earlier, sums=["forward"]))
    assert found["a", "b"]["forward"] == found["a", "c"]["forward"] == 1.0


def test_products_of_equal_time_stand_in_no_order_and_weigh_the_same_both_ways(spark: SparkSession) -> None:
    basket = [Event("s", product, 0) for product in ("a", "b", "c", "d")]
    later = Event("s", "e", 60)
    found = rows(pairs.count(frame(spark, [*basket, later]), PairLimits(gap=1), sums=["forward", "backward"]))
    within = {(i, j) for i in "abcd" for j in "abcd" if i != j}
    assert {found[pair]["forward"] for pair in within} == {found[pair]["backward"] for pair in within} == {0.5}
    assert {found[one, "e"]["forward"] for one in "abcd"} == {1.0}
    assert {found["e", one]["backward"] for one in "abcd"} == {1.0}


def test_without_events_there_are_no_pairs(spark: SparkSession) -> None:
    counted = pairs.count(frame(spark, []))
    assert (counted.sessions, counted.products) == (0, 0)
    assert counted.pairs.isEmpty()
    assert counted.supports.isEmpty()


def test_histories_of_users_are_sessions_and_nobody_is_no_user(spark: SparkSession) -> None:
    rows = [("u", "s1", "a"), ("u", "s2", "b"), (None, "s3", "a"), (None, "s3", "b")]
    events = spark.createDataFrame(rows, "user_id string, session_id string, product_id string")
    assert as_table(pairs.of_users(events)) == [("u", "u", "a"), ("u", "u", "b")]


def test_a_task_that_is_tried_again_changes_nothing(spark: SparkSession, tmp_path: Path) -> None:
    events, failed = frame(spark, clickstream(5)), tmp_path / "failed"

    def fails_once(batches):
        yield from batches
        if not failed.exists():
            failed.touch()
            raise RuntimeError("the first attempt is lost after its rows were sent")

    shaky = events.mapInArrow(fails_once, oracle.EVENTS)
    assert as_table(pairs.count(shaky, SHORT).pairs) == as_table(pairs.count(events, SHORT).pairs)
    assert failed.exists()


def batches(sessions: list[tuple[str, int]], rows: int) -> list[pa.RecordBatch]:
    """Sessions of so many events, of items 0, 1, 2, ..., in batches of so many rows."""
    session = [name for name, length in sessions for _ in range(length)]
    item = np.concatenate([np.arange(length, dtype=np.int32) % 40_000 for _, length in sessions])
    columns = {"session": session, "item": item, "time_us": np.zeros(len(item), np.int64), "weight": np.ones(len(item))}
    return pa.table(columns).to_batches(max_chunksize=rows)


def test_a_session_may_lie_across_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "_EVENTS_AT_ONCE", 4)
    given = [("a", 3), ("b", 1), ("c", 9), ("d", 2)]
    wanted = pairing.Pairing(None, math.inf, math.inf, False, ())
    whole = pa.Table.from_batches(pairing.records(iter(batches(given, 100)), wanted)).sort_by("key")
    for size in (1, 2, 3, 5):
        cut = pa.Table.from_batches(pairing.records(iter(batches(given, size)), wanted)).group_by("key")
        assert cut.aggregate([("pair_count", "sum")]).sort_by("key")["pair_count_sum"].equals(whole["pair_count"])


def test_a_session_of_a_million_events_is_held_only_as_its_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [
        len(sessions.item)
        for sessions in histories.whole_sessions(iter(batches([("a", 1_000_000), ("b", 3)], 10_000)), 50)
    ]
    assert sum(held) == 53


def test_a_huge_basket_is_summed_in_pieces() -> None:
    wanted = pairing.Pairing(None, math.inf, math.inf, False, ("positions",))
    found = list(pairing.records(iter(batches([("basket", 3_000)], 500)), wanted))
    assert sum(batch.num_rows for batch in found) == 1 + 3_000 + 3_000 * 2_999 // 2
    assert max(batch.num_rows for batch in found) <= summing._ROWS_OF_A_BATCH
