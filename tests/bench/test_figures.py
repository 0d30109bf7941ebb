"""Figures of the bench from hand-made rounds."""

import pytest

from tests.bench.figures import rates, ratios

ROUND = {"decode": 0.001, "model": 0.018, "engine": 0.020, "spark": 0.0202, "naive": 0.065}
SLOW_ROUND = {name: 3 * seconds for name, seconds in ROUND.items()}


def test_a_rate_is_the_median_over_the_rounds() -> None:
    assert rates([SLOW_ROUND, ROUND, ROUND])["engine"] == pytest.approx(50)


def test_ratios_are_taken_within_a_round_so_that_a_busy_machine_does_not_change_them() -> None:
    alone, shared = (ratios(rounds, "bf16") for rounds in ([ROUND], [ROUND, SLOW_ROUND]))
    assert [one.value for one in alone] == pytest.approx([0.95, 0.99, 3.218], rel=1e-3)
    assert [one.value for one in shared] == pytest.approx([one.value for one in alone])


def test_without_bf16_less_is_asked_of_the_naive_way() -> None:
    assert [ratios([ROUND], precision)[-1].aim for precision in ("bf16", "fp32")] == [3.0, 1.3]
