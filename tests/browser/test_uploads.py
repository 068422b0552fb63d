"""Files that are added to the page: refused at once with the reason, or shown whatever browsers know."""

import re
from collections.abc import Iterator
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from support import Server
from support.browser import EXAMPLES, example, labels, opened, score

pillow_heif.register_heif_opener()  # for its encoder
TILES = ".thumbnail-lg, .thumbnail-item"
JPEG_ADDRESS = re.compile("^data:image/jpeg;base64,")


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    yield from opened(browser.new_page(viewport={"width": 1280, "height": 900}), server)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "IMG_0001.HEIC"
    with Image.open(EXAMPLES / "hiking-golden-retriever.jpg") as opened_example:
        opened_example.save(path, "HEIF")
    return path


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary")
    return path


def add(page: Page, place: str, *paths: Path) -> None:
    page.locator(f"{place} input[type=file]").first.set_input_files(paths)


def test_what_cannot_be_read_is_refused_beside_the_field_and_the_rest_stays(
    page: Page, photo: Path, notes: Path
) -> None:
    fault = page.locator("#pictures-fault")
    add(page, "#pictures", notes, EXAMPLES / "cat-in-rucksack.jpg", photo)
    expect(fault).to_contain_text("Not added: notes.txt is not a picture that can be read here")
    expect(page.locator("#pictures").locator(TILES)).to_have_count(2)
    add(page, "#pictures", EXAMPLES / "hiking-golden-retriever.jpg")
    expect(page.locator("#pictures").locator(TILES)).to_have_count(3)
    expect(fault).to_be_empty()
    score(page, "a dog")
    assert len(labels(page)) == 3


def test_a_refused_reference_leaves_the_field_empty(page: Page, notes: Path) -> None:
    page.locator("#compare").get_by_label("reference image").check()
    add(page, "#reference", notes)
    expect(page.locator("#reference-fault")).to_contain_text("notes.txt is not a picture")
    expect(page.locator("#reference").locator(TILES)).to_have_count(0)


def test_a_heic_is_shown_among_the_uploads_and_enlarged(page: Page, photo: Path) -> None:
    add(page, "#pictures", photo)
    small = page.locator("#pictures").locator(TILES).locator("img")
    expect(small).to_have_attribute("src", JPEG_ADDRESS)
    score(page, "a dog")
    page.locator("#ranked .cs-best .cs-tile").click()
    large = page.locator("dialog img")
    expect(large).to_have_attribute("src", re.compile(r"/gradio_api/file=.*\.jpeg$"))
    assert large.evaluate("image => image.complete && image.naturalWidth > 240")


def test_an_example_is_not_undone_by_what_is_refused_meanwhile(page: Page, notes: Path) -> None:
    add(page, "#pictures", notes)
    example(page, "Towers")
    towers = len(labels(page))
    expect(page.locator("#pictures").locator(TILES)).to_have_count(towers)
