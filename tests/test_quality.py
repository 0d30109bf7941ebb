"""Exact neighbours, recall, and the share of neighbours of one kind."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vitrine.quality import (
    Bin,
    calibration_error,
    exact_neighbours,
    recall_at_k,
    reliability,
    share_by_chance,
    share_of_same_label,
)


def rows(at_most: int) -> st.SearchStrategy[np.ndarray]:
    """Matrices of small whole numbers: many equal scores, and no rounding."""
    whole = st.integers(-2, 2).map(float)
    return st.integers(1, at_most).flatmap(lambda n: arrays(np.float32, (n, 3), elements=whole))


@given(queries=rows(4), vectors=rows(24), k=st.integers(1, 9), block_rows=st.integers(1, 10))
def test_exact_neighbours_are_those_of_sorting_everything(queries, vectors, k, block_rows):
    def scores(query):
        return [float(np.dot(query, vector)) for vector in vectors]

    slow = [sorted(range(len(vectors)), key=lambda i: (-scores(query)[i], i))[:k] for query in queries]
    assert exact_neighbours(queries, vectors, k, block_rows=block_rows).tolist() == slow


def test_more_queries_than_a_block_each_get_their_own_answer():
    angles = np.linspace(0, 6, 600, dtype=np.float32)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert exact_neighbours(circle, circle, 1, block_rows=70)[:, 0].tolist() == list(range(600))


def test_no_query_has_no_neighbours():
    vectors = np.eye(3, dtype=np.float32)
    assert exact_neighbours(vectors[:0], vectors, 2).shape == (0, 2)


@pytest.mark.parametrize(
    ("found", "share"),
    [([[3, 1, 2]], 1.0), ([[1, 9, 8]], 1 / 3), ([[]], 0.0), ([[1, 1, 1]], 1 / 3), ([[1, 2, 3, 4, 5]], 1.0)],
)
def test_recall_is_the_share_of_exact_neighbours_found_in_any_order(found, share):
    assert recall_at_k(found, [[1, 2, 3]]) == pytest.approx(share)


def test_recall_is_the_mean_over_queries_and_takes_keys():
    assert recall_at_k([["a/0", "b/0"], ["x/0", "y/0"]], [("a/0", "b/0"), ("y/0", "z/0")]) == pytest.approx(0.75)


def test_recall_refuses_another_number_of_answers_than_queries():
    with pytest.raises(ValueError, match="longer"):
        recall_at_k([[1]], [[1], [2]])


def test_the_share_of_the_same_label_counts_every_neighbour():
    neighbours = np.array([["shirt", "dress"], ["mug", "mug"]])
    assert share_of_same_label(neighbours, np.array(["shirt", "mug"])) == pytest.approx(0.75)


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=12))
def test_the_share_by_chance_is_that_of_all_pairs(labels):
    pairs = list(permutations(labels, 2))
    assert share_by_chance(np.array(labels)) == pytest.approx(sum(one == other for one, other in pairs) / len(pairs))


def test_one_product_has_no_neighbour_by_chance():
    assert share_by_chance(np.array(["mug"])) == 0.0


def test_answers_are_binned_from_the_least_sure_on():
    assert reliability([0.9, 0.1, 0.5, 0.7], [True, False, False, True], bins=2) == [
        Bin(2, pytest.approx(0.3), 0.0),
        Bin(2, pytest.approx(0.8), 1.0),
    ]


def test_there_are_no_more_bins_than_answers():
    assert reliability([0.5], [True]) == [Bin(1, 0.5, 1.0)]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.integers(1, 20))
def test_the_calibration_error_is_the_mean_distance_between_what_was_said_and_what_was(answers, bins):
    found = reliability(*zip(*answers, strict=True), bins=bins)
    assert sum(one.n for one in found) == len(answers)
    said = sorted(answers, key=lambda answer: answer[0])
    total, start = 0.0, 0
    for one in found:
        part = said[start : start + one.n]
        total += abs(sum(p - right for p, right in part))
        start += one.n
    assert calibration_error(found) == pytest.approx(total / len(answers), abs=1e-12)


def test_probabilities_that_are_always_true_have_no_error():
    assert calibration_error(reliability([0.25] * 4 + [1.0] * 4, [True, False, False, False] + [True] * 4, 2)) == 0
