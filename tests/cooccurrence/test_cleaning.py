"""Every row is used or refused for a reason; cancellations, duplicates and bots against hand-made and plain answers."""

import hashlib
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from vitrine.cooccurrence import cleaning
from vitrine.errors import BadInput, GateFailed
from vitrine.settings.recommend import Recommend

AS_OF = datetime(2026, 11, 20, tzinfo=UTC)
SCHEMA = (
    "user_id string, session_id string, product_id string, event_type string, event_ts timestamp, title string, "
    "is_cancellation boolean, is_unreadable boolean"
)
TYPES = {"view": 1.0, "purchase": 3.0}


def row(
    product: str | None = "a",
    *,
    user: str | None = "u",
    session: str | None = "s",
    kind: str | None = "view",
    ago_s: float | None = 60,
    cancels: bool = False,
    unreadable: bool = False,
) -> tuple[Any, ...]:
    time = None if ago_s is None else AS_OF - timedelta(seconds=ago_s)
    return user, session, product, kind, time, None, cancels, unreadable


def hashed(user: str) -> str:
    return hashlib.sha256(user.encode()).hexdigest()[:32]


def cleaned(spark: SparkSession, rows: list[tuple[Any, ...]] | DataFrame, **settings: Any) -> DataFrame:
    raw = rows if isinstance(rows, DataFrame) else spark.createDataFrame(rows, SCHEMA)
    wanted = Recommend(**{"types": TYPES, **settings})
    return cleaning.mark_bots(cleaning.judge(raw, wanted, as_of=AS_OF, hashed=hashed), wanted)


def used(judged: DataFrame) -> list[tuple[str, float]]:
    """Products that are used, and how long ago, newest last."""
    rows = cleaning.events(judged, TYPES).orderBy("event_ts", "product_id", "event_type").collect()
    return [(one["product_id"], (AS_OF - one["event_ts"].astimezone(UTC)).total_seconds()) for one in rows]


def test_each_reason_is_counted_and_every_row_is_accounted_for(spark: SparkSession) -> None:
    refused = {
        "unreadable": [row(None, unreadable=True)],
        "no_product": [row(None), row("")],
        "id_too_long": [row("é" * 129)],
        "no_timestamp": [row(ago_s=None)] * 3,
        "future": [row(ago_s=-1)],
        "no_user_or_session": [row(user=None, session=None), row(user="", session="")],
        "unknown_type": [row(kind="zoom"), row(kind=None)],
        "test_user": [row(user="tester")],
        "duplicate": [row(), row()],
        "before_window": [row("b", ago_s=86_401)],
    }
    kept = [row(), row(ago_s=0), row(ago_s=86_400), row("é" * 128), row(user=None), row(session=None)]
    rows = [one for bad in refused.values() for one in bad] + kept
    judged = cleaned(spark, rows, test_users=["tester"], window_days=1)
    account = cleaning.account(judged, len(rows))
    assert account.refused == {reason: len(bad) for reason, bad in refused.items()}
    assert (account.read, account.used) == (len(rows), len(kept))
    assert list(account.refused) == [reason for reason in cleaning.REASONS if reason in account.refused]


def test_a_row_is_refused_for_the_first_of_its_reasons(spark: SparkSession) -> None:
    rows = [row(), row(None, ago_s=None, kind="zoom"), row(ago_s=-5, kind="zoom", user="tester")]
    account = cleaning.account(cleaned(spark, rows, test_users=["tester"]), 3)
    assert account.refused == {"no_product": 1, "future": 1}


def test_user_ids_leave_as_hashes_only(spark: SparkSession) -> None:
    judged = cleaned(spark, [row(user="anna"), row(user="bob"), row("b", user=None), row(user="anna", ago_s=5)])
    users = [one["user_id"] for one in cleaning.events(judged, TYPES).collect()]
    assert sorted(users, key=str) == sorted([hashed("anna"), hashed("anna"), hashed("bob"), None], key=str)


def test_events_have_the_weight_of_their_type(spark: SparkSession) -> None:
    events = cleaning.events(cleaned(spark, [row("a"), row("b", kind="purchase")]), TYPES)
    assert events.columns == list(cleaning.EVENT_COLUMNS)
    assert {one["product_id"]: one["weight"] for one in events.collect()} == {"a": 1.0, "b": 3.0}


def test_a_cancellation_takes_the_newest_earlier_event_of_user_and_product(spark: SparkSession) -> None:
    rows = [
        row(ago_s=90),
        row(ago_s=80),
        row(ago_s=70, cancels=True, session="C1", kind="any"),
        row(ago_s=60),
        row("b", ago_s=75),
        row(ago_s=85, user="v"),
    ]
    judged = cleaned(spark, rows, cancelled="given")
    assert used(judged) == [("a", 90), ("a", 85), ("b", 75), ("a", 60)]
    assert cleaning.account(judged, 6).refused == {"cancellation": 1, "cancelled": 1}


