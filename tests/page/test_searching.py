"""Searching on the page: the ways in for a picture, words, languages, and the address."""

import re

import pytest
from playwright.sync_api import expect

from tests.page.driving import asked, card, hits

DROP = """([bytes, name, type]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type }));
  return data;
}"""
PASTE = """([bytes, type]) => {
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([new Uint8Array(bytes)], "pasted", { type }));
  window.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""


def test_a_chosen_picture_gets_what_a_program_gets(visit, shop):
    page = visit()
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Choose a picture").click()
    chooser.value.set_files(shop.photo)
    assert hits(page) == shop.answered()
    assert hits(page)[0] == shop.product_id


def test_a_search_in_the_sure_category_says_so_and_has_a_way_out(visit, shop):
    page = visit()
    page.set_input_files("#file", shop.photo)
    expect(page.locator("#said")).to_contain_text("are shown: your picture looks like one")
    page.get_by_role("button", name="Search everywhere").click()
    expect(page.locator("#hits > li")).to_have_count(24)
    assert hits(page) == shop.answered(narrow=False)
    expect(page.locator("#said")).to_contain_text("Looks like")


def test_a_dropped_picture_is_searched_with(visit, shop):
    page = visit()
    data = page.evaluate_handle(DROP, [list(shop.photo.read_bytes()), "photo.jpg", "image/jpeg"])
    page.dispatch_event("body", "dragover", {"dataTransfer": data})
    expect(page.get_by_text("Drop the picture here")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": data})
    assert hits(page) == shop.answered()
    expect(page.get_by_text("Drop the picture here")).to_be_hidden()


def test_a_pasted_picture_is_searched_with(visit, shop):
    page = visit()
    page.evaluate(PASTE, [list(shop.photo.read_bytes()), "image/jpeg"])
    assert hits(page) == shop.answered()


def test_a_phone_can_take_a_photo_and_its_library_stays_open(visit, shop):
    page = visit(width=390)
    assert page.locator("#file").get_attribute("capture") is None
    assert page.locator("#camera").get_attribute("capture") == "environment"
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Take a photo").click()
    chooser.value.set_files(shop.photo)
    assert hits(page) == shop.answered()


def test_a_product_dragged_onto_the_page_is_searched_with(visit, shop):
    page = asked(visit(), shop)
    dragged = hits(page)[3]
    card(page, 3).locator("a").first.drag_to(page.locator("#stage"))
    expect(page).to_have_url(re.compile(f"like={dragged}$"))
    expect(page.locator("#asked-title a")).to_be_visible()
    assert dragged not in hits(page)


def test_words_put_what_looks_alike_into_another_order(visit, shop):
    page = asked(visit(), shop)
    page.get_by_label("In words").fill("hat")
    page.get_by_label("In words").press("Enter")
    expect(page.locator("#status")).to_contain_text("your words")
    assert hits(page) == shop.answered(words="hat", narrow=False)
    expect(card(page, 0).locator(".sources")).to_contain_text("Fits your words")
    assert "words=hat" in page.url


def test_a_result_starts_the_next_search_and_back_shows_the_last_answer_as_it_was(visit, shop):
    page = asked(visit(), shop)
    before = hits(page)
    requests: list[str] = []
    card(page, 9).get_by_text("Search with this").click()
    expect(page).to_have_url(re.compile(f"like={before[9]}$"))
    expect(page.locator("#asked-title a")).to_be_visible()
    assert hits(page) != before
    page.on("request", lambda sent: requests.append(sent.url))
    page.go_back()
    expect(page.locator("#asked-picture")).to_have_attribute("src", re.compile("^blob:"))
    assert hits(page) == before
    assert not [url for url in requests if url.endswith("/search")]


def test_more_results_come_behind_those_that_are_there(visit, shop):
    page = asked(visit(), shop)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("#hits > li")).to_have_count(48)
    assert hits(page) == shop.answered(48, narrow=False)
    assert page.evaluate("document.activeElement.closest('#hits > li')") is not None


def test_an_address_asks_the_same_in_another_tab(visit, shop):
    address = f"?like={shop.product_id}&category=Apparel&stock=1&to=150"
    first, second = visit(address), visit(address)
    assert hits(first) == hits(second) != []
    expect(first.locator("#chips li")).to_have_count(4)


def test_an_address_from_before_reloading_says_that_its_picture_is_gone(visit, shop):
    page = asked(visit(), shop)
    page.reload()
    expect(page.get_by_role("alert").filter(has_text="choose it again")).to_be_visible()
    page.set_input_files("#file", shop.photo)
    assert hits(page) == shop.answered()


@pytest.mark.parametrize("address", ["?box=1+2", "?box=x&from=nan&to=-1", "?like=&picture=", "?words=red"])
def test_an_address_that_asks_nothing_gets_the_empty_page(visit, address):
    expect(visit(address).get_by_role("heading", name="Search with a picture")).to_be_visible()


def test_the_page_speaks_the_browsers_language_and_the_one_that_was_chosen(visit, shop):
    page = asked(visit(language="zh-CN"), shop)
    expect(page.get_by_role("heading", name="搜索结果")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Results")).to_be_visible()
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_everything_is_said_in_both_languages(visit):
    english, chinese = visit().evaluate(
        "Promise.all([import('./static/english.js'), import('./static/chinese.js')]).then((languages) => languages.map("
        "(one) => Object.entries(Object.values(one)[0]).map(([key, text]) => [key, typeof text])))"
    )
    assert english == chinese


def test_every_text_of_the_markup_is_known(visit):
    unknown = visit().evaluate(
        "import('./static/words.js').then(({ knows }) => [...document.querySelectorAll('*')].flatMap(({ dataset }) =>"
        "[dataset.say, dataset.sayLabel, dataset.sayPlaceholder]).filter((key) => key && !knows(key)))"
    )
    assert unknown == []
