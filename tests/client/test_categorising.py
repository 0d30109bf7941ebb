"""The vote of neighbours on category and brand."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.client.categorising import SURE, Choice, Likeness, guess, likeness
from vitrine.index.calibration import DEFAULT_TEMPERATURE, NEIGHBOURS, Calibration
from vitrine.index.search import Hit
from vitrine.index.thresholds import Thresholds

CALIBRATION = Calibration(0.05, 0.6, Thresholds(similar=0.8, very_close=0.9, duplicate=0.98))
PATHS = ("Apparel/Topwear/Shirts", "Apparel/Topwear/Tops", "Apparel/Bottoms", "Home", "")


def hit(score: float, category: str = "", brand: str = "") -> Hit:
    return Hit("p", "p/0", score, 1, "", category, brand, -1.0, True, {}, "", "")


def hits(*voters: tuple[float, str]) -> list[Hit]:
    return [hit(score, category) for score, category in voters]


def test_neighbours_of_one_mind_are_sure_of_the_whole_path() -> None:
    found = guess(hits((0.9, PATHS[0]), (0.8, PATHS[0])), CALIBRATION)
    assert (found.path, found.sure, found.level) == (PATHS[0], PATHS[0], 3)
    assert (found.p, found.sure_p) == pytest.approx((1, 1))
    assert (found.alternatives, found.narrows, found.none_of_these) == ((), PATHS[0], False)


def test_neighbours_that_differ_in_the_last_level_are_sure_of_the_one_above() -> None:
    found = guess(hits((0.9, PATHS[0]), (0.9, PATHS[1])), CALIBRATION)
    assert (found.p, found.sure, found.sure_p, found.level) == (0.5, "Apparel/Topwear", 1.0, 2)
    assert found.alternatives == (Choice(PATHS[1], 0.5),)
    assert found.narrows == "Apparel/Topwear"


def test_neighbours_that_differ_in_the_first_level_are_sure_of_nothing() -> None:
    found = guess(hits((0.9, PATHS[0]), (0.9, "Home")), CALIBRATION)
    assert (found.sure, found.sure_p, found.level, found.narrows) == ("", 0.0, 0, "")


def test_a_neighbour_weighs_by_its_cosine_and_the_temperature() -> None:
    found = guess(hits((0.9, "near"), (0.8, "far")), CALIBRATION)
    assert found.p == pytest.approx(1 / (1 + math.exp(-0.1 / 0.05)))
    plain = guess(hits((0.9, "near"), (0.8, "far")), None)
    assert plain.p == pytest.approx(1 / (1 + math.exp(-0.1 / DEFAULT_TEMPERATURE)))


def test_a_brand_has_a_temperature_of_its_own() -> None:
    voters = [hit(0.9, "x", "near"), hit(0.8, "y", "far")]
    found = guess(voters, replace(CALIBRATION, brand_temperature=0.1))
    assert found.p == pytest.approx(1 / (1 + math.exp(-0.1 / 0.05)))
    assert found.brand.p == pytest.approx(1 / (1 + math.exp(-0.1 / 0.1)))


def test_without_a_calibration_a_search_is_not_narrowed() -> None:
    found = guess(hits((0.9, PATHS[0])), None)
    assert (found.sure, found.calibrated, found.narrows) == (PATHS[0], False, "")
    only_cosines = replace(CALIBRATION, temperature=None)
    found = guess(hits((0.9, PATHS[0])), only_cosines)
    assert (found.calibrated, found.narrows, found.none_of_these) == (False, "", False)


def test_a_picture_like_no_product_is_none_of_these() -> None:
    found = guess(hits((0.59, PATHS[0])), CALIBRATION)
    assert (found.none_of_these, found.path, found.narrows) == (True, PATHS[0], "")
    assert not guess(hits((0.6, PATHS[0])), CALIBRATION).none_of_these


def test_an_empty_collection_says_nothing() -> None:
    found = guess([], CALIBRATION)
    assert (found.path, found.p, found.sure, found.brand, found.none_of_these) == ("", 0.0, "", None, True)


def test_who_has_no_category_does_not_vote_on_it() -> None:
    found = guess([hit(0.95, "", "Acme"), hit(0.7, "Home", "")], CALIBRATION)
    assert (found.path, found.p) == ("Home", 1.0)
    assert found.brand == Choice("Acme", 1.0)


def test_the_31st_neighbour_has_no_vote() -> None:
    voters = [hit(0.7, "few")] * NEIGHBOURS
    assert guess([*voters, hit(0.7, "many")], CALIBRATION).p == pytest.approx(1)


def test_alternatives_are_the_next_best_and_none_is_hopeless() -> None:
    votes = {"a": 0.9, "b": 0.88, "c": 0.87, "d": 0.86, "e": 0.85, "f": 0.84, "g": 0.5}
    found = guess(hits(*((score, path) for path, score in votes.items())), CALIBRATION)
    assert [choice.value for choice in found.alternatives] == ["b", "c", "d", "e"]
    found = guess(hits((0.9, "a"), (0.5, "g")), CALIBRATION)
    assert found.alternatives == ()


@given(st.lists(st.tuples(st.floats(-1, 1), st.sampled_from(PATHS)), max_size=40), st.floats(0.002, 2))
def test_probabilities_of_levels_are_sums_of_those_below(voters: list[tuple[float, str]], temperature: float) -> None:
    calibration = Calibration(temperature, -1.0, CALIBRATION.thresholds)
    voters = sorted(voters, reverse=True)
    found = guess(hits(*voters), calibration)
    weights = {path: 0.0 for _, path in voters[:NEIGHBOURS] if path}
    top = max((score for score, path in voters[:NEIGHBOURS] if path), default=0)
    for score, path in voters[:NEIGHBOURS]:
        if path:
            weights[path] += math.exp((score - top) / temperature)
    total = sum(weights.values())

    def p(beginning: str) -> float:
        return sum(w for path, w in weights.items() if f"{path}/".startswith(f"{beginning}/")) / total

    assert (found.path == "") == (not weights)
    if found.path:
        assert found.p == pytest.approx(p(found.path))
        assert found.p == pytest.approx(max(map(p, weights)))
    if found.sure:
        assert found.sure_p == pytest.approx(p(found.sure))
        assert found.sure_p >= SURE
        deeper = {path for path in weights if path.count("/") > found.sure.count("/")}
        assert all(p("/".join(path.split("/")[: found.level + 1])) < SURE + 1e-9 for path in deeper)
    elif weights:
        assert all(p(path.split("/")[0]) < SURE + 1e-9 for path in weights)


def test_words_of_likeness_are_those_of_the_collection() -> None:
    words = [likeness(score, CALIBRATION) for score in (0.95, 0.9, 0.89, 0.8, 0.79)]
    assert words == [*[Likeness.VERY_CLOSE] * 2, *[Likeness.SIMILAR] * 2, Likeness.DISTANT]
    assert likeness(0.95, None) is None
