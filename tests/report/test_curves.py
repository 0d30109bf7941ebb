import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine.report import Curves, Page, render
from vitrine.report.curves import plot, round_above

LINES = {"recall@1": ((0.0, 0.2), (50.0, 0.4), (100.0, 0.8)), "recall@5": ((0.0, 0.5), (100.0, 0.9))}


def points(svg: str) -> list[list[tuple[float, float]]]:
    found = re.findall(r'points="([^"]+)"', svg)
    return [[(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())] for line in found]


def test_lines_rise_as_their_values_do_and_share_one_frame() -> None:
    first, second = points(plot(Curves("Found", "steps", LINES)))
    assert len(first) == 3
    assert [x for x, _ in first] == sorted(x for x, _ in first)
    assert [y for _, y in first] == sorted((y for _, y in first), reverse=True)
    assert second[0][0] == first[0][0]
    assert second[-1][0] == first[-1][0]
    heights = [second[-1][1], first[-1][1]]
    zero = first[0][1] + (first[0][1] - first[1][1])  # 0.2 below the point at 0.2
    assert (zero - heights[0]) / (zero - heights[1]) == pytest.approx(0.9 / 0.8, rel=0.01)


def test_each_line_is_named_with_its_last_value() -> None:
    svg = plot(Curves("Found", "steps", LINES))
    assert "recall@1 0.800" in svg
    assert "recall@5 0.900" in svg
    assert "100 steps" in svg


def test_names_of_lines_that_end_together_do_not_lie_on_each_other() -> None:
    svg = plot(Curves("Found", "steps", dict.fromkeys("abc", ((0.0, 0.0), (1.0, 0.5)))))
    places = sorted(float(y) for y in re.findall(r'class="name\d"[^>]* y="([\d.]+)"', svg))
    assert len(places) == 3
    assert min(b - a for a, b in pairwise(places)) >= 16


@pytest.mark.parametrize("lines", [{}, {"none": ()}, {"zero": ((0.0, 0.0),)}])
def test_nothing_to_draw_is_no_error(lines: dict[str, tuple[tuple[float, float], ...]]) -> None:
    assert len(points(plot(Curves("Found", "steps", lines)))) == sum(bool(line) for line in lines.values())


def test_a_page_shows_its_curves_and_escapes_them() -> None:
    page = render(Page(title="t", summary="", curves=(Curves("<b>", "<i>", {"<u>": ((1.0, 1.0),)}),)))
    assert "&lt;b&gt;" in page
    assert not {"<b>", "<i>", "<u>"} & set(re.findall(r"<[a-z]>", page))


@given(st.floats(1e-6, 1e6))
def test_a_frame_ends_at_a_round_number_not_far_above(value: float) -> None:
    top = round_above(value)
    assert value <= top <= 2 * value * (1 + 1e-9)
    assert f"{top:.0e}"[0] in "1248"
