"""Figures of the bench from hand-made rounds."""

import pytest

from tests.bench.figures import naive_aim, rates, ratios

ROUND = {"decode": 0.001, "model": 0.018, "engine": 0.020, "spark": 0.0202, "naive": 0.065}
SLOW_ROUND = {name: 3 * seconds for name, seconds in ROUND.items()}


def test_a_rate_is_the_median_over_the_rounds() -> None:
    assert rates([SLOW_ROUND, ROUND, ROUND])["engine"] == pytest.approx(50)


def test_ratios_are_taken_within_a_round_so_that_a_busy_machine_does_not_change_them() -> None:
    alone, shared = (ratios(rounds, over_naive=3.0) for rounds in ([ROUND], [ROUND, SLOW_ROUND]))
    assert [one.value for one in alone] == pytest.approx([0.95, 0.99, 3.218], rel=1e-3)
    assert [one.value for one in shared] == pytest.approx([one.value for one in alone])


def test_a_ratio_below_its_aim_is_missed() -> None:
    assert [one.met for one in ratios([ROUND], over_naive=4.0)] == [True, True, False]


def test_what_is_asked_of_the_naive_way_depends_on_bf16_and_on_the_size() -> None:
    assert [naive_aim("bf16", 224), naive_aim("fp32", 224), naive_aim("bf16", 96)] == [3.0, 1.3, None]
