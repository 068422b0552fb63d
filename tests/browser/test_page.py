"""The page as a person meets it, in Chromium."""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support import ROOT, Server, paint
from support.browser import EXAMPLE_CAPTION, EXAMPLES, WAIT, answered, example, labels, opened, score, unfold, upload

SCREENSHOTS = ROOT / "tests" / "screenshots"


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield from opened(page, server)


@pytest.fixture
def phone(browser: Browser, server: Server) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    yield from opened(page, server)


@pytest.fixture
def first(browser: Browser, server: Server) -> Iterator[Page]:
    """The page as somebody meets it who was given its address alone."""
    yield from opened(browser.new_page(viewport={"width": 1280, "height": 900}), server, "")


def test_the_page_opens_with_an_answered_example_that_can_be_changed(first: Page) -> None:
    expect(first.locator("#caption input, #caption textarea")).to_have_value(EXAMPLE_CAPTION)
    expect(first.locator("#pictures .thumbnail-lg, #pictures .thumbnail-item")).to_have_count(4)
    for place in (
        "#status .cs-answer",
        "#ranked .cs-best img",
        "#ranked .cs-why .cs-chip",
        "#ranked .cs-why .cs-caption",
    ):
        box = first.locator(place).bounding_box()
        assert box and box["y"] + box["height"] < 900, f"{place} is not on the first screen"
    assert labels(first)[0].startswith("1 · hiking-golden-retriever, ")
    score(first, "a cat")
    assert labels(first)[0].startswith("1 · cat-in-rucksack, ✓ match better than ")


def test_the_first_screen_comes_at_once_when_the_example_is_answered(browser: Browser, server: Server) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(server.url)
    answered(page, EXAMPLE_CAPTION)  # the server has its answer from now on
    page.reload(wait_until="commit")
    page.locator("#score").wait_for(timeout=WAIT)
    page.locator("#ranked .cs-best").wait_for(timeout=10_000)
    page.close()


def test_why_the_stand_in_scores_unfolds(first: Page) -> None:
    banner = first.locator("#banner")
    expect(banner.get_by_text("The stand-in scores here, not CLIP.")).to_be_visible(timeout=WAIT)
    why = banner.get_by_text("could not be had from the model hub")
    expect(why).not_to_be_visible()
    banner.get_by_text("Why?").click()
    expect(why).to_be_visible()


def test_pictures_are_uploaded_and_enter_scores_them(page: Page) -> None:
    upload(page, "#pictures", EXAMPLES / "cat-in-rucksack.jpg", EXAMPLES / "hiking-golden-retriever.jpg")
    score(page, EXAMPLE_CAPTION)
    first, second = labels(page)
    assert first.startswith("1 · hiking-golden-retriever, ") and "cosine 0." in first
    assert second.startswith("2 · cat-in-rucksack, ") and " better than " in second
    expect(page.locator("#status")).to_contain_text("stand-in (not CLIP) · cpu")
    expect(page.locator("#banner")).to_contain_text("not CLIP")


def test_an_example_click_fills_in_scores_and_shows_the_published_figures(page: Page) -> None:
    example(page, "Golden retriever in the snow")
    assert labels(page)[0].startswith("1 · hiking-golden-retriever")
    expect(page.locator("#published")).to_contain_text("0.834")
    expect(page.locator("#bars [aria-label*='hiking-golden-retriever'][aria-label*='share']")).to_have_count(1)
    unfold(page, "Table")
    expect(page.locator("#table tbody tr")).to_have_count(4)
    unfold(page, "Plot")
    SCREENSHOTS.mkdir(exist_ok=True)
    page.wait_for_timeout(1000)  # for thumbnails to settle in the picture
    page.screenshot(path=SCREENSHOTS / "page.png", full_page=True)


def test_an_example_with_a_reference_image_shows_it(page: Page) -> None:
    example(page, "The same, by a picture")
    answered(page, "reference image golden-retriever-in-snow.jpg")
    expect(page.locator("#reference")).to_be_visible()
    example(page, "Towers")
    answered(page, "a tall tower against the evening sky")
    expect(page.locator("#caption")).to_be_visible()
    assert labels(page)[0].startswith("1 · tower, ✓ match")


