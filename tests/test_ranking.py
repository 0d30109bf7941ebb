"""Metrics of ranked lists: cases computed by hand, a slow oracle, and what must hold of any list."""

from math import inf, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.ranking import NOTHING, coverage, hits, interval, metrics, novelty


def judged(lists: list[list[int]], relevant: list[list[int]], k: int) -> dict[str, list[float]]:
    cases = np.repeat(np.arange(len(relevant)), [len(items) for items in relevant])
    found = hits(np.array(lists), cases, np.array([item for items in relevant for item in items], dtype=np.int64))
    return {name: list(values) for name, values in metrics(found, np.array(list(map(len, relevant))), k).items()}


def test_one_relevant_item_at_rank_three() -> None:
    found = judged([[7, 5, 2, 9]], [[2]], 4)
    assert {name: values[0] for name, values in found.items()} == pytest.approx(
        {"hr": 1, "recall": 1, "precision": 1 / 4, "mrr": 1 / 3, "ndcg": 1 / 2, "map": 1 / 3}
    )


def test_two_of_three_relevant_items_are_found() -> None:
    found = judged([[1, 4, 2, 5]], [[1, 2, 3]], 4)
    assert {name: values[0] for name, values in found.items()} == pytest.approx(
        {
            "hr": 1,
            "recall": 2 / 3,
            "precision": 2 / 4,
            "mrr": 1,
            "ndcg": (1 + 1 / 2) / (1 + 1 / log2(3) + 1 / 2),
            "map": (1 / 1 + 2 / 3) / 3,
        }
    )


def test_the_best_gain_is_that_of_k_hits_where_more_are_relevant() -> None:
    found = judged([[1, 2]], [[1, 2, 3, 4]], 2)
    assert (found["ndcg"], found["map"], found["recall"]) == ([1.0], [0.5], [0.5])


def test_a_miss_is_zero_in_every_metric() -> None:
    assert {values[0] for values in judged([[1, 2]], [[3]], 2).values()} == {0.0}


def test_a_hit_beyond_k_does_not_count() -> None:
    assert judged([[1, 2, 3]], [[3]], 2)["hr"] == [0.0]


def test_the_end_of_a_short_list_is_no_hit() -> None:
    assert judged([[1, NOTHING]], [[0]], 2)["hr"] == [0.0]
    assert judged([[NOTHING, NOTHING], [0, 1]], [[1], [1]], 2)["mrr"] == [0.0, 0.5]


def test_an_item_that_nobody_could_recommend_is_relevant_and_never_hit() -> None:
    assert judged([[0, 2], [2, 0]], [[2], [NOTHING, 0]], 2)["recall"] == [1.0, 0.5]


def test_an_item_that_is_relevant_twice_is_two_hits() -> None:
    found = judged([[9, 1]], [[1, 1]], 2)
    assert (found["recall"], found["precision"]) == ([1.0], [1.0])
    assert found["map"] == pytest.approx([(1 / 2 + 2 / 2) / 2])


def test_lists_shorter_than_k_are_divided_by_k() -> None:
    assert judged([[1]], [[1]], 10)["precision"] == [0.1]


def test_nobody_to_judge_gives_empty_columns() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    found = hits(np.zeros((0, 3), dtype=np.int64), nothing, nothing)
    assert {len(values) for values in metrics(found, nothing, 3).values()} == {0}


def slow(row: list[int], relevant: list[int], k: int) -> dict[str, float]:
    """The definitions of the notes, one place after another."""
    found, precision_sum, gain, first = 0, 0.0, 0.0, inf
    for rank, item in enumerate(row[:k], start=1):
        if item in relevant:
            found += 1
            first = min(first, rank)
            precision_sum += found / rank
            gain += 1 / log2(1 + rank)
    best = sum(1 / log2(1 + rank) for rank in range(1, min(k, len(relevant)) + 1))
    n = len(relevant)
    return {
        "hr": float(found > 0),
        "recall": found / n,
        "precision": found / k,
        "mrr": 1 / first,
        "ndcg": gain / best,
        "map": precision_sum / n,
    }


rows = st.tuples(st.permutations(range(12)), st.sets(st.integers(0, 14), min_size=1))


@given(st.lists(rows, min_size=1, max_size=6), st.integers(1, 12))
def test_metrics_are_those_of_the_slow_definitions(drawn: list[tuple[list[int], set[int]]], k: int) -> None:
    found = judged([row for row, _ in drawn], [sorted(relevant) for _, relevant in drawn], k)
    for i, (row, relevant) in enumerate(drawn):
        assert {name: values[i] for name, values in found.items()} == pytest.approx(slow(row, sorted(relevant), k))


@given(rows, st.integers(1, 12))
def test_metrics_lie_between_zero_and_one_and_grow_with_a_better_list(
    drawn: tuple[list[int], set[int]], k: int
) -> None:
    row, relevant = list(drawn[0]), sorted(drawn[1])
    better = sorted(row, key=lambda item: item not in relevant)
    before, after = judged([row], [relevant], k), judged([better], [relevant], k)
    for name in before:
        assert 0 <= before[name][0] <= after[name][0] + 1e-12 <= 1 + 2e-12


def test_coverage_counts_items_in_the_first_k_places() -> None:
    lists = np.array([[0, 1, 5], [1, NOTHING, NOTHING]])
    assert coverage(lists, 8, 2) == 2 / 8
    assert coverage(lists, 8, 3) == 3 / 8


def test_an_item_that_no_session_holds_is_as_new_as_one_that_a_single_session_holds() -> None:
    lists = np.array([[0, 1]])
    assert novelty(lists, np.array([8, 0]), 8, 2) == novelty(lists, np.array([8, 1]), 8, 2) == 1.5


def test_novelty_is_the_mean_information_of_what_is_shown() -> None:
    lists = np.array([[0, 1], [2, NOTHING]])
    assert novelty(lists, np.array([4, 2, 1]), 4, 2) == pytest.approx((0 + 1 + 2) / 3)


def test_an_interval_holds_the_mean_and_narrows_with_more_cases() -> None:
    widths = []
    for n in (50, 5_000):
        values = (np.arange(n) % 4 == 0).astype(np.float64)
        low, high = interval({"hr": values}, np.arange(n), resamples=500, seed=1)["hr"]
        assert low < 0.25 < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 5


def test_an_interval_is_the_same_for_the_same_seed_only() -> None:
    values = {"hr": np.random.default_rng(0).random(30)}
    first = interval(values, np.arange(30), resamples=50, seed=1)
    assert first == interval(values, np.arange(30), resamples=50, seed=1)
    assert first != interval(values, np.arange(30), resamples=50, seed=2)


def test_cases_of_one_group_are_drawn_together() -> None:
    values = {"hr": np.repeat([0.0, 1.0], 500)}
    together = interval(values, np.repeat([0, 1], 500), resamples=200, seed=1)["hr"]
    assert together == (0.0, 1.0)
