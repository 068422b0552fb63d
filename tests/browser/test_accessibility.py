"""The page without a mouse, without sight, or with little of it: keyboard, names, contrast, and what axe-core finds."""

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect
from support import Server
from support.browser import EXAMPLES, WAIT, answered, example, grave, labels, opened, score, unfold, upload

RETRIEVER = "a golden retriever standing in the snow"
TITLE = "Golden retriever in the snow"  # of the example with it


@pytest.fixture(params=["light", "dark"])
def page(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    yield from opened(page, server)


@pytest.fixture
def light(browser: Browser, server: Server) -> Iterator[Page]:
    yield from opened(browser.new_page(viewport={"width": 1280, "height": 900}), server)


def tab_to(page: Page, place: str) -> None:
    """Press Tab until an element that matches `place`, or one inside it, has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("place => Boolean(document.activeElement.closest(place))", place):
            return
    raise AssertionError(f"{place} cannot be reached with Tab")


def test_axe_finds_nothing_grave_before_and_after_scoring(page: Page) -> None:
    assert grave(page) == []
    example(page, TITLE)
    labels(page)
    page.get_by_text("How to read a score").click()
    assert grave(page) == []


def test_axe_finds_nothing_grave_in_what_unfolds(page: Page) -> None:
    upload(page, "#pictures", EXAMPLES / "cat-in-rucksack.jpg", EXAMPLES / "hiking-golden-retriever.jpg")
    page.locator("#caption input, #caption textarea").fill(RETRIEVER)
    page.get_by_text("More ways to look").click()
    page.wait_for_timeout(1000)
    page.locator("#others textarea").fill("a cat in a rucksack")
    page.locator("#show-where input").check()
    page.locator("#score").click()
    labels(page)
    expect(page.locator("#maps img")).to_have_count(2, timeout=WAIT)
    for tab in ("Several captions", "Table", "Words", "What the model saw"):
        unfold(page, tab)
        assert grave(page) == []
    expect(page.locator("#seen img").first).to_be_visible()


def test_axe_finds_nothing_grave_in_a_picture_that_is_enlarged(page: Page) -> None:
    example(page, TITLE)
    labels(page)
    page.locator("#ranked .cs-grid .cs-tile").nth(1).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert grave(page) == []


def test_axe_finds_nothing_grave_with_a_reference_image_and_with_an_error(page: Page) -> None:
    page.locator("#compare").get_by_text("reference image").click()
    expect(page.locator("#reference")).to_be_visible()
    page.locator("#score").click()
    expect(page.get_by_role("alert").first).to_be_visible(timeout=WAIT)
    assert grave(page) == []


def test_axe_finds_nothing_grave_in_an_answer_that_is_older_than_the_question(page: Page) -> None:
    example(page, TITLE)
    labels(page)
    page.locator("#caption input, #caption textarea").fill(" ")
    page.locator("#score").click()
    expect(page.locator("#older .cs-older")).to_be_visible(timeout=WAIT)
    assert grave(page) == []


def test_the_keyboard_alone_runs_an_example_and_then_scores_another_caption(light: Page) -> None:
    tab_to(light, "#examples")
    light.keyboard.press("Enter")
    assert labels(light)[0].startswith("1 · hiking-golden-retriever")
    light.locator("body").evaluate("body => { document.activeElement.blur(); }")
    tab_to(light, "#caption")
    light.keyboard.press("Control+a")
    light.keyboard.type("a cat")
    light.keyboard.press("Enter")
    expect(light.locator("#status")).to_contain_text("“a cat”", timeout=WAIT)
    answered(light, "“a cat”")
    assert labels(light)[0].startswith("1 · cat-in-rucksack")


def test_tab_reaches_every_control_in_reading_order_with_a_visible_focus(light: Page) -> None:
    expect(light.locator("#banner summary")).to_be_visible(timeout=WAIT)
    seen: list[str] = []
    for _ in range(40):
        light.keyboard.press("Tab")
        place = light.evaluate("document.activeElement.closest('[id]:not(.prose)')?.id")
        if light.evaluate("document.activeElement === document.body"):
            break
        outline = light.evaluate("""(() => {
            const focused = document.activeElement, shown = focused.type === "radio" ? focused.parentElement : focused;
            return getComputedStyle(shown).outlineStyle;
        })()""")
        assert outline == "solid", place
        seen += [place] if place and place not in seen else []
    wanted = [
        "banner",
        "tabs",
        "examples",
        "pictures",
        "addresses",
        "compare",
        "caption",
        "model",
        "score",
        "more",
        "reading",
    ]
    assert seen == wanted


def test_the_keyboard_switches_to_a_reference_image_and_back(light: Page) -> None:
    tab_to(light, "#compare")
    light.keyboard.press("Tab")
    light.keyboard.press("Space")
    expect(light.locator("#reference")).to_be_visible()
    light.keyboard.press("Shift+Tab")
    light.keyboard.press("Space")
    expect(light.locator("#caption")).to_be_visible()


def test_every_control_has_a_name(light: Page) -> None:
    roles: list[tuple[Literal["button", "radio", "textbox"], str]] = [
        ("button", "Upload pictures"),
        ("radio", "caption"),
        ("radio", "reference image"),
        ("textbox", "Caption"),
        ("button", "Score"),
        ("button", TITLE),
        ("button", "How to read a score"),
    ]
    for role, name in roles:
        expect(light.get_by_role(role, name=name, exact=role != "button").first).to_be_visible()
    expect(light.get_by_label("Model", exact=True).first).to_be_visible()
    light.locator("#compare").get_by_text("reference image").click()
    expect(light.get_by_role("button", name="Upload a reference image").first).to_be_visible()


def test_a_ranked_picture_is_called_by_rank_name_and_verdict_also_enlarged(light: Page) -> None:
    upload(light, "#pictures", EXAMPLES / "cat-in-rucksack.jpg", EXAMPLES / "hiking-golden-retriever.jpg")
    score(light, RETRIEVER)
    names = [
        r"1 · hiking-golden-retriever \S+ .+ better than \d+ %",
        r"2 · cat-in-rucksack ✗ no match better than \d+ %",
    ]
    for name in names:
        expect(light.locator("#ranked").get_by_role("button", name=re.compile(name))).to_be_visible()
    light.locator("#ranked").get_by_role("button", name="2 · cat-in-rucksack").click()
    expect(light.get_by_role("dialog", name="2 · cat-in-rucksack")).to_be_visible()
    expect(light.get_by_role("dialog").get_by_role("img")).to_have_attribute("alt", "2 · cat-in-rucksack")


def test_a_screen_reader_hears_the_status_and_finds_its_way_in_the_table(light: Page) -> None:
    status = light.get_by_role("status").filter(has_text="Add pictures")
    expect(status).to_be_visible()
    kept = status.element_handle()
    example(light, TITLE)
    labels(light)
    assert "4 pictures" in kept.inner_text()  # the very element changed, which is what makes it announced
    levels = light.locator("h1, h2, h3").evaluate_all("all => all.filter(e => e.checkVisibility()).map(e => e.tagName)")
    assert levels == ["H1", "H2"]
    unfold(light, "Table")
    table = light.get_by_role("table", name="Scores by stand-in (not CLIP)")
    heads = ["Rank", "Picture", "Cosine", "Better than", "Verdict", "Share", "Seen"]
    assert table.get_by_role("columnheader").all_inner_texts() == heads
    expect(table.get_by_role("rowheader", name="hiking-golden-retriever")).to_have_attribute("scope", "row")
    expect(table.get_by_role("rowheader")).to_have_count(4)


def test_a_bar_says_its_picture_and_its_figures(light: Page) -> None:
    example(light, TITLE)
    labels(light)
    bar = light.locator("#bars").get_by_role("img", name="1 · hiking-golden-retriever: cosine 0.")
    expect(bar).to_have_count(1, timeout=WAIT)
