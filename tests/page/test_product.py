"""A product's own view."""

import re

from playwright.sync_api import expect

from tests.page.driving import asked, card, hits


def test_a_product_shows_what_looks_alike_and_what_goes_with_it_each_with_its_reason(visit, shop):
    page = visit("?product=P00010")
    cards = {name: page.locator(f"#{name} .grid > li") for name in ("similar", "related")}
    expect(cards["related"]).to_have_count(12)
    expect(cards["similar"]).to_have_count(12)
    links = [card.locator("a").first.get_attribute("href") for card in cards["similar"].all()]
    similar = shop.client().search_product("P00010", 12)
    assert links == [f"./?product={hit.product_id}" for hit in similar]
    expect(cards["similar"].first.locator(".likeness")).to_have_text(re.compile("very close|similar|distant"))
    together = page.locator("#related li", has=page.locator("a[href$='product=P00012']")).first
    expect(together.locator(".sources")).to_contain_text("Bought together")
    for reasons in page.locator("#related .sources").all():
        expect(reasons).to_have_text(re.compile("Bought together|Looks alike|Popular in its category"))


def test_the_way_back_is_the_same_after_going_forward_and_to_a_part_of_the_page(visit, shop):
    page = asked(visit(), shop)
    card(page, 0).locator("a").first.click()
    expect(page.locator("#back")).to_be_visible()
    product = page.url
    page.go_back()
    expect(page.locator("#status")).to_be_visible()
    page.go_forward()
    expect(page).to_have_url(product)
    page.evaluate("location.hash = '#product'")
    page.go_back()
    page.locator("#back").click()
    expect(page).to_have_url(re.compile("picture="))


def test_back_from_a_product_shows_the_results_where_they_were(visit, shop):
    page = asked(visit(), shop)
    before = hits(page)
    card(page, 20).locator("h3").click()
    title = page.locator("#product-title")
    expect(title).to_be_focused()
    expect(page.locator("#related .grid article").first).to_be_visible()
    page.get_by_role("link", name="Back").click()
    assert hits(page) == before
    expect(card(page, 20)).to_be_in_viewport()


def test_a_product_has_all_its_pictures(visit, shop):
    page = visit(f"?product={shop.product_id}")
    buttons = page.locator("#product-pictures button")
    expect(buttons).to_have_count(4)
    first = page.locator("#product-picture").get_attribute("src")
    buttons.nth(2).click()
    expect(buttons.nth(2)).to_have_attribute("aria-pressed", "true")
    assert page.locator("#product-picture").get_attribute("src") != first
    assert page.evaluate("document.getElementById('product-picture').decode().then(() => true)")


def test_a_search_starts_from_a_product(visit, shop):
    page = visit("?product=P00010")
    page.get_by_role("article", name=re.compile(".")).get_by_role("link", name="Search with this", exact=True).click()
    expect(page).to_have_url(re.compile("like=P00010$"))
    assert len(hits(page)) == 24
    expect(page.locator("#answer-title")).to_be_focused()


def test_a_product_that_is_gone_says_so(visit):
    page = visit("?product=no/such%20product")
    expect(page.get_by_role("alert").filter(has_text="no longer there")).to_be_visible()
    expect(page.locator("#related")).to_be_hidden()
