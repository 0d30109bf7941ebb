"""What is bought together, alike and popular becomes one list."""

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.blend import (
    BOUGHT_TOGETHER,
    LOOKS_ALIKE,
    POPULAR,
    Ranked,
    behaviour_share,
    blend,
    decayed,
    diverse,
    within_band,
    worth,
)

LISTS = st.lists(st.sampled_from("abcdefghij"), unique=True)
BOTH = (BOUGHT_TOGETHER, LOOKS_ALIKE)


def ids(ranked):
    return [one.product_id for one in ranked]


def test_behaviour_weighs_as_much_as_looks_at_kappa_sessions():
    assert [behaviour_share(n, 20) for n in (0, 20, 60)] == [0, 0.5, 0.75]


def test_a_place_counts_what_ndcg_counts():
    assert [worth(rank) for rank in (1, 3)] == [1, 0.5]


def test_a_blend_by_hand():
    found = blend(["bag", "hat"], ["cap", "bag"], ["mug", "hat", "jar"], evidence=60, kappa=20)

    second = 1 / log2(3)
    lowest = 0.25
    assert found == [
        Ranked("bag", 0.75 + 0.25 * second, BOTH),
        Ranked("hat", 0.75 * second, (BOUGHT_TOGETHER,)),
        Ranked("cap", lowest, (LOOKS_ALIKE,)),
        Ranked("mug", lowest * second, (POPULAR,)),
        Ranked("jar", lowest * 0.5, (POPULAR,)),
    ]


def test_a_cold_product_has_its_looks_alone():
    assert blend([], ["cap", "bag"], [], evidence=0) == [
        Ranked("cap", 1.0, (LOOKS_ALIKE,)),
        Ranked("bag", worth(2), (LOOKS_ALIKE,)),
    ]


def test_without_looks_behaviour_has_the_whole_weight():
    assert blend(["hat"], [], [], evidence=1) == [Ranked("hat", 1.0, (BOUGHT_TOGETHER,))]


def test_where_nothing_else_is_known_popular_products_answer():
    assert blend([], [], ["mug", "jar"], evidence=0) == [
        Ranked("mug", worth(2), (POPULAR,)),
        Ranked("jar", worth(3), (POPULAR,)),
    ]


def test_of_equal_scores_what_is_bought_together_comes_first():
    assert ids(blend(["z"], ["a"], [], evidence=20, kappa=20)) == ["z", "a"]


@given(LISTS, LISTS, LISTS, st.integers(0, 10_000))
def test_a_blend_holds_each_product_once_best_first_with_who_proposed_it(bought, alike, popular, evidence):
    found = blend(bought, alike, popular, evidence=evidence)

    assert sorted(ids(found)) == sorted({*bought, *alike, *popular})
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 + 1e-12 for score in scores)
    for one in found:
        said = {BOUGHT_TOGETHER: one.product_id in bought, LOOKS_ALIKE: one.product_id in alike}
        said[POPULAR] = not any(said.values())
        assert one.sources == tuple(source for source, true in said.items() if true)


@given(LISTS, LISTS)
def test_with_evidence_the_blend_becomes_the_behaviour(bought, alike):
    assert ids(blend(bought, alike, [], evidence=1e9))[: len(bought)] == bought


@given(st.integers(1, 1_000), st.integers(1, 1_000))
def test_more_evidence_never_weighs_less(few, more):
    assert behaviour_share(few) <= behaviour_share(few + more) < 1


def test_older_products_of_a_session_count_less():
    assert decayed([[("a", 1.0), ("b", 4.0)], [("c", 7.0), ("a", 8.0)]], 0.5) == ["a", "b", "c"]  # 5, 4, 3.5
    assert decayed([[("a", 1.0)], [("b", 9.0)]], 0) == ["a"]
    assert decayed([[("z", 1.0), ("a", 1.0)], []], 0.5) == ["a", "z"]


@pytest.mark.parametrize(
    ("price", "asked", "band", "fits"),
    [
        (5, 10, (0.5, 2), True),
        (20, 10, (0.5, 2), True),
        (4.9, 10, (0.5, 2), False),
        (20.1, 10, (0.5, 2), False),
        (-1, 10, (0.5, 2), False),
        (-1, -1, (0.5, 2), True),
        (99, -1, (0.5, 2), True),
        (99, 1, None, True),
    ],
)
def test_a_price_band_is_around_the_asked_price(price, asked, band, fits):
    assert within_band(price, asked, band) is fits


def test_diversity_takes_another_look_before_the_same_again():
    east, north = [1.0, 0.0], [0.0, 1.0]
    vectors = np.array([east, east, north], dtype=np.float32)

    assert diverse([1.0, 0.9, 0.5], vectors, 2, diversity=0.0) == [0, 1]
    assert diverse([1.0, 0.9, 0.5], vectors, 2, diversity=0.5) == [0, 2]


@given(st.integers(1, 12), st.integers(0, 14), st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.integers(0, 99))
def test_diversity_does_what_its_definition_says(n, k, diversity, seed):
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((n, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = sorted(random.random(n), reverse=True)

    expected: list[int] = []
    while len(expected) < min(k, n):

        def value(i):
            likeness = max((float(vectors[i] @ vectors[j]) for j in expected), default=-1.0)
            return (1 - diversity) * scores[i] - diversity * likeness

        expected.append(max((i for i in range(n) if i not in expected), key=lambda i: (round(value(i), 6), -i)))

    assert diverse(scores, vectors, k, diversity=diversity) == expected
