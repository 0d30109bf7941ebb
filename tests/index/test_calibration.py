"""The vote's temperature, and how it is found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.index.calibration import TEMPERATURES, fitted, shares

SCORES = st.lists(st.floats(-1, 1), min_size=1, max_size=30)


@given(SCORES, st.floats(0.002, 2))
def test_shares_are_a_softmax_over_the_neighbours(scores: list[float], temperature: float) -> None:
    weights = [np.exp((score - max(scores)) / temperature) for score in scores]
    assert shares(scores, temperature) == pytest.approx([weight / sum(weights) for weight in weights])


def test_a_place_without_a_neighbour_has_no_share() -> None:
    assert shares(np.array([[0.5, -np.inf]]), 0.1).tolist() == [[1.0, 0.0]]


def drawn(temperature: float, n: int = 4_000, k: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours, one of which is right; it is drawn with the shares of that temperature."""
    dice = np.random.default_rng(0)
    scores = np.sort(dice.uniform(0.6, 0.95, (n, k)))[:, ::-1]
    right = [dice.choice(k, p=row) for row in shares(scores, temperature)]
    return scores, np.arange(k) == np.array(right)[:, np.newaxis]


@pytest.mark.parametrize("temperature", [0.01, 0.05, 0.3])
def test_the_temperature_that_made_the_answers_is_found(temperature: float) -> None:
    assert fitted(*drawn(temperature)) == pytest.approx(temperature, rel=0.15)


def test_where_the_nearest_is_always_right_the_vote_is_as_sharp_as_can_be() -> None:
    scores, _ = drawn(0.1, n=50)
    assert fitted(scores, np.arange(30) == np.zeros((50, 1))) == TEMPERATURES[0]


def test_where_no_neighbour_is_right_the_answer_is_still_a_number() -> None:
    assert fitted(np.full((2, 3), 0.5), np.zeros((2, 3), np.bool_)) in TEMPERATURES
