"""What a visitor does around an answer: goes back, cancels, links to it, fetches pictures, reads another language."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from support import Server, paint
from support.browser import EXAMPLE_CAPTION, EXAMPLES, WAIT, answered, example, labels, opened, score, upload

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    yield from opened(browser.new_page(viewport={"width": 1280, "height": 900}), server)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Another server with the example pictures, whose files under shared/ other pages may read."""

    class Files(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return super().translate_path(path.replace("/shared/", "/").replace("/own/", "/"))

        def end_headers(self) -> None:
            if "/shared/" in self.path:
                self.send_header("Access-Control-Allow-Origin", "*")
            super().end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Files, directory=str(EXAMPLES))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def test_an_earlier_answer_comes_back_with_its_question(page: Page) -> None:
    example(page, "Big cats")
    answered(page, "a lion with a thick mane")
    score(page, "a red bus")
    page.locator("#history summary").click()
    page.locator("#history").get_by_role("button", name="“a lion with a thick mane”").click()
    answered(page, "a lion with a thick mane")
    expect(page.locator("#caption input, #caption textarea")).to_have_value("a lion with a thick mane")
    assert labels(page)[0].startswith("1 · lion, ✓ match")


def test_a_link_to_an_answer_asks_the_same_again(page: Page) -> None:
    example(page, "Towers")
    answered(page, "a tall tower")
    score(page, "a red bus")
    page.get_by_role("link", name="link to this").click()
    answered(page, "“a red bus”")
    assert "example=Towers" in page.url and "caption=a+red+bus" in page.url
    expect(page.locator("#caption input, #caption textarea")).to_have_value("a red bus")
    assert labels(page)[0].startswith("1 · bus, ")


def test_who_cancels_keeps_what_was_scored_until_then(page: Page, tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.jpg" for i in range(100)]
    for i, path in enumerate(paths):
        paint(1600, 1200, seed=i).save(path)
    upload(page, "#pictures", *paths)
    cancel = page.get_by_role("button", name="Cancel")
    expect(cancel).not_to_be_visible()
    page.locator("#caption input, #caption textarea").fill("a dog")
    page.keyboard.press("Enter")
    expect(page.locator("#status .cs-partial")).to_be_visible(timeout=WAIT)
    cancel.click()
    remark = page.locator("#older")
    expect(remark).to_contain_text("Cancelled: this is the answer for the first", timeout=WAIT)
    expect(remark).to_contain_text("of 100 pictures")
    expect(page.locator("#ranked .cs-best")).to_be_visible()
    expect(cancel).not_to_be_visible()


def test_the_browser_fetches_pictures_and_says_which_it_could_not(
    browser: Browser, server: Server, elsewhere: str
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(server.url + "?model=auto")
    expect(page.locator("#status .cs-empty:not(.cs-skeleton)")).to_be_visible(timeout=WAIT)
    addresses = page.get_by_role("textbox", name="Picture addresses")
    given = ["shared/cat-in-rucksack.jpg", "own/hiking-golden-retriever.jpg", "shared/none.jpg"]
    addresses.fill(" ".join(f"{elsewhere}/{name}" for name in given))
    page.keyboard.press("Enter")
    expect(page.locator("#pictures .thumbnail-lg, #pictures .thumbnail-item")).to_have_count(1, timeout=WAIT)
    fault = page.locator("#pictures-fault")
    expect(fault).to_contain_text(f"{elsewhere}/own/hiking-golden-retriever.jpg")
    expect(fault).to_contain_text(f"{elsewhere}/shared/none.jpg (it answers 404) was not fetched")
    score(page, "a cat")
    expect(page.locator("#ranked .cs-best")).to_contain_text("cat-in-rucksack")
    page.close()


def test_the_page_speaks_the_language_of_the_browser(browser: Browser, server: Server) -> None:
    context = browser.new_context(locale="de-DE", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(server.url)
    answered(page, EXAMPLE_CAPTION)
    text = page.locator("body").inner_text()
    for english in ("Score pictures", "Compare with", "Not sure: ", "better than", "unrelated captions", "Earlier"):
        assert english not in text
    assert not any(mark in text for mark in ("__i18n__", "page.", "{"))
    context.close()
