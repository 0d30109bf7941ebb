"""For everybody: without serious findings of axe, by keyboard alone, at both widths, in light and dark."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.page.driving import asked, hits, settled

SERIOUS = {"serious", "critical"}


def check(page: Page, state: str) -> None:
    """No serious finding, and nothing wider than the screen."""
    serious = [
        (one["id"], [(node["target"], node["failureSummary"]) for node in one["nodes"]])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in SERIOUS
    ]
    assert serious == [], state
    assert too_wide(page) == 0, state


def too_wide(page: Page) -> int:
    """Pixels of the page beyond the screen; a phone would zoom out to show them, so its own width does not tell."""
    return max(0, page.evaluate("document.documentElement.scrollWidth") - page.viewport_size["width"])


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "light"),
        (390, "dark"),
        pytest.param(1280, "dark", marks=pytest.mark.slow),
        pytest.param(390, "light", marks=pytest.mark.slow),
    ],
)
def test_no_state_of_the_page_has_a_serious_finding(visit, shop, width, scheme):
    page = visit(width=width)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    check(page, "empty")
    page.set_input_files("#file", {"name": "x", "mimeType": "text/plain", "buffer": b"x"})
    expect(page.locator("#refused")).not_to_be_empty()
    check(page, "refused")
    asked(page, shop)
    page.locator("#numbers summary").click()
    page.locator("#filters-fold").evaluate("(fold) => (fold.open = true)")
    page.get_by_label("In stock only").check()
    page.locator("#categories input").first.check()
    page.locator("#words").fill("yellow")
    page.locator("#words").press("Enter")
    expect(page).to_have_url(re.compile("words=yellow.*category"))
    settled(page)
    check(page, "results")
    page.goto(f"{shop.url}/?like={shop.product_id}&from=100000")
    settled(page)
    check(page, "nothing found")
    page.goto(f"{shop.url}/?product={shop.product_id}")
    expect(page.locator("#related .grid article").first).to_be_visible()
    check(page, "product")
    page.goto(f"{shop.url}/?product=nothing")
    expect(page.locator("#product-trouble")).not_to_be_empty()
    check(page, "gone")
    page.evaluate("document.getElementById('key').showModal()")
    check(page, "key")


def tab_to(page: Page, wanted: str) -> None:
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"no way to {wanted} by Tab")


def test_a_picture_is_searched_with_and_cropped_by_keyboard(visit, shop):
    page = visit()
    with page.expect_file_chooser() as chooser:  # before the way there: the browser is told of it without an answer
        tab_to(page, "#file")
        page.keyboard.press("Space")
    chooser.value.set_files(shop.photo)
    expect(page.locator("#answer-title")).to_be_focused()
    hits(page)
    tab_to(page, "#hits a")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("everywhere=1"))
    hits(page)
    page.keyboard.press("Home")
    page.locator(".mark").focus()
    tab_to(page, "#box")
    page.keyboard.press("Shift+ArrowUp")
    expect(page).to_have_url(re.compile("box="))
    tab_to(page, "#numbers summary")
    page.keyboard.press("Enter")
    tab_to(page, "[data-side=width]")
    tab_to(page, "#words")
    page.keyboard.type("yellow")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("words=yellow"))
    hits(page)


def test_a_category_and_what_goes_with_a_product_are_chosen_by_keyboard(visit, shop):
    page = settled(visit(f"?like={shop.product_id}"))
    page.locator("#words").focus()
    tab_to(page, "[name=category]")
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile("category="))
    hits(page)
    tab_to(page, "#hits article > a:first-child")
    page.keyboard.press("Enter")
    expect(page.locator("#product-title")).to_be_focused()
    expect(page.locator("#related .grid article").first).to_be_visible()
    tab_to(page, "#related a")
    page.keyboard.press("Enter")
    expect(page.locator("#related .grid article").first).to_be_visible()


def test_the_first_tab_leads_past_the_question(visit, shop):
    page = settled(visit(f"?like={shop.product_id}"))
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the results")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#answer') !== null")


def test_nothing_moves_where_less_motion_is_wished(visit, shop):
    page = settled(visit(f"?like={shop.product_id}"))
    moving = "[...document.querySelectorAll('*')].filter((one) => getComputedStyle(one).transitionDuration !== '0s')"
    assert page.evaluate(f"{moving}.length") == 0
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(f"{moving}.length") > 0


@pytest.mark.parametrize("width", [320, *(pytest.param(one, marks=pytest.mark.slow) for one in (390, 768, 1280, 1920))])
def test_nothing_is_wider_than_the_screen(visit, shop, width):
    page = settled(visit(f"?like={shop.product_id}&category=Apparel&stock=1", width=width))
    assert too_wide(page) == 0


def test_the_policy_of_the_page_forbids_what_is_not_its_own(visit, shop):
    policy = visit().request.get(shop.url).headers["content-security-policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert "http" not in policy
