"""Lists of related products: order, length, and who may be in."""

from collections.abc import Iterator

import pytest
from chispa import assert_approx_df_equality
from pyspark.sql import SparkSession

from tests.cooccurrence.oracle import clicks, clickstream, frame
from vitrine.cooccurrence import pairs, related
from vitrine.cooccurrence.pairs import Counted

SCHEMA = (
    "product_id string, related_id string, score double, rank int, pair_count long, support long, "
    "related_support long, measure string"
)


@pytest.fixture(scope="module")
def baskets(spark: SparkSession) -> Iterator[Counted]:
    counted = pairs.count(frame(spark, clicks("1: a b a", "2: a b c", "3: a d", "4: a c")))
    yield counted
    counted.release()


def listed(found) -> dict[str, list[str]]:
    rows = sorted(found.collect(), key=lambda row: (row.product_id, row.rank))
    lists: dict[str, list[str]] = {}
    for row in rows:
        assert row.rank == len(lists.setdefault(row.product_id, [])) + 1
        lists[row.product_id].append(row.related_id)
    return lists


def test_lists_are_best_first_with_what_they_stand_on(spark: SparkSession, baskets: Counted) -> None:
    expected = spark.createDataFrame(
        [
            ("a", "b", 2.0, 1, 2, 4, 2, "cooccurrence"),
            ("a", "c", 2.0, 2, 2, 4, 2, "cooccurrence"),
            ("b", "a", 2.0, 1, 2, 2, 4, "cooccurrence"),
            ("b", "c", 1.0, 2, 1, 2, 2, "cooccurrence"),
            ("c", "a", 2.0, 1, 2, 2, 4, "cooccurrence"),
            ("c", "b", 1.0, 2, 1, 2, 2, "cooccurrence"),
            ("d", "a", 1.0, 1, 1, 1, 4, "cooccurrence"),
        ],
        SCHEMA,
    )
    found = related.top(baskets, "cooccurrence", n=2)
    assert_approx_df_equality(found, expected, 1e-9, ignore_row_order=True, ignore_nullable=True)


def test_equal_scores_stand_in_the_order_of_ids_however_many_there_are(spark: SparkSession) -> None:
    products = [f"p{number * 7 % 23:02}" for number in range(23)]
    counted = pairs.count(frame(spark, clicks(f"basket: {' '.join(products)}")), sums=())
    found = listed(related.top(counted, "cooccurrence", n=9))
    assert found == {one: sorted(set(products) - {one})[:9] for one in products}


def test_a_list_is_the_beginning_of_a_longer_one(baskets: Counted) -> None:
    longer = listed(related.top(baskets, "jaccard", n=3))
    for n in (1, 2):
        assert listed(related.top(baskets, "jaccard", n=n)) == {key: of[:n] for key, of in longer.items()}


def test_no_product_is_related_to_itself_though_sessions_repeat_it(baskets: Counted) -> None:
    for measure in ("gap-weighted", "association-rules", "jaccard"):
        assert all(key not in of for key, of in listed(related.top(baskets, measure)).items())


def test_products_that_are_not_active_have_no_list_and_are_in_none(spark: SparkSession, baskets: Counted) -> None:
    active = spark.createDataFrame([("a",), ("c",), ("d",), ("never seen",)], "product_id string")
    found = listed(related.top(baskets, "cooccurrence", active=active))
    assert found == {"a": ["c", "d"], "c": ["a"], "d": ["a"]}


def test_pairs_that_speak_against_each_other_are_not_related(spark: SparkSession) -> None:
    events = clicks("1: a b", "2: a", "3: a", "4: b", "5: b", "6: c")
    counted = pairs.count(frame(spark, events), sums=())
    assert listed(related.top(counted, "mutual-information")) == {}
    assert listed(related.top(counted, "cooccurrence")) == {"a": ["b"], "b": ["a"]}


def test_lists_are_the_same_for_any_order_of_events(spark: SparkSession) -> None:
    events = clickstream(11)
    first, second = (
        related.top(pairs.count(frame(spark, given, partitions), sums=("forward", "backward")), "gap-weighted", n=5)
        for given, partitions in ((events, 1), (events[::-1], 3))
    )
    assert sorted(map(tuple, first.collect())) == sorted(map(tuple, second.collect()))
