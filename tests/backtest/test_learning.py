"""Tables of items: counted by Spark, held in the numbers of the items."""

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from vitrine.backtest.comparison import Trained
from vitrine.backtest.items import distinct, numbers
from vitrine.backtest.learning import RULES_KEPT, events_of, learn
from vitrine.cooccurrence import measures, pairs
from vitrine.cooccurrence.pairs import UNLIMITED

MEASURES = ("gap-weighted", "cosine", "sar-cosine", "markov")


@pytest.fixture(scope="module")
def learned(spark: SparkSession) -> Trained:
    """Sessions `a b a c` and `b a`, and an item `d` that no session holds."""
    sessions, products = pa.array(list("111122")), pa.array(list("abacba"))
    events = events_of(spark, sessions, products, np.arange(6.0))
    return learn(events, pa.array(list("abcd")), UNLIMITED, MEASURES)


def test_ids_are_in_the_order_of_numbers_where_all_are_numbers() -> None:
    assert distinct(pa.array(["10", "9", "10", "-1"])).to_pylist() == ["-1", "9", "10"]
    assert distinct(pa.chunked_array([["b", "10"], ["9"]])).to_pylist() == ["10", "9", "b"]
    assert numbers(pa.array(["b", "x", "a"]), pa.array(["a", "b"])).tolist() == [1, -1, 0]


def test_supports_are_sessions_and_an_item_of_none_has_zero(learned: Trained) -> None:
    assert (learned.supports.tolist(), learned.sessions, learned.popular.tolist()) == ([2, 2, 1, 0], 2, [0, 1, 2, 3])


def test_the_default_measure_sums_over_gaps_both_ways_and_keeps_repeats(learned: Trained) -> None:
    table = learned.table("gap-weighted", 0.0).toarray()
    assert table[0, 1] == pytest.approx((1 + 0.5 + 0.5) / 2)
    assert table[1, 0] == pytest.approx((1 + 0.5 + 1) / 2)
    assert table[0, 2] == pytest.approx((1 + 1 / 3) / np.sqrt(2))
    assert table[0, 0] > 0
    assert not table[3].any()


def test_another_shrinkage_gives_the_table_that_spark_would_make(spark: SparkSession, learned: Trained) -> None:
    events = events_of(spark, pa.array(list("111122")), pa.array(list("abacba")), np.arange(6.0))
    counted = pairs.count(events, UNLIMITED)
    for shrinkage in (0.0, 7.0, 200.0):
        table = learned.table("gap-weighted", shrinkage)
        rows = measures.similarities(counted, "gap-weighted", shrinkage=shrinkage, diagonal=True).collect()
        for row in rows:
            at = "abcd".index(row["product_id"]), "abcd".index(row["related_id"])
            assert table[at] == pytest.approx(row["score"], rel=1e-12)
        assert table.nnz == len(rows)
    counted.release()


def test_an_item_stands_beside_itself_for_sar_and_not_for_other_sets(learned: Trained) -> None:
    assert learned.table("sar-cosine", 0.0).diagonal().tolist() == [1, 1, 1, 0]
    assert learned.table("cosine", 0.0).diagonal().tolist() == [0, 0, 0, 0]


def test_a_rule_leads_to_twenty_items(spark: SparkSession) -> None:
    others = [f"{number:02}" for number in range(25)]
    sessions = [name for name in others for _ in range(2)] + ["again", "again"]
    products = [product for name in others for product in ("a", name)] + ["a", "24"]
    events = events_of(spark, pa.array(sessions), pa.array(products), np.arange(52.0))
    items = distinct(pa.array(products))
    row = learn(events, items, UNLIMITED, ["markov"]).table("markov", 0.0).toarray()[items.to_pylist().index("a")]
    assert [items[int(place)].as_py() for place in np.flatnonzero(row)] == [*others[: RULES_KEPT - 1], "24"]
