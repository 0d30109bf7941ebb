"""Likes and dislikes as vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.client.combining import Taken, combined

ANGLES = st.tuples(st.floats(0, 55), st.floats(0.1, 9))


def taken(degrees, weight=1.0):
    radians = np.radians(np.atleast_1d(degrees))
    return Taken(np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32), weight)


def degrees(vectors):
    return np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])).tolist()


def test_one_example_asks_with_each_of_its_vectors():
    probes = combined([taken([10, 80, 200])])

    assert degrees(probes.vectors) == pytest.approx([10, 80, -160], abs=1e-3)
    assert (probes.weights, probes.blended) == ((), False)


def test_two_likes_that_are_alike_ask_with_their_mean():
    assert degrees(combined([taken(0), taken(60)]).vectors) == pytest.approx([30], abs=1e-3)


def test_likes_that_are_different_things_ask_each_with_its_weight():
    probes = combined([taken(0, 2.0), taken(61, 3.0), taken([170, 190], 0.5)])

    assert degrees(probes.vectors)[:2] == pytest.approx([0, 61], abs=1e-3)
    assert abs(degrees(probes.vectors)[2]) == pytest.approx(180, abs=1e-3)
    assert (probes.weights, probes.blended) == ((2.0, 3.0, 0.5), False)


def test_a_dislike_pushes_away_from_itself():
    north = taken(90, -5.0)

    assert degrees(combined([taken(0), north]).vectors) == pytest.approx([np.degrees(np.arctan2(-1, 2))])
    assert degrees(combined([taken(0), taken(180), north]).vectors) == pytest.approx(
        [np.degrees(np.arctan2(-1, 2)), np.degrees(np.arctan2(-1, -2))], abs=1e-3
    )


@given(st.lists(ANGLES, min_size=1, max_size=5), st.lists(ANGLES, max_size=3))
def test_means_are_weighted_and_dislikes_count_half(liked, disliked):
    examples = [taken(angle, weight) for angle, weight in liked] + [taken(a, -weight) for a, weight in disliked]

    def mean(told):
        radians = np.radians([angle for angle, _ in told])
        weights = np.array([weight for _, weight in told])
        return np.stack([np.cos(radians), np.sin(radians)]) @ weights / weights.sum()

    wanted = 2 * mean(liked) - mean(disliked) if disliked else mean(liked)
    [found] = combined(examples).vectors

    assert found == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-5)
    assert found.dtype == np.float32
