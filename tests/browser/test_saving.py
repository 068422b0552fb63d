"""What the page saves: one click each, by mouse and by keyboard, and a sentence where the answer is gone."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect
from support import Server, paint
from support.browser import WAIT, grave, opened, score, upload

CAPTION = "a <b>dog</b> in the snow?"
NAME = "clipsim-a-b-dog-b-in-the-snow"


@pytest.fixture
def page(browser: Browser, server: Server, tmp_path: Path) -> Iterator[Page]:
    """The page with an answer about a picture and one that is cut short."""
    for page in opened(browser.new_page(viewport={"width": 1280, "height": 900}), server):
        paint(90, 60).save(tmp_path / "dog.png")
        (tmp_path / "cut.png").write_bytes((tmp_path / "dog.png").read_bytes()[:300])
        upload(page, "#pictures", tmp_path / "dog.png", tmp_path / "cut.png")
        score(page, CAPTION)
        yield page


def save(page: Page, ending: str, folder: Path, by: str = "mouse") -> Path:
    button = page.locator(f"#save-{ending}")
    with page.expect_download(timeout=WAIT) as download:
        if by == "mouse":
            button.click()
        else:
            button.focus()
            page.keyboard.press("Enter")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_an_answer_is_saved_as_png_html_csv_and_json_with_a_click_each(
    page: Page, browser: Browser, tmp_path: Path
) -> None:
    folder = tmp_path / "saved"
    saved = [save(page, ending, folder) for ending in ("png", "html", "csv", "json")]
    assert [path.name for path in saved] == [f"{NAME}.{ending}" for ending in ("png", "html", "csv", "json")]
    with Image.open(saved[0]) as grid:
        assert min(grid.size) > 300
    assert saved[2].read_text().startswith("rank,name,cosine,")
    assert json.loads(saved[3].read_text())["caption"] == CAPTION
    expect(page.locator("#save-png")).to_have_text("PNG")
    report = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    asked: list[str] = []
    report.on("request", lambda request: asked.append(request.url))
    report.goto(saved[1].as_uri())
    expect(report.locator("h1")).to_have_text(CAPTION)
    for part in ("Measured for sentences on ", "cut.png is damaged or cut short"):
        expect(report.locator("main")).to_contain_text(part)
    assert report.locator("img").evaluate_all("all => all.map(image => image.naturalWidth)") == [90]
    assert report.evaluate("document.documentElement.scrollWidth") == 390
    assert [url for url in asked if not url.startswith("data:")] == [saved[1].as_uri()]
    assert grave(report) == []
    report.close()


def test_the_keyboard_saves_too(page: Page, tmp_path: Path) -> None:
    assert save(page, "html", tmp_path, by="keyboard").read_text().startswith("<!doctype html>")
    assert save(page, "csv", tmp_path, by="keyboard").name == f"{NAME}.csv"


def test_an_answer_that_is_gone_is_a_sentence_in_the_page_until_another_is_saved(page: Page, tmp_path: Path) -> None:
    def forget(route: Route) -> None:
        route.continue_(post_data=re.sub(r'"[0-9a-f]{32}"', '"no such key"', route.request.post_data or ""))

    page.route("**/queue/join*", forget)
    page.locator("#save-png").click()
    expect(page.locator("#save-fault")).to_contain_text("This answer is no longer kept: score", timeout=WAIT)
    expect(page.locator("#save-png")).to_have_text("PNG")
    expect(page.locator(".toast-body")).to_have_count(0)
    assert save(page, "json", tmp_path).exists()  # which was written with the answer
    page.unroute("**/queue/join*")
    save(page, "png", tmp_path)
    expect(page.locator("#save-fault")).not_to_be_visible()
