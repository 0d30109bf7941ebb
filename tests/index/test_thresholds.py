"""Which cosines mean something in a collection."""

import numpy as np
import pytest

from vitrine.index.thresholds import EQUAL, SAME_PICTURE, Thresholds, measure


def drawn(n, dim=16):
    vectors = np.random.default_rng(0).standard_normal((n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_one_random_pair_in_a_hundred_is_similar_and_one_in_ten_thousand_very_close():
    vectors = drawn(400)

    found = measure(vectors, [str(i) for i in range(400)])

    cosines = [float(vectors[i] @ vectors[j]) for i in range(400) for j in range(i)]
    shares = [np.mean([cosine >= limit for cosine in cosines]) for limit in (found.similar, found.very_close)]
    assert shares == pytest.approx([1e-2, 1e-4], rel=0.05)
    assert found.duplicate == SAME_PICTURE


def test_pictures_of_one_product_say_nothing_about_the_collection():
    vectors = np.repeat(drawn(100), 3, axis=0)

    found = measure(vectors, [str(i // 3) for i in range(300)])

    assert found.very_close == pytest.approx(measure(drawn(100), [str(i) for i in range(100)]).very_close, abs=0.02)


def test_twins_that_show_one_picture_do_not_count():
    vectors = np.repeat(drawn(100), 2, axis=0)

    found = measure(vectors, [str(i) for i in range(200)])

    assert found.duplicate == SAME_PICTURE
    assert found.very_close == pytest.approx(measure(drawn(100), [str(i) for i in range(100)]).very_close, abs=0.02)


def test_in_a_collection_of_look_alikes_only_the_closest_are_duplicates():
    vectors = drawn(100) * 0.05 + np.float32(1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    found = measure(vectors, [str(i) for i in range(100)])

    assert found.duplicate == found.very_close > SAME_PICTURE


@pytest.mark.parametrize("products", [[], ["a"], ["a", "a"]])
def test_with_less_than_two_products_nothing_is_alike(products):
    assert measure(drawn(len(products)), products) == Thresholds(EQUAL, EQUAL, EQUAL)
