"""Answers that are slow, busy, refused or fail. What the network does is the browser's: its routes play it."""

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.driving import card, hits, settled
from vitrine.client import Client
from vitrine.serve.running import serving

BUSY = {"status": 429, "code": "busy", "title": "Too Many Requests", "detail": "Busy.", "request_id": "r"}


def answering(page: Page, *answers: dict | None, at: str = "**/search") -> list[Route]:
    """The next requests get these problems, or nothing at all for None; those after them the service's answer."""
    seen: list[Route] = []

    def answer(route: Route) -> None:
        seen.append(route)
        if len(seen) > len(answers):
            route.continue_()
        elif (problem := answers[len(seen) - 1]) is None:
            route.abort()
        else:
            headers = {"content-type": "application/problem+json", "retry-after": "1"}
            route.fulfill(status=problem["status"], headers=headers, body=json.dumps(problem))

    page.route(at, answer)
    return seen


def stand_still(page: Page) -> None:
    """From now on the page's time passes only as the test says."""
    page.clock.install(time=0)
    page.clock.pause_at(3_600_000)


def test_a_busy_service_is_asked_again_when_it_said(visit, shop):
    page = visit()
    seen = answering(page, BUSY, BUSY)
    page.set_input_files("#file", shop.photo)
    expect(page.locator("#trouble")).to_contain_text("Many are searching just now")
    expect(page.locator("#trouble")).to_contain_text("Trying again in 1 s")
    expect(page.locator("#hits article").first).to_be_visible()
    assert hits(page) == shop.answered()
    assert page.locator("#trouble").inner_text() == ""
    assert len(seen) == 3


def test_a_service_that_stays_busy_is_not_asked_for_ever(visit, shop):
    page = visit()
    stand_still(page)
    seen = answering(page, *[BUSY] * 20)
    page.set_input_files("#file", shop.photo)
    again = page.get_by_role("button", name="Try again")
    for _ in range(5):
        expect(again).to_be_visible()
        with page.expect_request("**/search"):
            page.clock.run_for(2_500)
    expect(again).to_be_visible()
    page.clock.run_for(60_000)
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (None, "cannot be reached"),
        ({"status": 503, "code": "unavailable", "detail": "Milvus."}, "not answering just now"),
        ({"status": 500, "code": "fault", "detail": "A bug."}, "went wrong on our side"),
        ({"status": 418, "code": "new_code", "detail": "A sentence of the service."}, "A sentence of the service."),
    ],
)
def test_a_failure_is_said_and_can_be_tried_again(visit, shop, answer, sentence):
    page = visit()
    answering(page, answer)
    page.set_input_files("#file", shop.photo)
    expect(page.locator("#trouble")).to_contain_text(sentence)
    page.get_by_role("button", name="Try again").click()
    assert hits(page) == shop.answered()


def test_a_slow_answer_shows_that_it_is_awaited(visit, shop):
    page = visit()
    stand_still(page)
    held: list[Route] = []
    page.route("**/search", lambda route: [held.append(route)])
    page.set_input_files("#file", shop.photo)
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "true")
    page.clock.run_for(100)
    expect(page.locator("#hits > li")).to_have_count(0)
    page.clock.run_for(100)
    expect(page.locator("#hits .ghost")).to_have_count(8)
    page.clock.run_for(4_000)
    expect(page.locator("#status")).to_contain_text("longer than usual")
    held[0].continue_()
    assert hits(page) == shop.answered()


def test_a_search_that_was_overtaken_is_given_up(visit, shop):
    page = visit(f"?like={shop.product_id}")
    before = hits(page)
    page.route("**/search", lambda route: None)
    with page.expect_request("**/search"):
        card(page, 3).locator(".with").click()
    with page.expect_event("requestfailed"):
        page.go_back()
    assert hits(page) == before


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("half.jpg", lambda photo: photo[: len(photo) // 2], "damaged"),
        ("page.png", lambda photo: b"<html>404</html>", "not a picture"),
    ],
)
def test_a_picture_that_the_service_refuses_is_explained(visit, shop, name, content, sentence):
    page = visit()
    kind = "image/png" if name.endswith("png") else "image/jpeg"
    files = {"name": name, "mimeType": kind, "buffer": content(shop.photo.read_bytes())}
    page.set_input_files("#file", files)
    expect(page.locator("#trouble")).to_contain_text(sentence)


@pytest.mark.parametrize(
    ("name", "size", "sentence"),
    [("list.txt", 10, "not a picture that we can read"), ("large.jpg", 10_000_001, "at most 10 MB")],
)
def test_a_file_that_cannot_do_is_not_sent(visit, tmp_path, name, size, sentence):
    page = visit()
    page.wait_for_load_state("networkidle")
    seen = answering(page)
    (tmp_path / name).write_bytes(bytes(size))
    page.set_input_files("#file", tmp_path / name)
    expect(page.locator("#refused")).to_contain_text(sentence)
    assert seen == []


def test_the_page_asks_for_a_key_once_and_keeps_it_for_the_tab(visit, shop, tmp_path):
    (tmp_path / "keys").write_text("page 0123456789abcdef0123456789abcdef\n")
    serve = shop.settings.serve.model_copy(update={"keys_file": tmp_path / "keys"})
    settings = shop.settings.model_copy(update={"serve": serve})
    with serving(settings, open_client=lambda: Client(shop.store, "products", lambda model_id: shop.embedder)) as url:
        page = visit(url=url)
        key = page.get_by_label("Key", exact=True)
        key.fill("wrong")
        key.press("Enter")
        page.set_input_files("#file", shop.photo)
        expect(page.locator("#key-refused")).to_contain_text("not known")
        key.fill("0123456789abcdef0123456789abcdef")
        key.press("Enter")
        assert hits(page) == shop.answered()
        card(page, 0).locator("h3").click()
        expect(page.locator("#related .grid article").first).to_be_visible()
        assert page.evaluate("localStorage.length") == 0


def test_a_title_of_markup_stays_text(visit, shop):
    page = visit()
    hit = {"title": "<img src=x onerror=alert(1)>", "brand": "<b>", "category": "a/<i>x", "attributes": {}}

    def planted(route: Route) -> None:
        answer = route.fetch().json()
        answer["hits"][0] |= hit
        route.fulfill(json=answer)

    page.route("**/search", planted)
    page.goto(f"{shop.url}/?like={shop.product_id}")
    expect(card(settled(page), 0).locator("h3")).to_have_text(hit["title"])
    expect(card(page, 0).locator(".kind")).to_have_text(re.compile("<b> – <i>x"))
