"""Pictures made worse on purpose."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.retrieval.builders import picture
from vitrine.errors import BadRecord
from vitrine.images import open_upright
from vitrine.rendering import draw, look
from vitrine.retrieval.distortions import DISTORTIONS, distorted, with_room
from vitrine.settings import Pictures

LIMITS = Pictures()
WAYS = [(name, strength) for name, (_, strengths) in DISTORTIONS.items() for strength in strengths]


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(open_upright(data, LIMITS), dtype=np.float64)


def png(shown: Image.Image) -> bytes:
    stream = io.BytesIO()
    shown.save(stream, "PNG")
    return stream.getvalue()


PACKSHOT = png(draw(look(3), size=64))


def test_there_are_three_strengths_of_everything_that_photos_suffer_from() -> None:
    wanted = {"noise", "blur", "darker", "brighter", "contrast", "jpeg", "rotation", "crop", "occlusion", "grey"}
    assert set(DISTORTIONS) == wanted
    assert all(len(strengths) == 3 for _, strengths in DISTORTIONS.values())


@pytest.mark.parametrize("name", [name for name in DISTORTIONS if name not in {"rotation", "crop"}])
def test_a_stronger_distortion_changes_the_picture_more(name: str) -> None:
    before = pixels(PACKSHOT)
    strengths = DISTORTIONS[name][1]
    away = [np.abs(pixels(distorted(PACKSHOT, name, one, LIMITS, seed=1)) - before).mean() for one in strengths]
    assert 0 < away[0] < away[1] < away[2]


def test_a_crop_is_the_middle_and_a_rotation_keeps_the_whole() -> None:
    before = pixels(PACKSHOT)
    assert np.array_equal(pixels(distorted(PACKSHOT, "crop", 0.5, LIMITS, seed=1)), before[16:48, 16:48])
    turned = pixels(distorted(PACKSHOT, "rotation", 30, LIMITS, seed=1))
    assert min(turned.shape[:2]) > 64
    assert turned[0, 0].tolist() == [255, 255, 255]


def test_all_colour_taken_away_leaves_grey() -> None:
    left = pixels(distorted(PACKSHOT, "grey", 1.0, LIMITS, seed=1))
    assert np.ptp(left, axis=2).max() == 0 < np.ptp(pixels(PACKSHOT), axis=2).max()


def test_the_same_seed_gives_the_same_picture_and_another_seed_another() -> None:
    first, again, other = (distorted(PACKSHOT, "noise", 25, LIMITS, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


@given(st.sampled_from(WAYS), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_the_smallest_pictures_survive_every_way(way: tuple[str, float], width: int, height: int, seed: int) -> None:
    small = png(Image.new("RGB", (width, height), (200, 10, 90)))
    assert pixels(distorted(small, *way, LIMITS, seed=seed)).size


@pytest.mark.parametrize(("name", "strength"), WAYS)
def test_large_pictures_stay_within_the_limits_of_pictures(name: str, strength: float) -> None:
    large = png(Image.new("RGB", (3_000, 1_500), (9, 99, 9)))
    made = distorted(large, name, strength, LIMITS, seed=1)
    assert len(made) < 6_000_000 < LIMITS.max_bytes


def test_limits_that_a_picture_just_keeps_have_room_for_all_that_is_made_of_it() -> None:
    tight = Pictures(max_bytes=len(PACKSHOT), max_pixels=64 * 64, max_frames=3)
    for name, strength in WAYS:
        assert open_upright(distorted(PACKSHOT, name, strength, tight, seed=1), with_room(tight))
    assert with_room(tight).max_frames == 3
    wide = Pictures(max_bytes=2 * LIMITS.max_bytes, max_pixels=LIMITS.max_pixels + 1)
    assert with_room(wide) == wide


def test_a_broken_picture_is_a_bad_record() -> None:
    with pytest.raises(BadRecord):
        distorted(picture(0)[:200], "blur", 0.01, LIMITS, seed=1)
