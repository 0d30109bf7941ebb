"""How training moves: the learning rate of each step, and the moving average that is kept of the weights."""

import math

import torch
from torch import nn

WARM_UP = 0.04
"""Share of all steps in which the learning rate rises."""


def learning_rate(step: int, steps: int, peak: float) -> float:
    """A rise in a line, then half a cosine down to a thousandth of the peak at the last step; steps count from 0."""
    rising = max(1, round(WARM_UP * steps))
    if step < rising:
        return peak * (step + 1) / rising
    done = (step - rising) / max(1, steps - rising)
    return peak * max(1e-3, 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, *, step: int, decay: float) -> None:
    """Move an average of weights towards them; early on faster, so that where it began is forgotten."""
    weight = 1 - min(decay, (1 + step) / (10 + step))
    for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, weight)
        else:
            mean.copy_(value)
