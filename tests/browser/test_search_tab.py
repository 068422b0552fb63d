"""The tab that searches a collection, in Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support import Server
from support.browser import grave

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CAPTION = "a golden retriever standing in the snow"


def test_the_page_searches_finds_more_like_a_picture_and_links_to_it(search_server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(search_server.url)
    page.get_by_role("tab", name="Search a collection").click()
    page.fill("#search-caption :is(textarea, input)", CAPTION)
    page.click("#search")
    page.get_by_text("The best 5 of 5 pictures").wait_for()
    assert page.locator("#hits button img").count() == 5
    page.locator("#hits button:has(img)").first.click()
    page.locator("#more-like").click()
    page.get_by_text("The best 4 of 5 pictures").wait_for()
    page.get_by_role("link", name="link to this search").click()
    page.get_by_text("more like golden-retriever-in-snow.jpg").wait_for()
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_grave_in_what_is_found(search_server: Server, browser: Browser, theme: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=theme)
    page.goto(f"{search_server.url}?collection=paintings&caption=a+cat")
    page.get_by_text("The best 5 of 5 pictures").wait_for()
    page.get_by_text("Narrow it down").click()
    page.get_by_text("More like one of them").click()
    assert grave(page) == []
    page.close()


def test_an_address_opens_a_search_or_says_what_is_wrong_with_it(search_server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"{search_server.url}?collection=paintings&caption=a+cat")
    page.get_by_text("caption “a cat”").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.goto(f"{search_server.url}?collection=/etc&caption=a+cat")
    page.get_by_text("The collection “/etc” is not known: use paintings.").wait_for()
    page.close()


def test_scored_pictures_can_be_kept_and_searched(search_server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(search_server.url)
    page.get_by_text(CAPTION, exact=True).first.click()
    page.get_by_role("button", name="Keep as a collection").click(timeout=60_000)
    page.fill("#search-caption :is(textarea, input)", "a cat in a rucksack")
    page.click("#search")
    page.get_by_text("The best 4 of 4 pictures").wait_for()
    page.close()
