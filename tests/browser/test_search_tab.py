"""The tab that searches a collection, in Chromium."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from support import Server
from support.browser import WAIT, grave

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CAPTION = "a golden retriever standing in the snow"


def test_the_page_searches_finds_more_like_a_picture_and_links_to_it(search_server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{search_server.url}?model=auto")
    page.get_by_role("tab", name="Search a collection").click()
    page.fill("#search-caption :is(textarea, input)", CAPTION)
    page.click("#search")
    page.get_by_text("The best 5 of 5 pictures").wait_for()
    tiles = page.locator("#hits .cs-grid li")
    assert tiles.count() == 5
    expect(tiles.first).to_contain_text(re.compile(r"1.·.golden-retriever-in-snow.*better than.*cosine 0\.\d{3}", re.S))
    tiles.first.get_by_role("link", name="More like this: golden-retriever-in-snow").click()
    page.get_by_text("The best 4 of 5 pictures").wait_for()
    assert page.url.endswith("?model=auto")
    page.get_by_role("link", name="link to this search").click()
    page.get_by_text("more like golden-retriever-in-snow.jpg").wait_for()
    page.close()


def test_the_keyboard_asks_for_more_like_a_picture_and_goes_on_from_the_answer(
    search_server: Server, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{search_server.url}?collection=paintings&caption=a+cat")
    expect(page.locator("#hits li")).to_have_count(5, timeout=WAIT)
    boxes = [box for tile in page.locator("#hits li").all() if (box := tile.bounding_box())]
    assert len({box["x"] for box in boxes}) == 2  # columns
    page.get_by_role("link", name="link to this search").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("More like this: ")
    page.keyboard.press("Enter")
    page.get_by_text("The best 4 of 5 pictures").wait_for()
    expect(page.locator("#search-status")).to_be_focused()
    expect(page.locator("#search-status")).to_be_in_viewport()
    page.close()


def test_before_a_search_there_is_a_sentence_and_nothing_else(search_server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{search_server.url}?model=auto")
    page.get_by_role("tab", name="Search a collection").click()
    expect(page.locator("#found .cs-empty")).to_be_visible()
    expect(page.locator("#hits")).to_be_hidden()
    page.close()


def test_a_search_is_narrowed_down_by_path_and_by_a_date_from_the_calendar(
    search_server: Server, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{search_server.url}?collection=paintings&caption=a+cat")
    page.get_by_text("The best 5 of 5 pictures").wait_for()
    page.get_by_text("Narrow it down").click()
    path = page.get_by_label("Path")
    assert "2026/*.jpg" in str(path.get_attribute("placeholder"))
    path.fill("*golden*")
    page.get_by_role("button", name="Written on or after: calendar").click()
    page.get_by_role("button", name="Month after").click()
    page.locator(".picker .day").nth(20).click()
    page.get_by_role("button", name="Done").click()
    page.click("#search")
    page.get_by_text("Nothing fits these choices").wait_for()  # the files were written today
    expect(page.locator("#hits")).to_be_hidden()
    page.get_by_label("Written on or after", exact=True).fill("")
    page.keyboard.press("Enter")
    page.click("#search")
    page.get_by_text("The best 2 of 5 pictures").wait_for()
    page.close()


def test_a_mistake_is_told_beside_the_search_and_what_was_found_stays(search_server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{search_server.url}?collection=paintings&caption=a+cat")
    page.get_by_text("The best 5 of 5 pictures").wait_for()
    page.fill("#search-caption :is(textarea, input)", " ")
    page.click("#search")
    expect(page.locator("#search-fault")).to_contain_text("give one of them")
    assert page.locator("#hits li").count() == 5
    page.fill("#search-caption :is(textarea, input)", "a dog")
    page.click("#search")
    page.get_by_text("caption “a dog”").wait_for()
    expect(page.locator("#search-fault")).to_be_hidden()
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_grave_in_what_is_found(search_server: Server, browser: Browser, theme: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=theme)
    page.goto(f"{search_server.url}?collection=paintings&caption=a+cat")
    page.get_by_text("The best 5 of 5 pictures").wait_for()
    page.get_by_text("Narrow it down").click()
    page.get_by_text("As a table").click()
    page.get_by_role("button", name="Written before: calendar").click()
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
    page.locator("#examples").get_by_role("button", name="Golden retriever in the snow").click()
    page.get_by_role("button", name="Keep as a collection").click(timeout=60_000)
    page.fill("#search-caption :is(textarea, input)", "a cat in a rucksack")
    page.click("#search")
    page.get_by_text("The best 4 of 4 pictures").wait_for()
    page.reload()
    page.get_by_role("tab", name="Search a collection").click()
    page.locator("#collection input").click()
    page.get_by_role("option", name="your 4 pictures, kept for a while").click()
    page.fill("#search-caption :is(textarea, input)", "a cat in a rucksack")
    page.click("#search")
    page.get_by_text("The best 4 of 4 pictures").wait_for()
    page.close()


def test_where_the_server_has_none_ones_own_is_chosen_after_a_reload(server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(server.url)
    page.locator("#examples").get_by_role("button", name="Golden retriever in the snow").click()
    page.get_by_role("button", name="Keep as a collection").click(timeout=60_000)
    page.get_by_text("Choose a collection, write a caption").wait_for()
    page.reload()
    page.get_by_role("tab", name="Search a collection").click()
    page.get_by_text("Choose a collection, write a caption").wait_for()
    expect(page.locator("#collection input")).to_have_value("your 4 pictures, kept for a while")
    page.close()
