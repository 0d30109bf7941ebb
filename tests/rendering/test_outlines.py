"""Outlines and the camera that places them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.rendering.looks import SHAPES
from vitrine.rendering.outlines import arc, box, ellipse, line, mirrored, smooth
from vitrine.rendering.painting import Camera

PLACE = st.floats(0.05, 0.95)


def test_a_box_has_four_corners():
    assert box((0, 1), (2, 3)) == ((0, 1), (2, 1), (2, 3), (0, 3))


def test_a_mirrored_outline_is_symmetric():
    outline = mirrored((0.5, 0.1), (0.75, 0.5), (0.5, 0.9))
    assert {(1 - x, y) for x, y in outline} == set(outline)


@given(st.lists(st.tuples(PLACE, PLACE), min_size=3, max_size=8))
def test_a_smooth_outline_goes_through_its_points(points):
    outline = smooth(points, steps=4)
    assert np.allclose(outline[::4], points)


def test_an_ellipse_is_as_wide_and_high_as_its_extent():
    places = np.array(ellipse((0.5, 0.4), (0.6, 0.2)))
    assert np.ptp(places, axis=0) == pytest.approx([0.6, 0.2])
    assert places.mean(axis=0) == pytest.approx([0.5, 0.4])


def test_a_line_is_as_thick_as_its_width():
    assert set(line((0, 0.5), (1, 0.5), width=0.2)) == {(0, 0.6), (1, 0.6), (1, 0.4), (0, 0.4)}


def test_a_quarter_arc_goes_from_right_to_down():
    places = arc((0, 0), (2, 2), start=0, end=90, width=0.01)
    assert np.hypot(*np.transpose(places)) == pytest.approx(1, abs=0.01)
    assert np.min(places) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_shape_stays_inside_its_square(shape):
    places = np.array([point for part in shape.parts for point in part.outline])
    assert places.min() >= 0
    assert places.max() <= 1


@given(x=PLACE, y=PLACE, angle=st.floats(-0.3, 0.3), width=st.floats(0.7, 1.1), right=st.floats(-0.1, 0.1))
def test_the_pattern_turns_with_its_product(x, y, angle, width, right):
    matrix = ((np.cos(angle) * width, -np.sin(angle) + 0.05), (np.sin(angle) * width, np.cos(angle)))
    camera = Camera(matrix=matrix, shift=(right, 0.02))
    ((column, row),) = camera.place(((x, y),), 400)
    across, down = camera.product_plane(400)
    if 0 <= column < 400 and 0 <= row < 400:
        assert (across[int(row), int(column)], down[int(row), int(column)]) == pytest.approx((x, y), abs=0.01)
