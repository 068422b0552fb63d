"""What somebody is told who waits for a model, and which models are marked as not to be had."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support import ROOT, Server, serving
from support.browser import EXAMPLE_CAPTION, WAIT, answered, opened

from clipsim.encoders import MODELS


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def slow(gate: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"), prepend=":")
    with serving(tmp_path_factory, command=(sys.executable, "-m", "support.slow_page", gate)) as served:
        yield served


@pytest.fixture
def page(browser: Browser, slow: Server) -> Iterator[Page]:
    yield from opened(browser.new_page(viewport={"width": 1280, "height": 900}), slow, "")


def choose(page: Page, field: str, title: str) -> None:
    page.locator(f"{field} input").click()
    page.get_by_role("option", name=title).click()


def test_who_waits_for_a_model_is_told_what_happens(page: Page, gate: Path) -> None:
    progress = page.locator("#progress")
    choose(page, "#model", "clip-vit-b-32 · 63.3 % ImageNet, research only · needs the hub")
    page.locator("#score").click()
    expect(progress).to_contain_text("Downloading clip-vit-b-32: 120 of 605 MB", timeout=WAIT)
    (gate / "downloaded").touch()
    expect(progress).to_contain_text("Reading the weights", timeout=WAIT)
    (gate / "read").touch()
    expect(page.locator("#status")).to_contain_text("clip-vit-b-32 · cpu", timeout=WAIT)
    page.evaluate("""() => {
      window.told = [];
      new MutationObserver(() => told.push(document.querySelector("#progress").innerText))
        .observe(document.querySelector("#progress"), { subtree: true, childList: true, characterData: true });
    }""")
    page.locator("#caption input, #caption textarea").fill("a dog")
    page.keyboard.press("Enter")
    answered(page, "“a dog”")
    told = " ".join(page.evaluate("told"))
    assert "eading" not in told and "Download" not in told, "nothing is loaded any more"


def test_models_that_cannot_be_had_are_marked_in_both_lists(page: Page) -> None:
    expect(page.locator("#caption input, #caption textarea")).to_have_value(EXAMPLE_CAPTION)
    page.get_by_role("button", name="More ways to look").click()
    for field in ("#model", "#second"):
        page.locator(f"{field} input").click()
        titles = page.locator(field).get_by_role("option").all_inner_texts()
        marked = [title for title in titles if "needs the hub" in title]
        assert len(marked) == sum(bool(model.hub_id) for model in MODELS)
        assert not any("stand-in" in title for title in marked)
