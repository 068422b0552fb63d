"""Nothing is cut, overlapped, hidden or split, whatever the number of pictures and the width: boxes in Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support import Server, paint
from support.browser import EMPTY, WAIT, answered, opened, score, unfold

FAULTS = (Path(__file__).parent / "layout.js").read_text(encoding="utf-8")
DESK, PHONE = (1280, 900), (390, 844)
MOST_SCREENS = 3  # of a page on which nothing is unfolded
NAMES = [
    "n02099601_golden_retriever_{:02}",
    "IMG{:02}2026112512345678901234567890123456",
    "dog {:02}",
    "a-quiet-street-{:02}",
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A hundred pictures, upright and across, with names of many kinds."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{NAMES[i % len(NAMES)].format(i)}.jpg" for i in range(100)]
    for i, path in enumerate(paths):
        paint(*((300, 200), (180, 260), (600, 90))[i % 3], seed=i).save(path)
    return paths


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def page(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, height = request.param
    yield from opened(browser.new_page(viewport={"width": width, "height": height}), server, EMPTY)


def faults(page: Page) -> list[str]:
    page.wait_for_timeout(600)  # for what moves to come to rest
    found: list[str] = page.evaluate(FAULTS)
    return found


def ask(page: Page, pictures: list[Path]) -> None:
    page.locator("#pictures input[type=file]").first.set_input_files(pictures)
    expect(page.locator("#pictures img").first).to_be_visible(timeout=WAIT)
    page.wait_for_function(
        "n => document.querySelectorAll('#pictures img').length >= n", arg=len(pictures), timeout=WAIT
    )
    score(page, "two children playing with a golden retriever in the snow")


@pytest.mark.parametrize("count", [1, 4, 12, 60, 100])
def test_nothing_is_cut_overlapped_or_split(page: Page, pictures: list[Path], count: int) -> None:
    ask(page, pictures[:count])
    assert faults(page) == []
    height = page.evaluate("document.documentElement.scrollHeight")
    assert height <= MOST_SCREENS * page.viewport_size["height"] or 4 < count < 60  # type: ignore[index]
    for summary in page.locator("#answer summary:visible").all():
        summary.click()
    expect(page.locator("#ranked li:visible")).to_have_count(count if count > 1 else 0)
    expect(page.locator("#bars li:visible")).to_have_count(count)
    assert faults(page) == []
    for tab in ("Table", "Words"):
        unfold(page, tab)
        assert faults(page) == []


def test_the_first_screen_and_a_mistake_lie_apart_too(browser: Browser, server: Server) -> None:
    for width, height in (DESK, PHONE):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(server.url)
        answered(page, "a golden retriever")
        assert faults(page) == []
        page.locator("#banner summary").click()
        page.locator("#caption input, #caption textarea").fill("")
        page.locator("#score").click()
        expect(page.locator("#caption-fault")).to_contain_text("The caption is empty", timeout=WAIT)
        assert faults(page) == []
        page.close()
