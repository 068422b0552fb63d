"""The page as a person meets it, in Chromium."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support import ROOT, Server
from support.browser import EXAMPLES, WAIT, example, labels, opened, upload

SCREENSHOTS = ROOT / "tests" / "screenshots"


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield from opened(page, server)


@pytest.fixture
def phone(browser: Browser, server: Server) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    yield from opened(page, server)


def test_pictures_are_uploaded_and_enter_scores_them(page: Page) -> None:
    upload(page, "#pictures", EXAMPLES / "cat-in-rucksack.jpg", EXAMPLES / "hiking-golden-retriever.jpg")
    page.locator("#caption input, #caption textarea").fill("a golden retriever standing in the snow")
    page.keyboard.press("Enter")
    first, second = labels(page)
    assert first.startswith("1 · hiking-golden-retriever · 0.")
    assert second.startswith("2 · cat-in-rucksack · ")
    expect(page.locator("#status")).to_contain_text("stand-in (not CLIP) · cpu")
    expect(page.locator("#banner")).to_contain_text("not CLIP")


def test_an_example_click_fills_in_scores_and_shows_the_published_figures(page: Page) -> None:
    example(page, "a golden retriever standing in the snow")
    assert labels(page)[0].startswith("1 · hiking-golden-retriever")
    expect(page.locator("#published")).to_contain_text("0.834")
    expect(page.locator("#table tbody tr")).to_have_count(4)
    bars = page.locator("#bars [aria-label*='hiking-golden-retriever'][aria-label*='share']")
    expect(bars).to_have_count(1, timeout=WAIT)
    SCREENSHOTS.mkdir(exist_ok=True)
    page.wait_for_timeout(1000)  # for thumbnails and bars to settle in the picture
    page.screenshot(path=SCREENSHOTS / "page.png", full_page=True)


def test_reference_mode_swaps_the_caption_for_an_image(page: Page) -> None:
    upload(page, "#pictures", EXAMPLES / "cat-in-rucksack.jpg", EXAMPLES / "hiking-golden-retriever.jpg")
    page.locator("#compare").get_by_text("reference image").click()
    expect(page.locator("#reference")).to_be_visible()
    expect(page.locator("#caption")).not_to_be_visible()
    upload(page, "#reference", EXAMPLES / "golden-retriever-in-snow.jpg")
    page.locator("#score").click()
    assert labels(page)[0].startswith("1 · hiking-golden-retriever")
    expect(page.locator("#status")).to_contain_text("reference image golden-retriever-in-snow.jpg")


def test_the_answer_comes_first_and_in_words(page: Page) -> None:
    example(page, "a golden retriever standing in the snow")
    labels(page)
    expect(page.locator("#status .cs-answer")).to_contain_text("Not sure: the closest is hiking-golden-retriever")
    page.locator("#caption input, #caption textarea").fill("a red tractor")
    page.keyboard.press("Enter")
    expect(page.locator("#status .cs-answer")).to_contain_text("Nothing here matches", timeout=WAIT)
    expect(page.locator("#table .cs-fine")).to_contain_text("random pairs")


def test_words_and_what_the_model_saw_unfold(page: Page) -> None:
    example(page, "a golden retriever standing in the snow")
    labels(page)
    expect(page.locator("#words table")).not_to_be_visible()
    page.get_by_text("Which words carry it?").click()
    first = page.locator("#words figure").first
    assert first.locator(".cs-word").all_inner_texts() == ["a", "golden", "retriever", "standing", "in", "the", "snow"]
    strength = first.locator(".cs-word").evaluate_all(
        "all => all.map(word => parseFloat(word.style.getPropertyValue('--p')))"
    )
    assert strength.index(max(strength)) == 2  # retriever
    expect(page.locator("#words tbody tr")).to_have_count(9)
    page.get_by_text("What did the model see?").click()
    expect(page.locator("#seen img")).to_have_count(4)
    expect(page.locator("#seen figcaption").first).to_contain_text("23 % cut away")


def test_more_captions_a_framing_and_heatmaps_are_asked_for_under_more(page: Page) -> None:
    upload(page, "#pictures", EXAMPLES / "cat-in-rucksack.jpg", EXAMPLES / "hiking-golden-retriever.jpg")
    page.locator("#caption input, #caption textarea").fill("a golden retriever")
    expect(page.locator("#others")).not_to_be_visible()
    page.get_by_text("More ways to look").click()
    page.wait_for_timeout(1000)  # what is typed while it unfolds can be lost
    page.locator("#others textarea").fill("a cat\n\na red tractor")
    page.locator("#framing input").click()
    page.get_by_role("option", name="pad").click()
    page.locator("#show-where input").check()
    page.locator("#score").click()
    labels(page)
    rows = page.locator("#several tbody tr")
    expect(rows).to_have_count(4, timeout=WAIT)
    expect(rows.nth(2)).to_contain_text("nothing here matches")
    expect(page.locator("#maps img")).to_have_count(2, timeout=WAIT)
    page.get_by_text("What did the model see?").click()
    expect(page.locator("#seen figcaption").first).to_contain_text("sees 100 % of it")
    expect(page.locator("#models")).not_to_be_visible()


def test_two_models_that_are_one_are_a_sentence_in_the_page(page: Page) -> None:
    upload(page, "#pictures", EXAMPLES / "cat-in-rucksack.jpg")
    page.locator("#caption input, #caption textarea").fill("a cat")
    page.get_by_text("More ways to look").click()
    page.wait_for_timeout(1000)
    page.locator("#second input").click()
    page.get_by_role("option", name="stand-in").click()
    page.locator("#score").click()
    expect(page.locator(".toast-body").first).to_contain_text("choose two different ones", timeout=WAIT)


def test_bad_input_is_a_sentence_in_the_page(page: Page) -> None:
    page.locator("#score").click()
    toast = page.get_by_role("alert").or_(page.locator(".toast-body"))
    expect(toast.first).to_contain_text("There are no pictures to score", timeout=WAIT)
    assert "Traceback" not in page.content()


def test_rejected_files_are_listed(page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "notes.jpg"
    broken.write_text("no picture")
    shutil.copy(EXAMPLES / "cat-in-rucksack.jpg", tmp_path / "cat.jpg")
    upload(page, "#pictures", broken, tmp_path / "cat.jpg")
    page.locator("#caption input, #caption textarea").fill("a cat")
    page.locator("#score").click()
    assert labels(page)[0].startswith("1 · cat · ")
    expect(page.locator("#remarks")).to_contain_text("notes.jpg is not a picture")


def test_the_reading_guide_unfolds(page: Page) -> None:
    guide = page.get_by_text("It is not a percentage")
    expect(guide).not_to_be_visible()
    page.get_by_text("How to read a score").click()
    expect(guide).to_be_visible()


def test_a_phone_in_dark_mode_shows_everything_without_sideways_scrolling(phone: Page) -> None:
    example(phone, "a lion with a thick mane")
    assert labels(phone)[0].startswith("1 · lion")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    background = phone.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in background.removeprefix("rgb(").rstrip(")").split(",")) < 60
    SCREENSHOTS.mkdir(exist_ok=True)
    phone.screenshot(path=SCREENSHOTS / "phone-dark.png", full_page=True)
