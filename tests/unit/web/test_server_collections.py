"""Collections of a server: named, never by path; searched through the API and on the page; kept for a session."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import EXAMPLES, Server, call, serving
from support_browser import grave

from clipsim import ClipsimError, Encoder, score_images
from clipsim.collections.indexing import index_folder
from clipsim.web import server_collections as shelf

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CAPTION = "a golden retriever standing in the snow"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of the example pictures, by the stand-in."""
    source = tmp_path_factory.mktemp("source")
    for path in EXAMPLES:
        shutil.copy(path, source)
    folder = tmp_path_factory.mktemp("collections") / "paintings"
    index_folder(source, folder, "stand-in", device="cpu")
    return folder


@pytest.fixture
def shelved(pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(shelf.VARIABLE, str(pictures))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    return pictures


@pytest.fixture(scope="module")
def server(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory, {shelf.VARIABLE: str(pictures)}) as served:
        yield served


def answer(server: Server, *data: Any, endpoint: str = "search") -> dict[str, Any]:
    event, text = re.findall(r"event: (\w+)\ndata: (.*)", call(server, endpoint, list(data)))[-1]
    return {"event": event, **(json.loads(text) if event == "error" else json.loads(text)[0])}


@pytest.mark.usefixtures("shelved")
def test_a_search_gives_what_a_gallery_of_the_same_pictures_gives(stand_in: Encoder) -> None:
    found = shelf.search("paintings", CAPTION, top=5)
    scores = score_images(EXAMPLES, CAPTION, stand_in).scores
    assert [hit.path for hit in found.hits] == [score.name for score in scores]
    for hit, score in zip(found.hits, scores, strict=True):
        assert hit.cosine == pytest.approx(score.cosine, abs=1e-6)
        assert hit.percentile == pytest.approx(score.percentile, abs=1e-6)
    assert found.pictures == 5 and found.model == "stand-in"


@pytest.mark.usefixtures("shelved")
def test_more_like_a_picture_leaves_it_out() -> None:
    found = shelf.search("paintings", like="golden-retriever-in-snow.jpg", top=3)
    assert [hit.rank for hit in found.hits] == [1, 2, 3]
    assert found.hits[0].path == "hiking-golden-retriever.jpg" and found.caption is None
    one = shelf.search("paintings", like="golden-retriever-in-snow.jpg", path="*street*")
    assert [hit.path for hit in one.hits] == ["snowy-street-at-night.jpg"]


def test_only_names_are_taken_never_paths(shelved: Path) -> None:
    for name in (str(shelved), "../paintings", "", "own-" + "0" * 32, "own-../../etc", "paintings/"):
        with pytest.raises(ClipsimError, match=r"not known: use paintings|no longer kept"):
            shelf.opened(name)


def test_without_collections_a_search_says_how_a_server_is_given_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(shelf.VARIABLE, raising=False)
    with pytest.raises(ClipsimError, match=shelf.VARIABLE):
        shelf.search("paintings", CAPTION)


def test_collections_of_one_name_are_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(shelf.VARIABLE, os.pathsep.join([str(tmp_path / "a" / "x"), str(tmp_path / "b" / "x"), ""]))
    assert shelf.folders() == {"x": tmp_path / "a" / "x", "x (2)": tmp_path / "b" / "x"}
    with pytest.raises(ClipsimError, match=r"CLIPSIM_COLLECTIONS: There is no collection in .*a/x"):
        shelf.check()


@pytest.mark.usefixtures("shelved")
def test_a_search_takes_a_caption_or_a_picture() -> None:
    for asked in ({}, {"caption": " "}, {"caption": "a dog", "like": "hiking-golden-retriever.jpg"}):
        with pytest.raises(ClipsimError, match="give one of them"):
            shelf.search("paintings", **asked)
    with pytest.raises(ClipsimError, match="not in the collection"):
        shelf.search("paintings", like="/etc/passwd")
    with pytest.raises(ClipsimError, match="1 to 100"):
        shelf.search("paintings", CAPTION, top=101)
    with pytest.raises(ClipsimError, match="limit is 2000"):
        shelf.search("paintings", "x" * 2001)
    with pytest.raises(ClipsimError, match="not a date"):
        shelf.search("paintings", CAPTION, after="yesterday")


def test_a_collection_that_grows_is_searched_in_its_newest_state(
    tmp_path: Path, picture_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "growing"
    monkeypatch.setenv(shelf.VARIABLE, str(folder))
    picture_file("in/a.png", seed=1)
    index_folder(tmp_path / "in", folder, "stand-in", device="cpu")
    assert len(shelf.opened("growing")) == 1
    picture_file("in/b.png", seed=2)
    index_folder(tmp_path / "in", folder)
    assert len(shelf.opened("growing")) == 2


@pytest.mark.usefixtures("shelved")
def test_what_a_visitor_keeps_is_found_under_its_own_name_alone_and_without_the_pictures() -> None:
    name = shelf.keep([(EXAMPLES[0], "one.jpg"), (EXAMPLES[1], "one.jpg"), (b"no picture", "two.jpg")], "stand-in")
    assert re.fullmatch("own-[0-9a-f]{32}", name) and name not in shelf.folders()
    found = shelf.search(name, CAPTION)
    assert {hit.path for hit in found.hits} == {"one.jpg", "one.jpg (2).jpg"}
    folder = shelf._folder(name).parent
    assert [path.name for path in folder.iterdir()] == ["collection"]
    with pytest.raises(ClipsimError, match=r"None of the pictures could be kept: two\.jpg is not a picture"):
        shelf.keep([(b"no picture", "two.jpg")], "stand-in")


@pytest.mark.usefixtures("shelved")
def test_what_a_visitor_keeps_goes_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "KEPT_SECONDS", 1.0)
    name = shelf.keep([(EXAMPLES[0], "one.jpg")], "stand-in")
    folder = shelf._folder(name).parent
    assert len(shelf.opened(name)) == 1
    until = time.monotonic() + 20
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.1)
    with pytest.raises(ClipsimError, match="no longer kept"):
        shelf.opened(name)


