import copy
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from vitrine.vision.training.convolution import speed_up

SHAPES = [*product((256, 512), (1, 2), (0, 1), ((4, 4), (7, 5)))]


def bf16(tensor: Tensor) -> Tensor:
    return tensor.to(torch.bfloat16).float()


def pair(channels: int, stride: int, padding: int) -> tuple[nn.Module, nn.Module]:
    """A plain convolution with weights that bf16 can hold, and the same one sped up."""
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(8, channels, 3, stride, padding, bias=False))
    plain[0].weight.data = bf16(plain[0].weight.data)
    fast = copy.deepcopy(plain)
    speed_up(fast)
    assert type(fast[0]) is not type(plain[0])
    return plain, fast


def close(found: Tensor, wanted: Tensor) -> bool:
    """Equal but for what bf16 rounds away: 8 bits of the largest."""
    return bool((found.float() - wanted).abs().max() <= wanted.abs().max() / 100)


@pytest.mark.parametrize(("channels", "stride", "padding", "shape"), SHAPES)
def test_a_fast_convolution_is_a_convolution(channels: int, stride: int, padding: int, shape: tuple[int, int]) -> None:
    plain, fast = pair(channels, stride, padding)
    pictures = bf16(torch.randn(3, 8, *shape))
    answers = []
    for one in (plain, fast):
        given = pictures.clone().requires_grad_()
        found = one(given)
        found.backward(bf16(torch.randn(found.shape, generator=torch.Generator().manual_seed(1))).to(found.dtype))
        answers.append((found.detach(), given.grad, one[0].weight.grad))
    for wanted, got in zip(*answers, strict=True):
        assert close(got, wanted)


def test_without_gradients_it_is_the_plain_one() -> None:
    plain, fast = pair(512, 1, 1)
    pictures = torch.randn(2, 8, 4, 4)
    with torch.no_grad():
        assert torch.equal(fast(pictures), plain(pictures))


def test_other_convolutions_stay_as_they_are() -> None:
    others = nn.Sequential(
        nn.Conv2d(8, 64, 3, bias=False),
        nn.Conv2d(8, 512, 1, bias=False),
        nn.Conv2d(8, 512, 3),
        nn.Conv2d(8, 512, 3, groups=8, bias=False),
        nn.Conv2d(8, 512, 3, dilation=2, bias=False),
    )
    speed_up(others)
    assert {type(one) for one in others} == {nn.Conv2d}


def test_names_and_weights_stay() -> None:
    plain, fast = pair(256, 1, 1)
    assert fast.state_dict().keys() == plain.state_dict().keys()
    assert copy.deepcopy(fast).state_dict().keys() == plain.state_dict().keys()
