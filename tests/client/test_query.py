"""What may be asked, the boxes of pictures, and cursors."""

import base64
import io
import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vitrine.client import Box, Example, Filters, Query, StaleCursor
from vitrine.client.cropping import cropped, encoded
from vitrine.client.paging import Cursor, read
from vitrine.errors import BadRecord, BadSettings
from vitrine.images import open_upright
from vitrine.index import schema
from vitrine.settings import Pictures

LIKED = (Example(b"0"),)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"picture": b"0", "product_id": "a"},
        {"product_id": "a", "box": Box(0, 0, 1, 1)},
        {"picture": b"0", "weight": 0.0},
        {"picture": b"0", "weight": float("nan")},
        {"picture": b"0", "weight": 101.0},
        {"vector": np.zeros(2)},
        {"vector": np.array([1.0, np.nan])},
        {"vector": np.ones((1, 2))},
    ],
)
def test_examples_out_of_range_are_refused(given):
    with pytest.raises(BadSettings):
        Example(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"examples": ()},
        {"examples": LIKED * 17},
        {"examples": LIKED, "k": 0},
        {"examples": LIKED, "k": 201},
        {"examples": LIKED, "diversity": 1.1},
        {"examples": LIKED, "diversity": float("nan")},
        {"examples": LIKED, "words": "x" * 201},
    ],
)
def test_queries_out_of_range_are_refused(given):
    with pytest.raises(BadSettings):
        Query(**given)


@pytest.mark.parametrize(
    "box", [(-0.1, 0, 1, 1), (0, 0, 1.1, 1), (0.5, 0, 0.6, 1), (0, 0, 0, 1), (1, 0, 0.1, 1), (0, float("nan"), 1, 1)]
)
def test_boxes_outside_of_the_picture_are_refused(box):
    with pytest.raises(BadSettings, match="box"):
        Box(*box)


@given(st.integers(1, 50), st.integers(1, 50), st.floats(0, 0.999), st.floats(0, 0.999), st.floats(1e-9, 1))
def test_a_box_is_at_least_a_pixel_and_never_leaves_the_picture(width, height, left, top, share):
    left_px, top_px, right_px, bottom_px = Box(left, top, share * (1 - left), share * (1 - top)).pixels(width, height)

    assert 0 <= left_px < right_px <= width
    assert 0 <= top_px < bottom_px <= height
    assert left_px <= left * width < right_px + 1e-6


def jpeg(picture, **options):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def test_a_box_is_of_the_upright_picture():
    picture = Image.new("RGB", (64, 32), "white")
    picture.paste("black", (0, 0, 32, 32))
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright: left is the top
    data = jpeg(picture, exif=turned)

    part = open_upright(cropped(data, Box(0, 0, 1, 0.5), Pictures()), Pictures())

    assert part.size == (32, 32)
    assert max(max(pixel) for pixel in part.get_flattened_data()) < 20


def test_a_large_part_is_made_smaller_and_a_small_one_is_kept_without_loss():
    noise = np.random.default_rng(0).integers(0, 255, (40, 4_000, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")

    wide = open_upright(cropped(file.getvalue(), Box(0, 0, 0.9, 1), Pictures()), Pictures())
    part = open_upright(cropped(file.getvalue(), Box(0, 0, 0.25, 1), Pictures()), Pictures())

    assert wide.size == (1_600, 18)
    assert np.array_equal(np.asarray(part), noise[:, :1_000])


def test_a_picture_to_cut_from_that_cannot_be_used_says_why():
    with pytest.raises(BadRecord, match="unsupported_format"):
        cropped(b"<html>", Box(0, 0, 0.5, 1), Pictures())


def test_a_picture_that_pillow_opened_but_cannot_read_says_why():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    opened = Image.open(io.BytesIO(jpeg(noise)[:2_000]))

    with pytest.raises(BadRecord, match="truncated"):
        encoded(opened)


@pytest.mark.parametrize("mode", ["1", "L", "P", "PA", "RGB", "RGBA", "CMYK", "F", "HSV", "I;16"])
def test_what_pillow_opened_is_embedded_whatever_its_mode(mode):
    data = encoded(Image.new(mode, (8, 6)))

    assert open_upright(data, Pictures()).size == (8, 6)


def test_what_pillow_opened_is_turned_upright():
    turned = Image.Exif()
    turned[0x0112] = 6
    opened = Image.open(io.BytesIO(jpeg(Image.new("RGB", (8, 6)), exif=turned)))

    assert open_upright(encoded(opened), Pictures()).size == (6, 8)


DIFFERENT = [
    Query(LIKED),
    Query((Example(b"1"),)),
    Query((Example(b"0", weight=2.0),)),
    Query((Example(b"0", box=Box(0, 0, 1, 0.5)),)),
    Query((Example(product_id="0"),)),
    Query((Example(image_id="0"),)),
    Query((Example(vector=np.ones(2)),)),
    Query((Example(vector=np.array([1.0, 2.0])),)),
    Query((Example(Image.new("RGB", (2, 2))),)),
    Query(LIKED * 2),
    Query(LIKED, words="red"),
    Query(LIKED, words="\ud800"),
    Query(LIKED, filters=Filters(brands=("x",))),
    Query(LIKED, filters=Filters(attributes={"brands": "x"})),
    Query(LIKED, diversity=0.5),
    Query(LIKED, collapse=True),
    Query(LIKED, narrow=True),
    Query(LIKED, expression="price > 1"),
]


def test_all_that_is_asked_tells_queries_apart_but_not_the_page(tmp_path):
    assert len({query.digest() for query in DIFFERENT}) == len(DIFFERENT)
    assert Query(LIKED, k=20, cursor="x").digest() == Query(LIKED).digest()


def test_a_cursor_comes_back_as_it_was_given():
    given = Cursor(Query(LIKED).digest(), "shop__r1", 20)

    assert read(Query(LIKED, cursor=given.text())) == given
    assert read(Query(LIKED)) is None


def test_a_cursor_of_another_query_is_refused():
    with pytest.raises(StaleCursor, match="another query"):
        read(Query(LIKED, words="red", cursor=Cursor(Query(LIKED).digest(), "shop__r1", 20).text()))


def made(*said):
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode()


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_no_text_breaks_the_reading_of_cursors(text):
    with suppress(StaleCursor):
        assert read(Query(LIKED, cursor=text)) is None


@pytest.mark.parametrize(
    "text", [made(), made(1, 2, 3), made("a", "b", -1), made("a", "b", True), made("a", "b", 1.5), "[" * 5_000, "x" * 9]
)
def test_damaged_cursors_are_refused(text):
    with pytest.raises(StaleCursor, match="damaged"):
        read(Query(LIKED, cursor=text))


@pytest.mark.parametrize("any_shop", ["memory", "lite"], indirect=True)
def test_a_cursor_opens_no_other_collection(any_shop):
    shop = any_shop
    shop.serve({"a/0": 0})
    for other in ("other__r1", "shop__users"):
        shop.store.create(other, schema.pictures(2), description="{}")
    client = shop.client()

    for name in ("other__r1", "shop__users", "shop__r9", "shop__ü/..", "", "shop"):
        with pytest.raises(StaleCursor):
            client.find(Query(LIKED, cursor=Cursor(Query(LIKED).digest(), name, 1).text()))