def test_a_server_with_a_collection_that_is_gone_does_not_start(tmp_path: Path) -> None:
    environment = os.environ | {shelf.VARIABLE: str(tmp_path / "gone"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "app.py"]
    ended = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode and "There is no collection in" in ended.stderr


def test_the_api_searches_and_lists(server: Server) -> None:
    listed = answer(server, endpoint="collections")
    assert listed["collections"] == [{"name": "paintings", "pictures": 5, "model": "stand-in"}]
    found = answer(server, "paintings", CAPTION, "", 2)
    assert [hit["rank"] for hit in found["hits"]] == [1, 2]
    assert found["hits"][0]["thumbnail"].startswith("data:image/jpeg;base64,")
    like = answer(server, "paintings", "", found["hits"][0]["path"])
    assert found["hits"][0]["path"] not in [hit["path"] for hit in like["hits"]]
    refused = answer(server, "/etc", CAPTION)
    assert refused["event"] == "error" and "use paintings" in refused["error"]


@pytest.mark.browser
def test_the_page_searches_finds_more_like_a_picture_and_links_to_it(server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(server.url)
    page.get_by_role("tab", name="Search a collection").click()
    page.fill("#search-caption :is(textarea, input)", CAPTION)
    page.click("#search")
    page.get_by_text("The best 5 of 5 pictures").wait_for()
    assert page.locator("#hits button img").count() == 5
    page.locator("#hits button:has(img)").first.click()
    page.locator("#more-like").click()
    page.get_by_text("The best 4 of 5 pictures").wait_for()
    page.get_by_role("link", name="link to this search").click()
    page.get_by_text("more like golden-retriever-in-snow.jpg").wait_for()
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_grave_in_what_is_found(server: Server, browser: Browser, theme: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=theme)
    page.goto(f"{server.url}?collection=paintings&caption=a+cat")
    page.get_by_text("The best 5 of 5 pictures").wait_for()
    page.get_by_text("Narrow it down").click()
    page.get_by_text("More like one of them").click()
    assert grave(page) == []
    page.close()


@pytest.mark.browser
def test_an_address_opens_a_search_or_says_what_is_wrong_with_it(server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"{server.url}?collection=paintings&caption=a+cat")
    page.get_by_text("caption “a cat”").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.goto(f"{server.url}?collection=/etc&caption=a+cat")
    page.get_by_text("The collection “/etc” is not known: use paintings.").wait_for()
    page.close()


@pytest.mark.browser
def test_scored_pictures_can_be_kept_and_searched(server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(server.url)
    page.get_by_text(CAPTION, exact=True).first.click()
    page.get_by_role("button", name="Keep as a collection").click(timeout=60_000)
    page.fill("#search-caption :is(textarea, input)", "a cat in a rucksack")
    page.click("#search")
    page.get_by_text("The best 4 of 4 pictures").wait_for()
    page.close()
