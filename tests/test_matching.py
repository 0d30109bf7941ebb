"""Metrics of answers that share a label, against sums done by hand and a slow plain count."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vitrine import matching
from vitrine.matching import UNLABELLED, Judged, Sides, answerable, judge, of_ranks

vectors = st.integers(-3, 3).map(float)
labels = st.integers(UNLABELLED, 2)
KS = (1, 2, 5)


def numbers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def plain(ranked: list[bool]) -> dict[str, float]:
    """The definitions, one answer after the other."""
    total = sum(ranked)
    figures: dict[str, float] = {}
    for k in KS:
        figures[f"recall@{k}"] = float(any(ranked[:k]))
        if k > 1:
            figures[f"precision@{k}"] = sum(ranked[:k]) / k
    precisions = [sum(ranked[: place + 1]) / (place + 1) for place in range(total) if ranked[place]]
    figures["map@r"] = sum(precisions) / total
    figures["mrr"] = 1 / (ranked.index(True) + 1)
    return figures


def plain_answers(
    queries: np.ndarray, gallery: np.ndarray, wanted: np.ndarray, there: np.ndarray, own: Sides | None
) -> dict[int, dict[str, float]]:
    """By query that can be answered, each with the whole gallery sorted."""
    found = {}
    for i, query in enumerate(queries):
        searched = [j for j in range(len(gallery)) if own is None or own[0][i] != own[1][j]]
        order = sorted(searched, key=lambda j: (-float(query @ gallery[j]), j))
        ranked = [bool(there[j] == wanted[i] != UNLABELLED) for j in order]
        if any(ranked):
            found[i] = plain(ranked)
    return found


def by_query(judged: Judged) -> dict[int, Mapping[str, float]]:
    return {
        int(place): {name: float(values[row]) for name, values in judged.figures.items()}
        for row, place in enumerate(judged.asked)
    }


def test_the_metrics_of_three_right_answers_among_five_are_those_worked_out_by_hand() -> None:
    found = of_ranks(np.array([[True, False, True, True, False]]), (1, 5, 10))
    worked_out = {"recall@1": 1, "recall@5": 1, "precision@5": 3 / 5, "recall@10": 1, "precision@10": 3 / 10, "mrr": 1}
    assert {name: values[0] for name, values in found.items()} == {
        **worked_out,
        "map@r": pytest.approx((1 + 2 / 3) / 3),
    }


def test_a_right_answer_behind_the_first_r_places_counts_for_mrr_and_not_for_map() -> None:
    found = of_ranks(np.array([[False, False, True]]), (1, 2))
    assert {name: values[0] for name, values in found.items()} == {
        "recall@1": 0, "recall@2": 0, "precision@2": 0, "map@r": 0, "mrr": pytest.approx(1 / 3),
    }  # fmt: skip


@given(st.data(), st.integers(1, 5), st.integers(1, 8), st.booleans())
def test_figures_are_those_of_a_plain_count_over_the_sorted_gallery(
    data: st.DataObject, n: int, m: int, divided: bool
) -> None:
    # Whole numbers: products are exact, so that equal scores are equal however they are added up.
    queries = data.draw(arrays(np.float32, (n, 3), elements=vectors))
    gallery = data.draw(arrays(np.float32, (m, 3), elements=vectors))
    wanted, there = (data.draw(arrays(np.int64, size, elements=labels)) for size in (n, m))
    products = tuple(data.draw(arrays(np.int64, size, elements=st.integers(0, 3))) for size in (n, m))
    own = products if divided else None
    judged = judge(queries, gallery, {"x": (wanted, there)}, ks=KS, own=own)["x"]
    oracle = plain_answers(queries, gallery, wanted, there, own)
    assert by_query(judged) == {i: pytest.approx(figures) for i, figures in oracle.items()}
    assert judged.left_out == n - len(oracle)
    assert np.flatnonzero(answerable((wanted, there), own)).tolist() == list(oracle)
    assert judged.labels.tolist() == wanted[list(oracle)].tolist()


def test_each_kind_of_label_is_judged_on_the_same_ranks() -> None:
    queries, gallery = np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32)
    found = judge(queries, gallery, {"near": (numbers(0), numbers(0, 1)), "far": (numbers(1), numbers(0, 1))}, ks=[1])
    assert (found["near"].means()["recall@1"], found["far"].means()["recall@1"]) == (1, 0)


def test_means_are_over_queries_and_by_label_over_those_of_the_label() -> None:
    queries = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    gallery = np.eye(2, dtype=np.float32)
    judged = judge(queries, gallery, {"x": (numbers(0, 1, 1), numbers(0, 1))}, ks=[1])["x"]
    assert judged.means()["recall@1"] == pytest.approx(2 / 3)
    assert {label: figures["recall@1"] for label, figures in judged.by_label().items()} == {0: 1, 1: 0.5}


def test_without_an_answerable_query_there_are_no_figures() -> None:
    one = np.ones((1, 2), dtype=np.float32)
    judged = judge(one, one, {"x": (numbers(UNLABELLED), numbers(UNLABELLED))}, ks=[1])["x"]
    assert (judged.means(), judged.by_label(), judged.left_out) == ({}, {}, 1)


def test_many_queries_are_judged_in_blocks_as_each_alone() -> None:
    dice = np.random.default_rng(0)
    m = 4_000
    n = matching.SCORES_PER_BLOCK // m + 3
    queries, gallery = (dice.integers(-9, 9, (size, 4)).astype(np.float32) for size in (n, m))
    wanted, there = (dice.integers(0, 5, size) for size in (n, m))
    whole = by_query(judge(queries, gallery, {"x": (wanted, there)}, ks=KS)["x"])
    for place in (0, n - 4, n - 3, n - 1):
        row = slice(place, place + 1)
        alone = by_query(judge(queries[row], gallery, {"x": (wanted[row], there)}, ks=KS)["x"])
        assert whole[place] == alone[0]
