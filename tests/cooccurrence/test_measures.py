"""Each measure by hand and against the slow way; what holds for all of them."""

import math
from collections.abc import Iterator

import pytest
from chispa import assert_approx_df_equality
from pyspark.sql import SparkSession

from tests.cooccurrence import oracle
from tests.cooccurrence.oracle import clicks, clickstream, frame
from vitrine.cooccurrence import measures, pairs
from vitrine.cooccurrence.measures import MEASURES, SAR
from vitrine.cooccurrence.pairs import Counted, PairLimits
from vitrine.errors import BadSettings

SCORES = "product_id string, related_id string, score double"
DIRECTED = ("gap-weighted", "sequential-rules", "sequential-rules-quadratic", "markov")
LIMITS = PairLimits(session_events=10, gap=4, window_s=None)

# a is in four sessions, b in three, both in two, of five sessions; c is another product
BASKETS = clicks("1: a x b", "2: b a a", "3: a", "4: a c", "5: b")


@pytest.fixture(scope="module")
def baskets(spark: SparkSession) -> Iterator[Counted]:
    counted = pairs.count(frame(spark, BASKETS))
    yield counted
    counted.release()


@pytest.fixture(scope="module")
def random_events() -> list[oracle.Event]:
    return [event for seed in range(8) for event in clickstream(seed, products=9)]


@pytest.fixture(scope="module")
def random_counts(spark: SparkSession, random_events: list[oracle.Event]) -> Iterator[Counted]:
    counted = pairs.count(frame(spark, random_events), LIMITS)
    yield counted
    counted.release()


def as_dict(found) -> dict[tuple[str, str], float]:
    return {(row.product_id, row.related_id): row.score for row in found.collect()}


BY_HAND = {
    "cooccurrence": 2,
    "jaccard": 2 / (4 + 3 - 2),
    "cosine": 2 / math.sqrt(4 * 3),
    "lift": 2 / (4 * 3),
    "inclusion": 2 / 3,
    "mutual-information": math.log2(4 * 2 / (4 * 3)),
    "lexicographers-mi": 2 * math.log2(4 * 2 / (4 * 3)),
    # k11 2, k12 2, k21 1, k22 0: 2 * (N ln N + cells - rows - columns)
    "llr": 2 * (5 * math.log(5) + 4 * math.log(2) - 4 * math.log(4) - (3 * math.log(3) + 2 * math.log(2))),
    "gap-weighted": (1 / 2 + 0.5 * (1 + 1 / 2)) / math.sqrt((4 + 20) * (3 + 20)),
    "association-rules": 3,
    "sequential-rules": 1 / 2,
    "sequential-rules-quadratic": 1 / 4,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_measure_by_hand(spark: SparkSession, baskets: Counted, name: str) -> None:
    found = measures.similarities(baskets, name).filter("product_id = 'a' and related_id = 'b'")
    expected = spark.createDataFrame([("a", "b", float(BY_HAND[name]))], SCORES)
    assert_approx_df_equality(found, expected, 1e-9, ignore_nullable=True)


def test_markov_is_of_neighbours_only(baskets: Counted) -> None:
    found = as_dict(measures.similarities(baskets, "markov"))
    assert found == {("a", "x"): 1, ("x", "b"): 1, ("b", "a"): 1, ("a", "c"): 1}


@pytest.mark.parametrize("name", [name for name in MEASURES if not name.startswith(SAR)])
def test_a_measure_is_that_of_the_slow_way(
    random_counts: Counted, random_events: list[oracle.Event], name: str
) -> None:
    table = oracle.counted(random_events, session_events=10, gap=4)
    wanted = {pair: oracle.score(name, table, *pair) for pair in table.pair_count}
    if MEASURES[name].sums:
        wanted = {pair: score for pair, score in wanted.items() if score}
    assert as_dict(measures.similarities(random_counts, name, diagonal=True)) == pytest.approx(wanted, rel=1e-6)


def test_measures_that_have_no_direction_are_symmetric_to_the_last_bit(random_counts: Counted) -> None:
    for name in (name for name in MEASURES if not MEASURES[name].of_users):
        found = as_dict(measures.similarities(random_counts, name))
        turned = {(related, product): score for (product, related), score in found.items()}
        assert (found == turned) == (name not in DIRECTED), name


def test_scores_are_within_their_bounds(random_counts: Counted) -> None:
    for name in ("jaccard", "cosine", "lift", "inclusion"):
        scores = as_dict(measures.similarities(random_counts, name, diagonal=True)).values()
        assert 0 < min(scores) <= max(scores) <= 1 + 1e-12, name
    assert min(as_dict(measures.similarities(random_counts, "llr")).values()) >= 0


def test_measures_of_sar_have_the_formulas_of_sets_and_want_users() -> None:
    of_users = [name for name, each in MEASURES.items() if each.of_users]
    assert of_users == [name for name in MEASURES if name.startswith(SAR)]
    assert len(of_users) == 7
    for name in of_users:
        of_sets = MEASURES[name.removeprefix(SAR).replace("lexmi", "lexicographers-mi")]
        assert MEASURES[name].score is of_sets.score


def test_pairs_below_the_threshold_are_left_out_the_diagonal_too(baskets: Counted) -> None:
    found = as_dict(measures.similarities(baskets, "sar-jaccard", threshold=2, diagonal=True))
    assert found == {("a", "a"): 1, ("b", "b"): 1, ("a", "b"): 0.4, ("b", "a"): 0.4}


def test_shrinkage_pulls_rare_pairs_below_common_ones(baskets: Counted) -> None:
    plain, shrunk = (
        as_dict(measures.similarities(baskets, "gap-weighted", shrinkage=shrinkage)) for shrinkage in (0, 1_000)
    )
    assert plain["x", "b"] > plain["a", "b"]
    assert shrunk["a", "b"] > shrunk["x", "b"]


def test_only_sums_that_a_measure_needs_are_taken(spark: SparkSession) -> None:
    assert measures.sums(["llr", "sar-lift"]) == set()
    assert measures.sums(["gap-weighted", "markov"]) == {"forward", "backward", "consecutive"}
    counted = pairs.count(frame(spark, BASKETS), sums=measures.sums(["markov"]))
    assert as_dict(measures.similarities(counted, "markov"))["a", "x"] == 1


def test_an_unknown_measure_is_told_with_all_that_there_are() -> None:
    with pytest.raises(BadSettings, match=r"measure jacard is unknown: choose from gap-weighted, cooccurrence, jacc"):
        measures.measure("jacard")