def test_a_click_on_a_picture_enlarges_it_with_its_figures_and_words(page: Page) -> None:
    example(page, "Big cats")
    answered(page, "a lion with a thick mane")
    score(page, "a red bus")  # the figures are those of the last answer
    page.locator("#ranked .cs-grid .cs-tile").nth(1).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(labels(page)[1].split(",")[0])
    expect(dialog.locator(".cs-word")).to_have_text(["a", "red", "bus"])
    expect(dialog.locator("img")).to_have_attribute("src", re.compile("/gradio_api/file="))
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert page.evaluate("document.activeElement.className") == "cs-tile"


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
    example(page, "Towers")
    answered(page, "a tall tower")
    expect(page.locator("#status .cs-answer")).to_contain_text("1 of 4 pictures matches: tower")
    score(page, "a red tractor")
    expect(page.locator("#status .cs-answer")).to_contain_text("Nothing here matches")
    unfold(page, "Table")
    expect(page.locator("#table .cs-fine:not(.cs-beyond)")).to_contain_text("random pairs")


def test_words_and_what_the_model_saw_are_tabs(page: Page) -> None:
    example(page, "Golden retriever in the snow")
    labels(page)
    words = ["a", "golden", "retriever", "standing", "in", "the", "snow"]
    assert page.locator("#ranked .cs-why .cs-word").all_inner_texts() == words
    expect(page.locator("#words table")).not_to_be_visible()
    unfold(page, "Words")
    first = page.locator("#words figure").first
    assert first.locator(".cs-word").all_inner_texts() == words
    strength = first.locator(".cs-word").evaluate_all(
        "all => all.map(word => parseFloat(word.style.getPropertyValue('--p')))"
    )
    assert strength.index(max(strength)) == 2  # retriever
    expect(page.locator("#words tbody tr")).to_have_count(9)
    unfold(page, "What the model saw")
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
    expect(page.locator("#maps img")).to_have_count(2, timeout=WAIT)
    unfold(page, "Several captions")
    rows = page.locator("#several tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.nth(2)).to_contain_text("nothing here matches")
    unfold(page, "What the model saw")
    expect(page.locator("#seen figcaption").first).to_contain_text("sees 100 % of it")
    expect(page.get_by_role("tab", name="Two models")).not_to_be_visible()


def test_two_models_that_are_one_are_a_sentence_in_the_page(page: Page) -> None:
    upload(page, "#pictures", EXAMPLES / "cat-in-rucksack.jpg")
    page.locator("#caption input, #caption textarea").fill("a cat")
    page.get_by_text("More ways to look").click()
    page.wait_for_timeout(1000)
    page.locator("#second input").click()
    page.get_by_role("option", name="stand-in").click()
    page.locator("#score").click()
    expect(page.locator("#model-fault")).to_contain_text("choose two different ones", timeout=WAIT)


def test_a_mistake_is_a_sentence_beside_its_field_and_the_last_answer_stays(first: Page) -> None:
    score(first, "a cat")
    caption = first.locator("#caption input, #caption textarea")
    caption.fill("")
    caption.press("Enter")
    expect(first.locator("#caption-fault")).to_contain_text("The caption is empty", timeout=WAIT)
    expect(first.locator("#older")).to_contain_text("earlier question")
    assert labels(first)[0].startswith("1 · cat-in-rucksack")
    expect(first.locator("#status")).to_contain_text("“a cat”")
    first.locator("#compare").get_by_text("reference image").click()
    first.locator("#score").click()
    expect(first.locator("#reference-fault")).to_contain_text("There is no reference image", timeout=WAIT)
    expect(first.locator("#caption-fault")).not_to_be_visible()
    first.locator("#compare").get_by_text("caption", exact=True).click()
    expect(caption).to_be_visible()
    score(first, "a dog")
    expect(first.locator(".cs-fault")).to_have_count(0)
    expect(first.locator("#older")).not_to_be_visible()
    expect(first.locator(".toast-body")).to_have_count(0)


def test_no_pictures_are_a_sentence_in_the_page(page: Page) -> None:
    page.locator("#score").click()
    expect(page.get_by_role("alert")).to_have_text("There are no pictures to score: add at least one.", timeout=WAIT)
    expect(page.locator("#older")).not_to_be_visible()
    assert "Traceback" not in page.content()


def test_rejected_files_stand_in_the_headline(page: Page, tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "cat-in-rucksack.jpg", tmp_path / "cat.jpg")
    shutil.copy(EXAMPLES / "hiking-golden-retriever.jpg", tmp_path / "dog.jpg")
    broken = tmp_path / "half.jpg"  # whose header is whole: it is not refused as it is added, but when it is decoded
    whole = (tmp_path / "cat.jpg").read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    upload(page, "#pictures", broken, tmp_path / "cat.jpg", tmp_path / "dog.jpg")
    score(page, "a cat")
    assert labels(page)[0].startswith("1 · cat, ")
    expect(page.locator("#status .cs-skipped")).to_contain_text("2 of 3 scored; half.jpg skipped: it is damaged")


WATCH = """() => {
    window.seen = { counts: [], covered: 0, shown: 0 };
    window.watch = setInterval(() => {
        const count = document.querySelector("#progress").innerText.match(/(\\d+) of 40 pictures/);
        if (count) seen.counts.push(Number(count[1]));
        const picture = document.querySelector("#ranked .cs-tile img");
        if (!picture || !document.querySelector("#status .cs-partial")) return;
        const { x, y, width, height } = picture.getBoundingClientRect();
        const top = document.elementFromPoint(x + width / 2, y + height / 2);
        if (top === picture) seen.shown += 1; else seen.covered += 1;
    }, 20);
}"""


def test_while_it_works_the_best_so_far_are_seen_and_the_count_only_grows(page: Page, tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.jpg" for i in range(40)]
    for i, path in enumerate(paths):
        paint(1600, 1200, seed=i).save(path)
    upload(page, "#pictures", *paths)
    page.evaluate(WATCH)
    start = time.monotonic()
    score(page, "a dog")
    waited = time.monotonic() - start
    seen = page.evaluate("seen")
    assert seen["counts"] and seen["counts"] == sorted(seen["counts"])
    assert seen["covered"] == 0
    expect(page.locator("#progress")).not_to_be_visible()
    told = float(page.locator("#status .cs-seconds").inner_text().removesuffix(" s"))
    assert 0.5 * waited < told < waited + 1


def test_the_reading_guide_unfolds(page: Page) -> None:
    guide = page.get_by_text("It is not a percentage")
    expect(guide).not_to_be_visible()
    page.get_by_text("How to read a score").click()
    expect(guide).to_be_visible()


def test_the_table_of_models_sorts_by_the_heading_that_is_clicked(page: Page) -> None:
    page.get_by_text("How to read a score").click()
    names, heading = page.locator("#menu tbody th"), page.locator("#menu").get_by_role("button", name="COCO R@1")
    listed = names.all_inner_texts()
    assert listed[0] == "clip-vit-b-32"
    heading.click()
    rising = names.all_inner_texts()
    assert rising[:2] == ["clip-vit-b-32", "clip-vit-b-16"] and sorted(rising) == sorted(listed)
    heading.click()
    expect(page.locator("#menu [aria-sort='descending']")).to_have_text(re.compile("COCO R@1"))
    assert names.all_inner_texts()[:2] == ["siglip2-so400m-384", "siglip2-l-16-256"]
    assert set(names.all_inner_texts()[-3:]) >= {"stand-in"}  # what is not known stays last
    page.locator("#menu").get_by_role("button", name="model", exact=True).click()
    assert names.all_inner_texts() == sorted(listed)


def test_a_phone_in_dark_mode_shows_everything_without_sideways_scrolling(phone: Page) -> None:
    example(phone, "Big cats")
    answered(phone, "a lion with a thick mane")
    assert labels(phone)[0].startswith("1 · lion")
    expect(phone.locator("#status .cs-answer")).to_be_in_viewport()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    background = phone.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in background.removeprefix("rgb(").rstrip(")").split(",")) < 60
    SCREENSHOTS.mkdir(exist_ok=True)
    phone.screenshot(path=SCREENSHOTS / "phone-dark.png", full_page=True)


def test_on_a_phone_the_table_has_three_columns_and_unfolds_for_more(phone: Page) -> None:
    example(phone, "Big cats")
    answered(phone, "a lion with a thick mane")
    unfold(phone, "Table")
    heads = phone.locator("#table thead th")
    expect(heads.filter(visible=True)).to_have_text(["Picture", "Better than", "Verdict"])
    phone.locator("#table").get_by_text("All columns").click()
    expect(heads.filter(visible=True)).to_have_count(7)
