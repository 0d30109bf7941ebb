"""What a visitor does on the page, and what they see of it."""

import re
from urllib.parse import unquote

from playwright.sync_api import Locator, Page, expect


def settled(page: Page) -> Page:
    """The page once its search is answered or has failed."""
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    return page


def hits(page: Page) -> list[str]:
    """The products that the page shows, once its search is answered."""
    links = settled(page).locator("#hits article > a:first-child")
    return [unquote(re.sub(r".*product=", "", link.get_attribute("href"))) for link in links.all()]


def card(page: Page, number: int) -> Locator:
    return page.locator("#hits > li").nth(number)


def asked(page: Page, shop) -> Page:
    """The page after it was asked with the photo, in all categories."""
    page.set_input_files("#file", shop.photo)
    page.locator("#said button").last.click()
    expect(page).to_have_url(re.compile("everywhere=1"))
    return settled(page)
