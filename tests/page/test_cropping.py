"""The crop box, by pointer, keys and numbers."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.page.driving import asked, hits


def box_in(page: Page) -> list[int]:
    """The numbers that the page shows."""
    return [int(page.locator(f"[data-side={side}]").input_value()) for side in ("left", "top", "width", "height")]


def test_a_box_made_with_keys_is_what_is_searched_with(visit, shop):
    page = asked(visit(), shop)
    page.locator("#box").focus()
    for key in ["Shift+ArrowLeft"] * 20 + ["Shift+ArrowUp"] * 10 + ["ArrowRight"] * 5 + ["ArrowDown"] * 50:
        page.keyboard.press(key)
    expect(page).to_have_url(re.compile(r"box=10\+20\+60\+80"))
    assert hits(page) == shop.answered(box=(0.1, 0.2, 0.6, 0.8), narrow=False)
    expect(page.get_by_role("application")).to_have_accessible_name(
        "Crop box: left 10 %, top 20 %, width 60 %, height 80 %"
    )
    expect(page.locator("#box")).to_be_focused()


def test_a_box_given_in_numbers_is_what_is_searched_with(visit, shop):
    page = asked(visit(), shop)
    page.get_by_text("Crop", exact=True).click()
    for name, value in (("Left", "30"), ("Top", "10"), ("Width", "40"), ("Height", "55")):
        page.get_by_label(name, exact=True).fill(value)
        page.get_by_label(name, exact=True).press("Enter")
    expect(page).to_have_url(re.compile(r"box=30\+10\+40\+55"))
    assert hits(page) == shop.answered(box=(0.3, 0.1, 0.4, 0.55), narrow=False)
    page.get_by_role("button", name="Whole picture").click()
    expect(page).not_to_have_url(re.compile("box="))
    assert hits(page) == shop.answered(narrow=False)


def test_a_box_is_drawn_moved_and_resized_with_a_pointer(visit, shop):
    page = asked(visit(), shop)
    stage = page.locator("#stage").bounding_box()

    def drag(start, end):
        for step, (x, y) in (("down", start), ("up", end)):
            page.mouse.move(stage["x"] + stage["width"] * x, stage["y"] + stage["height"] * y)
            getattr(page.mouse, step)()

    drag((0.3, 0.3), (0.8, 0.7))
    assert box_in(page) == pytest.approx([30, 30, 50, 40], abs=1)
    drag((0.5, 0.5), (0.4, 0.3))
    assert box_in(page) == pytest.approx([20, 10, 50, 40], abs=1)
    left, top, width, height = box_in(page)
    drag(((left + width - 3) / 100, (top + height - 3) / 100), (0.95, 0.9))
    assert box_in(page) == pytest.approx([20, 10, 75, 80], abs=1)
    expect(page).to_have_url(re.compile("box=" + r"\+".join(map(str, box_in(page)))))
    box = tuple(one / 100 for one in box_in(page))
    assert hits(page) == shop.answered(box=box, narrow=False)


def test_back_from_a_crop_shows_the_whole_picture_again(visit, shop):
    page = asked(visit(), shop)
    page.locator("#box").focus()
    page.keyboard.press("Shift+ArrowLeft")
    expect(page).to_have_url(re.compile(r"box=0\+0\+98\+100"))
    hits(page)
    page.go_back()
    assert box_in(page) == [0, 0, 100, 100]


def test_no_box_leaves_the_picture(visit):
    boxes = visit().evaluate(
        """import('./static/crop.js').then(({ moved, resized, spanned, withSide }) => {
          const found = [];
          const points = [0, 3, 50, 97, 100];
          for (const x of points) for (const y of points) for (const u of points) for (const v of points) {
            const box = spanned([x, y], [u, v]);
            found.push(box, moved(box, u - 50, v - 50), resized(box, u - 50, v - 50));
            for (const side of ["left", "top", "width", "height"]) found.push(withSide(box, side, u * 3 - 100));
          }
          return found;
        })"""
    )
    assert len(boxes) == 7 * 5**4
    for box in boxes:
        assert min(box["left"], box["top"]) >= 0, box
        assert min(box["width"], box["height"]) >= 5, box
        assert max(box["left"] + box["width"], box["top"] + box["height"]) <= 100, box
