import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vitrine.vision.training.schedule import follow, learning_rate


def test_the_rate_rises_in_a_line_and_falls_in_half_a_cosine() -> None:
    rates = [learning_rate(step, 100, 0.8) for step in range(100)]
    assert rates[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert rates[4] == pytest.approx(0.8)
    assert rates[52] == pytest.approx(0.4)
    assert rates[76] == pytest.approx(0.8 * (1 + math.cos(math.pi * 0.75)) / 2)


@given(steps=st.integers(1, 500), peak=st.floats(1e-4, 10))
def test_the_rate_never_ends_and_never_passes_its_peak(steps: int, peak: float) -> None:
    rates = [learning_rate(step, steps, peak) for step in range(steps)]
    top = rates.index(max(rates))
    assert all(0 < rate <= peak * (1 + 1e-9) for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_the_average_is_that_of_the_weights_so_far_then_a_moving_one() -> None:
    network = nn.BatchNorm1d(1)
    average, expected = copy.deepcopy(network), 1.0
    for step, value in enumerate([3.0, 5.0, 2.0, 7.0]):
        network.weight.data.fill_(value)
        network.num_batches_tracked.fill_(step)
        follow(average, network, step=step, decay=0.25)
        kept = min(0.25, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * value
        assert float(average.weight.detach()) == pytest.approx(expected)
        assert int(average.num_batches_tracked) == step


def test_statistics_are_averaged_too() -> None:
    network = nn.BatchNorm1d(1)
    average = copy.deepcopy(network)
    network.running_mean = torch.tensor([10.0])
    follow(average, network, step=1_000, decay=0.5)
    assert average.running_mean.tolist() == [5.0]
