"""Looks and the pictures painted of them."""

import io
import itertools
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vitrine.rendering import draw, gif, jpeg, look, png, sample_pictures, webp
from vitrine.rendering.looks import COLOURS, SHAPES
from vitrine.rendering.patterns import PATTERNS


def test_the_first_70_000_looks_are_distinct():
    assert len({look(number) for number in range(70_000)}) == 70_000


def test_neighbouring_looks_differ_in_everything():
    looks = [look(number) for number in range(2_000)]
    for before, after in itertools.pairwise(looks):
        assert before.shape != after.shape
        assert before.colour != after.colour
        assert before.accent != after.accent
        assert before.pattern != after.pattern


def test_no_look_has_one_colour_twice():
    assert all(look(number).colour != look(number).accent for number in range(5_000))


def test_the_same_arguments_paint_the_same_picture():
    assert draw(look(3), view=2, size=48) == draw(look(3), view=2, size=48)


def test_every_view_is_another_picture():
    pictures = {png(draw(look(3), view=view, size=64)) for view in range(10)}
    assert len(pictures) == 10


@pytest.mark.parametrize("size", [24, 97, 160])
def test_a_picture_is_a_square_of_its_size(size):
    picture = draw(look(5), view=1, size=size)
    assert (picture.mode, picture.size) == ("RGB", (size, size))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_packshot_is_on_white(shape):
    picture = draw(replace(look(0), shape=shape))
    assert {picture.getpixel(corner) for corner in ((0, 0), (159, 0), (0, 159), (159, 159))} == {(255, 255, 255)}


@pytest.mark.parametrize("colour", COLOURS, ids=lambda colour: colour.name)
def test_a_plain_product_shows_its_colour(colour):
    cushion = next(shape for shape in SHAPES if shape.name == "cushion")
    picture = draw(replace(look(0), shape=cushion, colour=colour, pattern="plain"))
    assert picture.getpixel((80, 80)) == pytest.approx(colour.rgb, abs=2)


@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "plain"])
def test_a_pattern_shows_both_colours(pattern):
    cushion = next(shape for shape in SHAPES if shape.name == "cushion")
    red, blue = COLOURS[1], COLOURS[2]
    picture = draw(replace(look(0), shape=cushion, colour=red, accent=blue, pattern=pattern), size=200)
    inside = np.asarray(picture.crop((50, 50, 150, 150)), dtype=np.int64)
    shares = [np.mean(np.abs(inside - colour.rgb).max(axis=2) < 12) for colour in (red, blue)]
    assert min(shares) > 0.1
    assert sum(shares) > 0.5


@pytest.mark.parametrize(("encode", "kind"), [(jpeg, "JPEG"), (png, "PNG"), (webp, "WEBP"), (gif, "GIF")])
def test_an_encoder_makes_a_file_of_its_kind(encode, kind):
    with Image.open(io.BytesIO(encode(draw(look(1), size=40)))) as picture:
        assert (picture.format, picture.size) == (kind, (40, 40))


def test_sample_pictures_are_different_jpegs_and_always_the_same():
    samples = sample_pictures(40)
    assert len(set(samples)) == 40
    assert all(sample.startswith(b"\xff\xd8\xff") for sample in samples)
    assert sample_pictures(3) == samples[:3]
