"""What is fitted is what is best on the cases, of what a measure uses."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

from vitrine.backtest.cases import Cases, Histories
from vitrine.backtest.comparison import Knobs, Trained, Trial, gain, lists, row
from vitrine.backtest.fitting import Grid, fit, fit_weights

START = Knobs(shrinkage=7.0, decay=0.1)
GRID = Grid(shrinkages=[0.0, 10.0], decays=[0.2, 0.9])


def trained() -> Trained:
    """Items 0 and 1 speak for 3 with 0.6 each, item 2 for 4 with 1; a shrinkage below 10 speaks for 5 above all."""

    def table(measure: str, shrinkage: float) -> csr_array:
        loud = 0.0 if shrinkage >= 10 else 9.0
        values = [0.6, 0.6, 1.0, loud]
        return csr_array((values, ([0, 1, 2, 2], [3, 3, 4, 5])), shape=(6, 6))

    return Trained(pa.array(list("abcdef")), np.array([6, 5, 4, 3, 2, 1]), 10, table, release=lambda: None)


def trial(relevant: int, *, repeats: bool = False, filled: bool = True) -> Trial:
    """One case: 0, 1, then 2 is the newest."""
    known = Histories(np.zeros(3, int), np.array([0, 1, 2]), np.array([2, 1, 0]), np.array([1.0, 1.0, 5.0]))
    return Trial("", Cases(known, np.array([0]), np.array([relevant]), np.array([0])), repeats, filled)


def test_both_knobs_are_set_to_what_finds_the_relevant_item_first() -> None:
    assert fit(trial(3), trained(), "gap-weighted", START, GRID) == Knobs(10.0, 0.9)
    assert fit(trial(4), trained(), "gap-weighted", START, GRID) == Knobs(10.0, 0.2)


def test_a_knob_that_a_measure_does_not_use_stays_as_it_is() -> None:
    assert fit(trial(3), trained(), "jaccard", START, GRID).shrinkage == START.shrinkage
    for measure in ("markov", "sar-jaccard", "popularity"):
        assert fit(trial(3), trained(), measure, START, GRID) == START


def test_lists_go_by_the_newest_item_alone_or_by_affinity_where_the_measure_says_so() -> None:
    found = {name: lists(trial(3), trained(), name, Knobs(10.0, 0.9), 3)[0].tolist() for name in ("cosine", "markov")}
    assert found == {"cosine": [3, 4, 5], "markov": [4, 3, 5]}
    assert lists(trial(3), trained(), "sar-jaccard", Knobs(10.0, 0.9), 2)[0].tolist() == [4, 3]


def test_popularity_is_the_same_for_all_but_for_what_was_seen() -> None:
    assert lists(trial(3), trained(), "popularity", START, 3)[0].tolist() == [3, 4, 5]
    assert lists(trial(3, repeats=True), trained(), "popularity", START, 3)[0].tolist() == [0, 1, 2]


def test_short_lists_are_filled_by_popularity_only_where_they_are_to_be() -> None:
    backwards = Trained(pa.array(list("abcdef")), np.arange(6), 10, trained().table, release=lambda: None)
    found = [
        lists(trial(3, repeats=True, filled=filled), backwards, "cosine", Knobs(10.0, 0.9), 4)[0].tolist()
        for filled in (True, False)
    ]
    assert found == [[3, 4, 5, 2], [3, 4, 0, 1]]


def test_a_row_holds_each_figure_at_each_length() -> None:
    found = row(trial(4), trained(), "markov", Knobs(10.0, 0.9), ks=[1, 3], resamples=5, seed=1)
    assert (found.figures["ndcg@1"], found.figures["precision@3"], found.intervals["hr@1"]) == (1.0, 1 / 3, (1.0, 1.0))
    assert found.figures["coverage@3"] == 3 / 6
    assert found.note == "newest item alone"
    assert gain(trial(3), trained(), "markov", Knobs(10.0, 0.9)) == pytest.approx(1 / np.log2(3))


def test_weights_of_types_are_those_judged_best_and_the_first_stays() -> None:
    judged = {"view": 1.0, "cart": 24.0, "purchase": 0.75}
    found = fit_weights(
        {"view": 1.0, "cart": 6.0, "purchase": 3.0},
        lambda types: -sum(abs(np.log(types[name] / judged[name])) for name in types),
    )
    assert found == judged
