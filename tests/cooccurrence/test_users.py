"""Lists for users: affinities, scores of histories, what is left out."""

import math
import random
from datetime import timedelta

import pytest
from chispa import assert_approx_df_equality
from pyspark.sql import SparkSession

from tests.cooccurrence.oracle import EVENTS, START, clickstream, frame
from vitrine.cooccurrence import measures, pairs, users
from vitrine.cooccurrence.pairs import UNLIMITED

AFFINITY = "user_id string, product_id string, affinity double"
SIMILAR = "product_id string, related_id string, score double"
ITEMS = "user_hash string, product_id string, score double, rank int, measure string"


def event(user: str | None, product: str, day: float, weight: float = 1.0):
    return user, "s", product, "view", weight, START + timedelta(days=day)


@pytest.fixture
def history(spark: SparkSession):
    rows = [event("u", "a", 0, 4.0), event("u", "a", 30, 2.0), event("v", "b", 15, 1.0), event(None, "a", 15)]
    return spark.createDataFrame(rows, EVENTS)


def test_the_weight_of_an_event_halves_in_a_half_life_and_equal_pairs_are_summed(spark, history) -> None:
    expected = spark.createDataFrame([("u", "a", 4 / 2 + 2), ("v", "b", math.sqrt(0.5))], AFFINITY)
    found = users.affinities(history, half_life_days=30)
    assert_approx_df_equality(found, expected, 1e-12, ignore_row_order=True, ignore_nullable=True)


def test_without_a_half_life_an_affinity_is_the_rating(spark, history) -> None:
    expected = spark.createDataFrame([("u", "a", 6.0), ("v", "b", 1.0)], AFFINITY)
    found = users.affinities(history, half_life_days=None)
    assert_approx_df_equality(found, expected, 1e-12, ignore_row_order=True, ignore_nullable=True)


def test_an_event_after_as_of_counts_no_more_than_a_new_one(spark, history) -> None:
    found = users.affinities(history, half_life_days=30, as_of=START)
    assert {row.user_id: row.affinity for row in found.collect()} == {"u": 6.0, "v": 1.0}


def test_a_history_weighs_less_from_place_to_place(spark: SparkSession) -> None:
    rows = [event("u", product, day) for day, product in enumerate("abcb")]
    newest = users.newest(spark.createDataFrame(rows, EVENTS), 3)
    assert sorted((row.position, row.product_id) for row in newest.collect()) == [(0, "b"), (1, "c"), (2, "b")]
    found = {row.product_id: row.affinity for row in users.recency(newest, decay=0.5).collect()}
    assert found == {"b": 1.25, "c": 0.5}
    assert {row.product_id: row.affinity for row in users.recency(newest, decay=0).collect()} == {"b": 1.0}


def test_scores_are_sums_over_the_history_and_ties_stand_in_the_order_of_ids(spark: SparkSession) -> None:
    affinity = spark.createDataFrame([("u", "a", 2.0), ("u", "b", 1.0), ("v", "b", 1.0)], AFFINITY)
    similar = [("a", "c", 0.5), ("a", "b", 0.25), ("b", "d", 0.5), ("b", "c", 0.5), ("b", "b", 1.0)]
    similarities = spark.createDataFrame(similar, SIMILAR)
    expected = [
        ("u", "b", 1.5, 1, "m"),
        ("u", "c", 1.5, 2, "m"),
        ("u", "d", 0.5, 3, "m"),
        ("v", "b", 1.0, 1, "m"),
        ("v", "c", 0.5, 2, "m"),
        ("v", "d", 0.5, 3, "m"),
    ]
    found = users.items(affinity, similarities, measure="m")
    wanted = spark.createDataFrame(expected, ITEMS)
    assert_approx_df_equality(found, wanted, 1e-12, ignore_row_order=True, ignore_nullable=True)
    kept = users.items(
        affinity, similarities, measure="m", n=1, seen=affinity, active=affinity.selectExpr("'d' product_id")
    )
    assert [tuple(row) for row in kept.orderBy("user_hash").collect()] == [
        ("u", "d", 0.5, 1, "m"),
        ("v", "d", 0.5, 1, "m"),
    ]


def test_recent_users_are_those_with_the_newest_events(spark, history) -> None:
    assert [row.user_id for row in users.recent(history, 1).collect()] == ["u"]
    only = users.of(history, users.recent(history, 1))
    assert {row.user_id for row in only.collect()} == {"u"}


def test_scores_of_sar_are_the_product_of_affinities_and_similarities(spark: SparkSession) -> None:
    """R = A S with the diagonal kept, in plain loops."""
    events = [e for seed in range(3) for e in clickstream(seed, sessions=15)]
    given = frame(spark, events)
    counted = pairs.count(pairs.of_users(given), UNLIMITED, sums=())
    similarities = measures.similarities(counted, "sar-jaccard", diagonal=True)
    found = users.scores(users.affinities(given, half_life_days=0.1), similarities)
    newest = max(e.at_s for e in events)
    similar = {(row.product_id, row.related_id): row.score for row in similarities.collect()}
    wanted: dict[tuple[str, str], float] = {}
    for e in events:
        fresh = e.weight * 2 ** (-(newest - e.at_s) / 8_640)
        for (product, related), score in similar.items():
            if product == e.product:
                wanted[e.session, related] = wanted.get((e.session, related), 0.0) + fresh * score
    assert {(row.user_id, row.product_id): row.score for row in found.collect()} == pytest.approx(wanted, rel=1e-9)


def test_scores_do_not_depend_on_the_order_of_rows(spark: SparkSession) -> None:
    drawn = random.Random(0)
    affinity = [("u", f"p{number}", drawn.random()) for number in range(40)]
    similar = [(f"p{number}", f"q{other}", drawn.random()) for number in range(40) for other in range(5)]
    found = []
    for partitions in (1, 4):
        drawn.shuffle(affinity)
        drawn.shuffle(similar)
        frames = spark.createDataFrame(affinity, AFFINITY), spark.createDataFrame(similar, SIMILAR)
        scores = users.scores(*(each.repartition(partitions) for each in frames))
        found.append(sorted(map(tuple, scores.collect())))
    assert found[0] == found[1]
