"""A second opinion on the page: asked for in the fold, shown beside the percentile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support import Server, serving
from support.browser import WAIT, opened


@pytest.fixture(scope="module")
def judging(tiny_blip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory, {"CLIPSIM_JUDGES": str(tiny_blip)}) as served:
        yield served


@pytest.fixture
def page(browser: Browser, judging: Server) -> Iterator[Page]:
    yield from opened(browser.new_page(viewport={"width": 1280, "height": 900}), judging, "")


def test_it_stands_beside_the_percentile_in_the_table_and_in_the_answers_address(page: Page) -> None:
    expect(page.locator("#status")).to_contain_text("golden retriever", timeout=WAIT)
    assert page.locator(".cs-opinion").count() == 0
    page.get_by_role("button", name="More ways to look").click()
    page.locator("#opinion input").click()
    page.get_by_role("option", name="tiny-blip").click()
    page.locator("#score").click()
    said = "tiny-blip was asked for a second opinion on the best 4."
    expect(page.locator("#status")).to_contain_text(said, timeout=WAIT)
    expect(page.locator(".cs-why .cs-opinion")).to_be_visible()
    assert page.locator("#ranked li .cs-facts .cs-opinion").count() == 4
    page.get_by_role("tab", name="Table").click()
    expect(page.locator("#table th", has_text="Second opinion")).to_have_count(1)
    assert "opinion=tiny-blip" in str(page.locator("#status a").get_attribute("href"))


def test_a_judge_that_cannot_be_had_is_marked_and_a_note_beside_the_scores(page: Page) -> None:
    page.get_by_role("button", name="More ways to look").click()
    page.locator("#opinion input").click()
    page.get_by_role("option", name="blip-itm · needs the hub").click()
    page.locator("#score").click()
    expect(page.locator("#remarks")).to_contain_text("Second opinion: none.", timeout=WAIT)
    assert page.locator("#ranked li").count() == 4
