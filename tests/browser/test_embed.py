"""Links that open on a question, and the page inside other people's pages, each on an origin of its own."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, expect
from support import ROOT, Server
from support.browser import is_fault

DOCS = ROOT / "docs"
GUIDE = (DOCS / "embed.md").read_text(encoding="utf-8")
WAIT = 60_000  # milliseconds
SETTLED = 1500  # after which a page would have scored, had it meant to
QUESTION = {"caption": "a lion & a <b>mane</b> \"';", "model": "stand-in"}
MODEL_SHOWN = re.compile("^stand-in · ")
HOST = """<!doctype html>
<html lang="en" class="dark">
<head><meta charset="utf-8"><title>host</title><link rel="icon" href="data:,">
<style>:root {{ --text-sm: 3px; --primary-500: red }} p {{ color: rgb(1, 2, 3) }} .block {{ padding: 7px }}</style>
{head}</head>
<body><main>
<h1>Host</h1><h2>Two</h2><h3>Three</h3><p>Text <a href="#x">link</a> <code>code</code> <em>em</em></p>
<ul><li>item</li></ul><blockquote>quote</blockquote><pre>pre</pre><hr><svg></svg><button>button</button>
<label>label</label><input value="text"><textarea>text</textarea><select><option>o</option></select>
<table><caption>c</caption><tr><th>h</th><td>d</td></tr></table>
<div class="block">block</div><div class="prose">prose <p>p</p></div><div class="wrap hide">wrap</div>
<section id="remarks">r</section><section id="table">t</section><section id="banner">b</section>
</main>{widget}</body></html>"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder on a port of its own, which to a browser is another site than the app's."""
    site = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{site.server_port}"
    finally:
        site.shutdown()
        site.server_close()


@pytest.fixture
def docs() -> Iterator[str]:
    with served(DOCS) as url:
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that reaches loopback only; afterwards it must not have met an error or tried to get elsewhere."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if is_fault(message) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if elsewhere(request.url) else None)
    page.route(elsewhere, lambda route: route.abort())
    yield page
    page.close()
    assert complaints == []


def elsewhere(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "data:", "blob:"))


def query(**values: str) -> str:
    return "&".join(f"{key}={quote(value)}" for key, value in values.items())


def caption(place: Any) -> Locator:
    field: Locator = place.locator("#caption input, #caption textarea")
    return field


def model(place: Any) -> Locator:
    field: Locator = place.locator("#model input").first
    return field


def widgets(page: Page, count: int = 2) -> list[Locator]:
    """The web components of a page, ready."""
    expect(page.locator("gradio-app #score")).to_have_count(count, timeout=WAIT)
    return page.locator("gradio-app").all()


def snippet(name: str, server: Server, **places: str) -> str:
    """What the guide says to copy, with the server's address in it."""
    text = GUIDE.split(f"<!-- {name} -->\n```html\n")[1].split("```")[0].replace("https://SERVER", server.url)
    for old, new in places.items():
        text = text.replace(old, new)
    return text


