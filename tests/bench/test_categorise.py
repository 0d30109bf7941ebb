"""The measurement of guesses, on shops that are seen by eye."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tests.bench.categories import Shown, figures, guesses, narrowing, split
from tests.bench.plot import reliability_plot
from vitrine.client.categorising import Choice, Guess
from vitrine.quality import Bin


def told(path: str, p: float, *, sure: str = "", none: bool = False) -> Guess:
    return Guess(path, p, sure, 0.95, (), None, none_of_these=none, calibrated=True)


GUESSES = [told("A/b", 0.8, sure="A"), told("A/c", 0.4), told("A/b", 1.0, sure="A/b"), told("B", 0.2, none=True)]


def test_figures_are_those_of_the_best_answers() -> None:
    found = figures([Choice(one.path, one.p) for one in GUESSES], ["A/b", "A/b", "A/c", "B"])
    assert (found.n, found.accuracy) == (4, 0.5)
    assert found.brier == pytest.approx((0.2**2 + 0.4**2 + 1.0 + 0.8**2) / 4)


def test_a_search_is_narrowed_rightly_to_a_category_above_or_below_the_known_one() -> None:
    found = narrowing(GUESSES, ["A/b", "A/b", "A/c", "B"])
    assert (found.share, found.right, found.none_of_these) == (0.5, 0.5, 0.25)
    assert found.to_level == {1: 0.25, 2: 0.25}
    assert narrowing(GUESSES, ["A", "A", "A", "B"]).right == 1


def test_no_product_is_asked_with_that_the_shop_has_or_nearly_has() -> None:
    dice = np.random.default_rng(0)
    vectors = dice.standard_normal((600, 32)).astype(np.float32)
    vectors[[4, 11, 36]] = vectors[[5, 12, 37]]  # 4, 11 and 36 are asked with
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shown = Shown([str(i) for i in range(600)], [f"All/{i % 3}" for i in range(600)], [""] * 600, vectors)
    found = split(shown)
    assert not {*found.shop.products} & {*found.asked.products}
    assert len(found.shop.products) + len(found.asked.products) + found.near_duplicates == 600
    assert found.near_duplicates == 3
    assert found.asked.products
    assert float((found.asked.vectors @ found.shop.vectors.T).max()) < found.calibration.thresholds.duplicate


def test_a_shop_says_of_its_own_pictures_what_they_are() -> None:
    shop = Shown(["a", "b"], ["All/x", "All/y"], ["Acme", ""], np.eye(2, dtype=np.float32))
    assert [found.path for found in guesses(shop, shop.vectors, None)] == shop.categories


def test_the_plot_has_a_dot_for_each_bin() -> None:
    plot = ET.fromstring(reliability_plot([Bin(3, 0.2, 0.1), Bin(3, 0.9, 1.0)], "How true"))
    assert len(plot.findall(".//{http://www.w3.org/2000/svg}circle")) == 2
