"""Filters beside the results, and the chips above them."""

import re

from playwright.sync_api import Route, expect

from tests.page.driving import asked, hits, settled
from vitrine.client import Filters


def test_a_category_is_filtered_by_and_those_below_it_narrow_it(visit, shop):
    page = asked(visit(), shop)
    page.locator("#categories").get_by_label("Apparel").check()
    expect(page).to_have_url(re.compile("category=Apparel"))
    assert hits(page) == shop.answered(filters=Filters(categories=("Apparel",)))
    page.locator("#categories").get_by_label("Topwear").check()
    expect(page).to_have_url(re.compile("category=Apparel%2FTopwear&"))
    assert hits(page) == shop.answered(filters=Filters(categories=("Apparel/Topwear",)))
    expect(page.locator("#categories").get_by_label("Apparel")).to_be_checked(indeterminate=True)
    expect(page.locator("#categories").get_by_label("Topwear")).to_be_focused()


def test_brands_price_and_stock_are_filtered_by(visit, shop):
    page = asked(visit(), shop)
    page.locator("#brands").get_by_label("Kestrel").check()
    page.locator("#brands").get_by_label("青禾").check()
    page.get_by_label("In stock only").check()
    page.get_by_label("Lowest price").fill("20")
    page.get_by_label("Highest price").fill("180")
    page.get_by_label("Highest price").press("Enter")
    expect(page).to_have_url(re.compile("to=180"))
    expect(page.locator("#chips li")).to_have_count(6)
    wanted = Filters(brands=("Kestrel", "青禾"), in_stock=True, price_min=20, price_max=180)
    assert hits(page) == shop.answered(filters=wanted, narrow=False) != []


def test_prices_are_taken_in_their_order_and_what_is_none_is_left_out(visit, shop):
    page = asked(visit(), shop)
    page.get_by_label("Lowest price").fill("180")
    page.get_by_label("Highest price").fill("20")
    page.get_by_label("Highest price").press("Enter")
    expect(page).to_have_url(re.compile("from=20&to=180"))
    expect(page.get_by_label("Lowest price")).to_have_value("20")
    page.get_by_label("Lowest price").fill("-5")
    page.get_by_label("Lowest price").blur()
    expect(page).not_to_have_url(re.compile("from="))
    expect(page.get_by_label("Lowest price")).to_have_value("")
    assert hits(page) == shop.answered(filters=Filters(price_max=180), narrow=False)


def test_a_price_that_is_being_typed_outlives_the_arrival_of_an_answer(visit, shop):
    page = settled(visit(f"?like={shop.product_id}"))
    held: list[Route] = []
    page.route("**/search", lambda route: [held.append(route)])
    with page.expect_request("**/search"):
        page.get_by_label("In stock only").check()
    page.get_by_label("Lowest price").fill("20")
    held[0].continue_()
    settled(page)
    expect(page.get_by_label("Lowest price")).to_have_value("20")


def test_a_chip_takes_its_filter_away_and_the_last_one_all(visit, shop):
    page = settled(visit(f"?like={shop.product_id}&category=Apparel&brand=Kestrel&from=5"))
    page.get_by_role("button", name="Remove the filter Kestrel").click()
    expect(page).to_have_url(re.compile(r"like=[^&]*&category=Apparel&from=5$"))
    settled(page).get_by_role("button", name="Clear all filters").click()
    expect(page).to_have_url(re.compile(r"like=[^&]*$"))
    expect(settled(page).locator("#chips li")).to_have_count(0)


def test_back_takes_the_last_filter_away(visit, shop):
    page = asked(visit(), shop)
    before = hits(page)
    page.get_by_label("In stock only").check()
    expect(page).to_have_url(re.compile("stock=1"))
    assert hits(page) != before
    page.go_back()
    assert hits(page) == before
    expect(page.get_by_label("In stock only")).not_to_be_checked()


def test_filters_that_nothing_passes_say_so_and_offer_to_go(visit, shop):
    page = settled(visit(f"?like={shop.product_id}&from=100000"))
    expect(page.locator("#status")).to_have_text("Nothing found")
    page.locator("#said").get_by_role("button", name="Clear all filters").click()
    expect(page.locator("#hits > li")).to_have_count(24)


def test_filters_are_folded_on_a_phone(visit, shop):
    page = settled(visit(f"?like={shop.product_id}", width=390))
    expect(page.get_by_label("In stock only")).to_be_hidden()
    page.locator("#filters-fold > summary").click()
    expect(page.get_by_label("In stock only")).to_be_visible()