def test_a_cancellation_that_finds_nothing_earlier_takes_nothing_later(spark: SparkSession) -> None:
    rows = [
        row(ago_s=90, cancels=True),
        row(ago_s=90),
        row(ago_s=80),
        row(ago_s=10, user=None, session="t", cancels=True),
    ]
    assert used(cleaned(spark, rows, cancelled="given")) == [("a", 90), ("a", 80)]


def test_a_cancellation_takes_only_the_types_that_can_be_cancelled(spark: SparkSession) -> None:
    rows = [row(kind="purchase", ago_s=90), row(kind="view", ago_s=80), row(ago_s=70, cancels=True, kind="return")]
    judged = cleaned(spark, rows, cancelled="given", cancelled_types=["purchase"])
    assert used(judged) == [("a", 80)]


def test_a_cancelled_event_before_the_window_is_still_the_one_that_was_cancelled(spark: SparkSession) -> None:
    rows = [row(ago_s=172_800), row(ago_s=90_000), row(ago_s=60, cancels=True), row(ago_s=30)]
    account = cleaning.account(judged := cleaned(spark, rows, cancelled="given", window_days=1), 4)
    assert account.refused == {"cancellation": 1, "cancelled": 1, "before_window": 1}
    assert used(judged) == [("a", 30)]


def left_by_a_stack(rows: list[tuple[Any, ...]]) -> Counter[tuple[str, str, str, datetime]]:
    """The rule in plain Python: (user, product, type, time) of what stays."""
    stacks: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for user, session, product, kind, time, _, cancels, _ in sorted(
        set(rows), key=lambda one: (one[4], not one[6], one[3], one[1])
    ):
        stack = stacks[user, product]
        if not cancels:
            stack.append((hashed(user), session, product, kind, time))
        elif stack:
            stack.pop()
    return Counter(one for stack in stacks.values() for one in stack)


def test_what_cancellations_leave_is_what_a_stack_leaves_in_any_order(spark: SparkSession) -> None:
    draw = random.Random(3)
    rows = [
        row(
            draw.choice("abc"),
            user=f"u{draw.randrange(60)}",
            session=draw.choice("st"),
            kind=draw.choice(["view", "purchase"]),
            ago_s=draw.randrange(30),
            cancels=draw.random() < 0.4,
        )
        for _ in range(2_000)
    ]
    names = ["user_id", "session_id", "product_id", "event_type", "event_ts"]
    for number in (1, 3):
        judged = cleaned(spark, spark.createDataFrame(rows, SCHEMA).repartition(number), cancelled="given")
        events = cleaning.events(judged, TYPES).select(names).collect()
        left = Counter((*one[:4], one["event_ts"].astimezone(UTC)) for one in events)
        assert left == left_by_a_stack(rows)
        assert cleaning.account(judged, len(rows)).used == left.total()
        draw.shuffle(rows)


def test_a_day_with_too_many_events_of_a_user_is_a_bots(spark: SparkSession) -> None:
    bot = [row("bot", user="x", ago_s=86_400 + n) for n in range(1, 5)]
    nobody = [row("nobody", user=None, session="n", ago_s=86_400 + n) for n in range(1, 5)]
    next_day = [row("later", user="x", ago_s=60)]
    busy = [row("busy", user="y", ago_s=86_400 + n) for n in range(1, 4)] + [row("busy", user="y", ago_s=86_401)] * 9
    judged = cleaned(spark, bot + nobody + next_day + busy, bots_per_day=3)
    assert {product for product, _ in used(judged)} == {"later", "busy"}
    assert cleaning.account(judged, 21).refused == {"duplicate": 9, "bot": 8}


def test_nothing_left_is_bad_input_with_the_counts(spark: SparkSession) -> None:
    judged = cleaned(spark, [row(kind="zoom"), row(None)])
    with pytest.raises(BadInput, match=r"no event is left of 2: no_product 1, unknown_type 1; check"):
        cleaning.account(judged, 2)
    with pytest.raises(BadInput, match="no event is left of 0: there was none"):
        cleaning.account(cleaned(spark, spark.createDataFrame([], SCHEMA)), 0)


def test_a_row_that_is_not_accounted_for_fails_the_gate(spark: SparkSession) -> None:
    with pytest.raises(GateFailed, match="1 of 2 events accounted for"):
        cleaning.account(cleaned(spark, [row()]), 2)
