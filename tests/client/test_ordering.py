"""Fusion by rank, duplicates and variety, against slow plain ways."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.client import fusing, ordering
from vitrine.client.ordering import Ordered
from vitrine.index.search import Hit

SCORES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 4).map(float))


def hit(product_id, score=0.0, sha256=""):
    return Hit(product_id, f"{product_id}/0", score, 1, "", "", "", -1.0, True, {}, "", sha256)


def test_equal_scores_share_the_better_rank_and_nothing_has_none():
    assert fusing.ranks({"a": 0.5, "b": 0.9, "c": 0.5, "d": 0.1, "e": 0.0}) == {"b": 1, "a": 2, "c": 2, "d": 4}


@given(SCORES)
def test_a_rank_is_one_more_than_what_is_better(scores):
    better = {key: 1 + sum(other > score for other in scores.values()) for key, score in scores.items() if score > 0}

    assert fusing.ranks(scores) == better


@given(st.lists(SCORES.map(fusing.ranks), min_size=1, max_size=4), st.lists(st.floats(0.1, 9), min_size=4, max_size=4))
def test_fused_lists_are_ordered_by_the_sum_of_reciprocal_ranks(lists, weights):
    found = fusing.fused(lists, weights[: len(lists)])

    sums = {
        key: sum(weight / (60 + listed[key]) for weight, listed in zip(weights, lists, strict=False) if key in listed)
        for key in {key for listed in lists for key in listed}
    }
    assert found == pytest.approx(sums)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_a_product_of_several_lists_is_met_once_with_its_best_picture():
    lists = [[hit("a", 0.9), hit("b", 0.5)], [replace(hit("b", 0.8), image_id="b/1"), hit("c", 0.8)]]

    assert [(one.image_id, one.score) for one in ordering.best(lists)] == [("a/0", 0.9), ("b/1", 0.8), ("c/0", 0.8)]


@given(st.lists(st.tuples(st.integers(0, 359), st.sampled_from(["", "x", "y"])), max_size=12), st.floats(0.5, 1.0))
def test_what_is_folded_is_near_one_that_stays_and_what_stays_is_near_none(told, duplicate):
    radians = np.radians([angle for angle, _ in told]).reshape(-1)
    vectors = np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)
    ordered = [Ordered(hit(str(i), sha256=sha256), 0.0) for i, (_, sha256) in enumerate(told)]

    kept, theirs = ordering.without_duplicates(ordered, vectors, duplicate)

    def near(i, j):
        return bool(told[i][1] and told[i][1] == told[j][1]) or float(vectors[i] @ vectors[j]) >= duplicate

    stays = [int(one.hit.product_id) for one in kept]
    assert sorted([*stays, *(int(one) for each in kept for one in each.folded)]) == list(range(len(told)))
    assert not any(near(i, j) for i in stays for j in stays if j < i)
    for one in kept:
        for member in map(int, one.folded):
            assert next(i for i in stays if near(i, member)) == int(one.hit.product_id) < member
    assert np.array_equal(theirs, vectors[stays])


def test_variety_of_nothing_is_nothing():
    assert ordering.diversified([], np.empty((0, 2), np.float32), 0.5) == []