def test_a_link_opens_on_its_question_without_scoring_it(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?{query(**QUESTION)}")
    expect(caption(page)).to_have_value(QUESTION["caption"], timeout=WAIT)
    expect(model(page)).to_have_value(MODEL_SHOWN)
    expect(page.locator(".cs-header")).to_be_visible()
    page.wait_for_timeout(SETTLED)
    expect(page.locator(".cs-status, #address .cs-banner")).to_have_count(0)


def test_an_example_still_works_on_a_linked_page_with_the_linked_model(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?{query(**QUESTION)}")
    expect(model(page)).to_have_value(MODEL_SHOWN, timeout=WAIT)
    page.locator("#examples").get_by_text("Big cats").click()
    expect(page.locator("#status")).to_contain_text("“a lion with a thick mane”", timeout=WAIT)


def test_an_unknown_model_in_a_link_is_named_as_text_and_ignored(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?{query(caption='a dog', model='<img src=x onerror=alert(1)>')}")
    note = page.locator("#address")
    expect(note).to_contain_text("Model “<img src=x onerror=alert(1)>”, which is not on the list", timeout=WAIT)
    expect(note.locator("img")).to_have_count(0)
    expect(model(page)).to_have_value(re.compile("^auto · "))
    expect(caption(page)).to_have_value("a dog")


def test_a_link_with_only_a_model_leaves_the_caption_empty(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?model=stand-in")
    expect(model(page)).to_have_value(MODEL_SHOWN, timeout=WAIT)
    expect(caption(page)).to_have_value("")


def test_compact_leaves_out_the_header_and_saves_space(page: Page, server: Server) -> None:
    page.goto(server.url)
    expect(page.locator("#reading")).to_be_visible(timeout=WAIT)
    whole = page.locator(".gradio-container").bounding_box()
    page.goto(f"{server.url}/?compact=1")
    expect(page.locator(".gradio-container[data-compact] #score")).to_be_visible(timeout=WAIT)
    expect(page.locator(".cs-header, footer").first).not_to_be_visible()
    compact = page.locator("#reading").bounding_box()
    assert whole and compact and compact["y"] + compact["height"] < whole["height"] - 100


def test_each_widget_and_the_iframe_open_on_their_own_question(page: Page, server: Server, docs: str) -> None:
    page.goto(f"{docs}/embed.html?{query(server=server.url)}")
    first, second = widgets(page)
    frame = page.frame_locator("iframe")
    page.locator("iframe").scroll_into_view_if_needed()
    expect(caption(second)).to_have_value("a cat in a rucksack", timeout=WAIT)
    expect(model(second)).to_have_value(MODEL_SHOWN)
    expect(caption(frame)).to_have_value("a lion with a thick mane", timeout=WAIT)
    expect(caption(first)).to_have_value("")
    expect(model(first)).to_have_value(re.compile("^auto"))
    for place in (first, second, frame):
        expect(place.locator(".cs-header")).not_to_be_visible()


def test_the_address_of_the_docs_page_fills_in_what_has_no_question_of_its_own(
    page: Page, server: Server, docs: str
) -> None:
    page.goto(f"{docs}/embed.html?{query(server=server.url, **QUESTION)}")
    first, second = widgets(page)
    expect(caption(first)).to_have_value(QUESTION["caption"], timeout=WAIT)
    expect(model(first)).to_have_value(MODEL_SHOWN)
    expect(caption(second)).to_have_value("a cat in a rucksack")
    page.locator("iframe").scroll_into_view_if_needed()
    expect(caption(page.frame_locator("iframe"))).to_have_value(QUESTION["caption"], timeout=WAIT)


def test_two_widgets_do_not_mix_and_each_grows_with_its_content(page: Page, server: Server, docs: str) -> None:
    page.goto(f"{docs}/embed.html?{query(server=server.url)}")
    first, second = widgets(page)
    heights = [widget.bounding_box()["height"] for widget in (first, second)]  # type: ignore[index]
    first.locator("#examples").get_by_text("Big cats").click()
    second.locator("#examples").get_by_text("Towers").click()
    expect(first.locator("#status")).to_contain_text("“a lion with a thick mane”", timeout=WAIT)
    expect(second.locator("#status")).to_contain_text("“a tall tower against the evening sky”", timeout=WAIT)
    expect(first.locator("#ranked li").first).to_contain_text(re.compile(r"1\W+lion\b"))
    expect(second.locator("#ranked li").first).to_contain_text(re.compile(r"1\W+tower\b"))
    expect(model(first)).to_have_value(re.compile("^auto"))
    first.locator("#compare").get_by_text("reference image").click()
    expect(first.locator("#reference")).to_be_visible()
    expect(second.locator("#reference")).not_to_be_visible()
    expect(caption(second)).to_be_visible()
    for widget, height in zip((first, second), heights, strict=True):
        assert widget.bounding_box()["height"] > height + 300  # type: ignore[index]
        assert widget.evaluate("widget => widget.scrollHeight <= widget.clientHeight + 2")


def test_each_widget_has_its_own_theme_whatever_the_system_prefers(browser: Browser, server: Server, docs: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    page.goto(f"{docs}/embed.html?{query(server=server.url)}")
    light, dark = (brightness(widget.locator(".gradio-container")) for widget in widgets(page))
    page.locator("iframe").scroll_into_view_if_needed()
    inside = page.frame_locator("iframe").locator("#score")
    expect(inside).to_be_visible(timeout=WAIT)
    assert light > 200
    assert dark < 60
    assert brightness(page.frame_locator("iframe").locator("gradio-app")) > 200
    page.close()


def brightness(place: Locator) -> int:
    colour = place.evaluate("element => getComputedStyle(element).backgroundColor")
    return max(int(part) for part in re.findall(r"\d+", colour)[:3])


LOOKS = """() => {
    const elements = [document.documentElement, document.body, ...document.querySelectorAll("main, main *")];
    const look = (style) => Object.fromEntries([...style].map((name) => [name, style[name]]));
    return Object.fromEntries(elements.map((e, i) => [`${i} ${e.tagName}`, look(getComputedStyle(e))]));
}"""
SIZES = re.compile("^(block-size|height|perspective-origin|transform-origin)$")  # body and html grow by the widget


def looks(page: Page) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = page.evaluate(LOOKS)
    grow = {"0 HTML", "1 BODY"}
    return {
        element: {name: value for name, value in style.items() if not (element in grow and SIZES.match(name))}
        for element, style in found.items()
    }


def test_what_the_guide_says_to_copy_works_and_leaves_the_host_page_as_it_was(
    page: Page, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "before.html").write_text(HOST.format(head="", widget=""), encoding="utf-8")
    loader, widget = snippet("loader", server), snippet("widget", server) * 2
    (tmp_path / "after.html").write_text(HOST.format(head=loader, widget=widget), encoding="utf-8")
    with served(tmp_path) as site:
        page.goto(f"{site}/before.html")
        before = looks(page)
        page.goto(f"{site}/after.html")
        first, second = widgets(page)
        expect(caption(first)).to_have_value("a dog", timeout=WAIT)
        first.locator("#examples").get_by_text("Big cats").click()
        expect(first.locator("#bars .cs-bar").first).to_be_visible(timeout=WAIT)
        expect(caption(second)).to_have_value("a dog")
        after = looks(page)
        assert page.evaluate("getComputedStyle(document.body).getPropertyValue('--text-sm')") == "3px"
        assert brightness(first.locator(".gradio-container")) > 200  # light, although the host says that it is dark
    assert {element: changed(before[element], after[element]) for element in before} == {e: {} for e in before}


def changed(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {name: (value, after[name]) for name, value in before.items() if after.get(name) != value}


def test_the_guides_iframe_works(page: Page, server: Server, tmp_path: Path) -> None:
    (tmp_path / "host.html").write_text(HOST.format(head="", widget=snippet("iframe", server)), encoding="utf-8")
    with served(tmp_path) as site:
        page.goto(f"{site}/host.html")
        frame = page.frame_locator("iframe[title]")
        expect(caption(frame)).to_have_value("a dog", timeout=WAIT)
        frame.locator("#examples").get_by_text("Big cats").click()
        expect(frame.locator("#status")).to_contain_text("thick mane", timeout=WAIT)
        box = page.locator("iframe").bounding_box()
        assert box and box["height"] == 760


def test_guide_and_page_load_the_widget_in_the_same_way() -> None:
    demonstration = (DOCS / "embed.html").read_text(encoding="utf-8")
    shown = GUIDE.split("<!-- loader -->")[1].split("```")[1]
    functions = shown[shown.index("  // Loads") : shown.index("  load(SERVER);")]
    assert functions.strip() in demonstration


def test_the_demonstration_runs_the_code_of_no_strangers_server(page: Page, docs: str) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body="")

    page.route("http://127.0.0.1:7860/**", answer)
    page.goto(f"{docs}/embed.html?server=https://clipsim.example")
    expect(page.locator(".offline")).to_be_visible()
    assert asked and all(url.startswith("http://127.0.0.1:7860/") for url in asked)


def test_widgets_have_no_grave_accessibility_faults(page: Page, server: Server, docs: str) -> None:
    page.goto(f"{docs}/embed.html?{query(server=server.url)}")
    widgets(page)
    page.wait_for_timeout(SETTLED)
    found = Axe().run(page, context="gradio-app").response["violations"]
    assert [rule["id"] for rule in found if rule["impact"] in {"serious", "critical"}] == []


def test_a_narrow_page_shows_a_widget_without_sideways_scrolling(browser: Browser, server: Server, docs: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{docs}/embed.html?{query(server=server.url)}")
    first, _ = widgets(page)
    first.locator("#examples").get_by_text("Big cats").click()
    expect(first.locator("#bars .cs-bar").first).to_be_visible(timeout=WAIT)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
