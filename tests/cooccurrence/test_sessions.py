"""Sessions that are cut from user and time: by hand, against a plain oracle, and for users with very many events."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from vitrine.cooccurrence import sessions

SCHEMA = "user_id string, session_id string, product_id string, event_type string, weight double, event_ts timestamp"
MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)
GAP_S = 1_800


def events(spark: SparkSession, rows: list[tuple[str | None, str | None, str, int]]) -> DataFrame:
    """User, session, product, and seconds after midnight."""
    values = [
        (user, session, product, "view", 1.0, MIDNIGHT + timedelta(seconds=s)) for user, session, product, s in rows
    ]
    return spark.createDataFrame(values, SCHEMA)


def found(frame: DataFrame) -> dict[str, str]:
    """Session by product."""
    return {row["product_id"]: row["session_id"] for row in frame.collect()}


def start(user: str, seconds: int) -> str:
    return f"{user}@{round((MIDNIGHT.timestamp() + seconds) * 1e6)}"


def oracle(rows: list[tuple[str, int]], gap_s: int) -> dict[tuple[str, int], int]:
    """Start of the session of each user's moment."""
    moments = defaultdict(set)
    for user, second in rows:
        moments[user].add(second)
    starts = {}
    for user, seconds in moments.items():
        begun = previous = None
        for second in sorted(seconds):
            if previous is None or second - previous > gap_s:
                begun = second
            previous = starts[user, second] = second
            starts[user, second] = begun
    return starts


def test_a_pause_longer_than_the_gap_begins_a_session(spark: SparkSession) -> None:
    rows = [("u", None, "a", 0), ("u", None, "b", GAP_S), ("u", None, "c", 2 * GAP_S + 1), ("v", None, "d", 1)]
    assert found(sessions.complete(events(spark, rows), GAP_S)) == {
        "a": start("u", 0),
        "b": start("u", 0),
        "c": start("u", 2 * GAP_S + 1),
        "d": start("v", 1),
    }


def test_a_session_goes_on_over_midnights(spark: SparkSession) -> None:
    rows = [("u", None, str(n), 80_000 + n * 1_700) for n in range(110)]
    assert set(found(sessions.complete(events(spark, rows), GAP_S)).values()) == {start("u", 80_000)}


def test_a_session_that_is_given_stays_whatever_the_times(spark: SparkSession) -> None:
    rows = [("u", "s", "a", 0), (None, "s", "b", 900_000), ("u", None, "c", 10)]
    assert found(sessions.complete(events(spark, rows), GAP_S)) == {"a": "s", "b": "s", "c": start("u", 10)}


def test_sessions_are_those_of_a_plain_loop_and_do_not_depend_on_order_or_partitions(spark: SparkSession) -> None:
    draw = random.Random(7)
    # Half of all events are one user's. Pauses are none, about the gap of half a day, or longer: sessions last days.
    gap_s = 43_000
    rows, second = [], 0
    for n in range(3_000):
        second += draw.choice([0, 5, gap_s // 4] * 9 + [2 * gap_s] if n % 50 else [gap_s])
        rows.append(("heavy" if n % 2 else f"u{draw.randrange(40)}", None, str(n), second))
    starts = oracle([(user, second) for user, _, _, second in rows], gap_s)
    whole = sessions.complete(events(spark, rows), gap_s)
    assert found(whole) == {product: start(user, starts[user, second]) for user, _, product, second in rows}
    draw.shuffle(rows)
    shuffled = sessions.complete(events(spark, rows).repartition(5), gap_s)
    assert_df_equality(whole, shuffled, ignore_row_order=True, ignore_nullable=True)


def test_events_beyond_the_cap_are_counted(spark: SparkSession) -> None:
    rows = [(None, session, str(n), n) for session, size in (("a", 5), ("b", 2), ("c", 9)) for n in range(size)]
    assert sessions.over(events(spark, rows), 4) == (2, 6)
    assert sessions.over(events(spark, rows), 9) == (0, 0)
