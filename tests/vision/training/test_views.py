import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vitrine.vision.training.pack import Pack
from vitrine.vision.training.views import Look, Squares, views

NONE = torch.empty(0, 3, 32, 32, dtype=torch.uint8)
STILL = Look(area=(1, 1), turn_share=0, tilt_share=0, background_share=0, cover_share=0)


def squares_of(pack: Pack, n: int = 12, *, packshots: bool = True) -> Squares:
    return Squares(torch.tensor(pack.pictures[:n]), torch.tensor(pack.boxes[:n]), packshots=packshots)


def seen(squares: Squares, look: Look, *, seed: int = 0, backdrops: Tensor = NONE, size: int = 32) -> Tensor:
    torch.manual_seed(seed)
    return views(squares, backdrops, size, look)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views in true light: what moves pictures is looked at alone."""
    monkeypatch.setattr("vitrine.vision.training.views._photometric", torch.nn.Identity)


def test_the_same_seed_gives_the_same_views(pack: Pack) -> None:
    first, again, other = (seen(squares_of(pack), Look(), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first.shape, first.dtype) == ((12, 3, 32, 32), torch.uint8)


def test_pictures_that_stand_together_are_not_in_one_light() -> None:
    """Pictures of a class do, and would be found by their light."""
    pictures, boxes = torch.full((32, 32, 32, 4), 90, dtype=torch.uint8), torch.tensor([[0, 0, 32, 32]] * 32)
    squares = Squares(pictures, boxes, packshots=False)
    shown = seen(squares, STILL).float().mean((1, 2, 3))
    alike = (shown[1:] - shown[:-1]).abs() < 1
    assert int(alike.sum()) < len(alike) / 2


@settings(max_examples=20)
@given(
    low=st.floats(0.05, 1),
    high=st.floats(1, 3),
    shares=st.floats(0, 1),
    size=st.integers(32, 60),
    packshots=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_look_gives_pictures(
    pack: Pack, low: float, high: float, shares: float, size: int, packshots: bool, seed: int
) -> None:
    look = Look((low, high), shares, 3.0, shares, 0.9, shares, shares)
    shown = seen(
        squares_of(pack, packshots=packshots), look, seed=seed, size=size, backdrops=NONE.new_empty(0, 3, size, size)
    )
    assert shown.shape == (12, 3, size, size)
    assert shown.dtype is torch.uint8


@pytest.mark.usefixtures("plain")
def test_a_photo_shows_nothing_that_was_not_photographed() -> None:
    pictures = torch.zeros(40, 64, 64, 4, dtype=torch.uint8)
    boxes = torch.tensor([[16, 4, 30, 50]], dtype=torch.int16).repeat(40, 1)
    pictures[:, 4:54, 16:46, :3] = 200
    shown = seen(
        Squares(pictures, boxes, packshots=False), Look(area=(0.2, 2.0), turn=3.0, turn_share=1, cover_share=0)
    )
    assert shown.min() >= 190  # the margin of half a pixel is mixed with what lies around


@pytest.mark.usefixtures("plain")
def test_a_still_look_shows_the_picture_or_its_mirror() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).repeat(64, 1)[None, :, :, None].repeat(20, 1, 1, 4)
    boxes = torch.tensor([[0, 0, 64, 64]], dtype=torch.int16).repeat(20, 1)
    rows = seen(Squares(ramp, boxes, packshots=False), STILL, size=64)[:, 0].float().mean(1)  # left to right
    steps = rows.diff(dim=1)
    rising, falling = (steps >= 0).all(1), (steps <= 0).all(1)
    assert (rising | falling).all()
    assert 4 < rising.sum() < 16


@pytest.mark.usefixtures("plain")
def test_packshots_get_other_backgrounds_and_keep_their_product(pack: Pack) -> None:
    backdrops = torch.zeros(4, 3, 32, 32, dtype=torch.uint8)
    still = Look(area=(1, 1), turn_share=0, tilt_share=0, background_share=0, cover_share=0)
    changed = Look(area=(1, 1), turn_share=0, tilt_share=0, background_share=1, cover_share=0)
    before, after = (seen(squares_of(pack), look, seed=3, backdrops=backdrops) for look in (still, changed))
    assert torch.equal(seen(squares_of(pack), still, seed=3, backdrops=backdrops), before)
    corner = np.asarray(after[:, :, 0, 0].float().mean(1))
    assert (corner < 235).mean() > 0.7
    assert before.float().mean() > after.float().mean()


@pytest.mark.usefixtures("plain")
def test_a_part_may_be_covered_by_a_piece_of_another_picture() -> None:
    grey = torch.full((30, 32, 32, 4), 128, dtype=torch.uint8)
    boxes = torch.tensor([[0, 0, 32, 32]], dtype=torch.int16).repeat(30, 1)
    shown = seen(Squares(grey, boxes, packshots=False), Look(turn_share=0, tilt_share=0, cover_share=1))
    shares = (shown != 128).any(1).float().mean((1, 2))
    assert shares.max() < 0.26
    assert (shares > 0.01).float().mean() > 0.9
