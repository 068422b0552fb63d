"""A picture close up, and the table of several captions, in Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from support import Server
from support.browser import EXAMPLE_CAPTION, WAIT, answered, grave, labels, opened


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The page with the first example answered."""
    yield from opened(browser.new_page(viewport={"width": 1280, "height": 900}), server, "")


@pytest.fixture
def phone(browser: Browser, server: Server) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    yield from opened(page, server, "")


def enlarge(page: Page, place: int) -> Locator:
    page.locator("#ranked .cs-grid .cs-tile").nth(place).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def shown(dialog: Locator) -> Locator:
    """The map that is laid over the picture."""
    return dialog.locator(".cs-layer:visible")


def test_a_map_is_had_when_the_slider_is_moved_and_lies_on_the_picture(page: Page) -> None:
    dialog = enlarge(page, 0)
    expect(dialog).to_be_in_viewport(ratio=1)
    expect(dialog.locator(".cs-layer")).to_have_count(0)  # nobody asked
    slider = dialog.get_by_label("Show where")
    expect(slider).to_have_value("0")
    slider.fill("59")
    page.keyboard.press("ArrowRight")
    expect(shown(dialog)).to_have_count(1, timeout=WAIT)
    expect(shown(dialog)).to_have_css("opacity", "0.6")
    expect(dialog.get_by_role("status")).to_contain_text("This picture’s own scale.")
    picture, layer = dialog.locator(".cs-frame > img").first.bounding_box(), shown(dialog).bounding_box()
    assert picture and layer
    assert layer["width"] == pytest.approx(0.875 * picture["width"], abs=2)  # of which the stand-in sees the middle
    assert layer["x"] - picture["x"] == pytest.approx(0.0625 * picture["width"], abs=2)
    assert grave(page) == []


def test_each_word_has_a_map_by_mouse_and_by_keyboard(page: Page) -> None:
    dialog = enlarge(page, 0)
    words = dialog.locator("[data-word]")
    expect(words).to_have_text(["a", "golden", "retriever", "standing", "in", "the", "snow"])
    words.nth(2).hover()
    told = dialog.get_by_role("status").locator("p:visible")
    expect(told).to_contain_text("Cosine with “retriever”", timeout=WAIT)
    expect(shown(dialog)).to_have_attribute("data-of", "2")
    words.nth(5).focus()
    page.keyboard.press("Tab")
    expect(words.nth(6)).to_be_focused()
    expect(told).to_contain_text("Cosine with “snow”")
    page.mouse.move(5, 5)
    expect(shown(dialog)).to_have_attribute("data-of", "6")  # it still has the focus
    dialog.get_by_role("button", name="Close").focus()
    expect(told).to_contain_text("Cosine of each place with the caption")


def test_arrow_keys_go_from_picture_to_picture_each_with_its_own_map(page: Page) -> None:
    names = [label.split(",")[0] for label in labels(page)]
    dialog = enlarge(page, 0)
    dialog.locator("[data-word='2']").hover()
    expect(shown(dialog)).to_have_count(1, timeout=WAIT)
    first = shown(dialog).get_attribute("src")
    page.mouse.move(5, 5)
    page.keyboard.press("ArrowRight")
    expect(dialog.locator("h2")).to_have_text(names[1])
    expect(dialog.locator(".cs-layer")).to_have_count(0)
    dialog.locator("[data-word='2']").hover()
    expect(dialog.get_by_role("status")).to_contain_text("Dimmed: no match", timeout=WAIT)
    assert shown(dialog).get_attribute("src") != first
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(dialog.locator("h2")).to_have_text(names[-1])
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert page.evaluate("document.activeElement.dataset.name") == "snowy-street-at-night.jpg"


def test_more_like_this_compares_the_others_with_the_picture(page: Page) -> None:
    enlarge(page, 2).get_by_role("button", name="More like this").click()
    answered(page, "reference image cat-in-rucksack.jpg")
    assert len(labels(page)) == 3
    dialog = enlarge(page, 0)
    dialog.get_by_label("Show where").press("End")
    expect(dialog.get_by_role("status")).to_contain_text("Cosine of each place with the reference image", timeout=WAIT)
    dialog.get_by_role("button", name="More like this").click()
    answered(page, "reference image hiking-golden-retriever.jpg")
    assert any("cat-in-rucksack" in label for label in labels(page))  # it is one of the others again


def test_maps_that_were_asked_for_are_on_one_scale_with_a_legend(page: Page) -> None:
    page.get_by_text("More ways to look").click()
    page.wait_for_timeout(1000)
    page.locator("#show-where input").check()
    page.locator("#score").click()
    expect(page.locator("#maps img")).to_have_count(4, timeout=WAIT)
    legend = page.locator("#maps-legend")
    expect(legend).to_contain_text("One scale for all pictures of this request")
    ends = legend.locator(".cs-ends").inner_text()
    dialog = enlarge(page, 1)
    expect(shown(dialog)).to_have_count(1, timeout=WAIT)  # without another word
    expect(dialog.get_by_role("status").locator("p:visible")).to_contain_text(ends)


def ask_several(page: Page, *captions: str) -> Locator:
    page.get_by_text("More ways to look").click()
    page.wait_for_timeout(1000)
    page.locator("#others textarea").fill("\n".join(captions))
    page.locator("#score").click()
    expect(page.locator("#several table")).to_be_visible(timeout=WAIT)
    return page.locator("#several")


SPLIT = """table => [...table.querySelectorAll("th, td")].flatMap((cell) => {
    const found = [], walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (walker.nextNode())
        for (const { index, 0: word } of walker.currentNode.data.matchAll(/[^\\s\\-_.]+/g)) {
            const range = document.createRange();
            range.setStart(walker.currentNode, index);
            range.setEnd(walker.currentNode, index + word.length);
            if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) found.push(word);
        }
    return found;
})"""


LEFT = "cell => cell.getBoundingClientRect().left"


def test_on_a_phone_the_table_of_captions_says_that_it_goes_on_and_splits_no_word(phone: Page) -> None:
    several = ask_several(phone, "a dog", "a cat in a rucksack", "extraordinary photographs of children")
    assert several.locator("table").evaluate(SPLIT) == []
    beyond = several.get_by_text("More columns to the right")
    expect(beyond).to_be_visible()
    head = several.locator("tbody th").first
    before = head.evaluate(LEFT)
    several.get_by_role("group").evaluate("part => { part.scrollLeft = part.scrollWidth; }")
    expect(beyond).not_to_be_visible()
    assert head.evaluate(LEFT) == before  # it stays where the others go
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    expect(several.locator("tbody tr").first.locator(".cs-chip")).to_have_count(4)
    assert grave(phone) == []


def test_on_a_phone_a_picture_close_up_fits_and_words_are_tapped(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(server.url)
    answered(page, EXAMPLE_CAPTION)
    dialog = enlarge(page, 0)
    dialog.locator("[data-word='2']").tap()
    expect(dialog.get_by_role("status")).to_contain_text("Cosine with “retriever”", timeout=WAIT)
    box = dialog.bounding_box()
    assert (
        box and box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] >= 0 and box["y"] + box["height"] <= 844
    )
    context.close()


def test_a_picture_that_is_not_in_the_answer_is_said_to_be_so(page: Page) -> None:
    page.locator("#ranked .cs-grid .cs-tile").first.evaluate("tile => { tile.dataset.name = 'gone.jpg'; }")
    dialog = enlarge(page, 0)
    dialog.get_by_label("Show where").fill("80")
    expect(dialog.get_by_role("status")).to_contain_text("not among those that were scored", timeout=WAIT)
