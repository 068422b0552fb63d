"""README and docs/: links lead somewhere, quoted commands are known, tables are the program's own, the site builds."""

import contextlib
import html.parser
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from clipsim.cli.main import main
from clipsim.report.numbers import percent
from clipsim.scoring import MATCH, NO_MATCH, WEAK
from clipsim.scoring.calibration import ANSWERS, read_calibration
from clipsim.settings import Limits

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.glob("*.md"))]
FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
NAMES = ("Score", "Result", "Encoder", "Collection", "score_images", "load", "errors.ClipsimError")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", text_of(page))


def anchors(page: Path) -> set[str]:
    """The ids of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@each_page
def test_relative_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(\s*(?!https?:|mailto:)([^)\s]+)\)", prose(page)):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@each_page
def test_files_that_are_named_are_there(page: Path) -> None:
    names = re.findall(
        r"`((?:clipsim|examples|benchmarks|tools|tests|docs|\.ci)/[\w./-]*|[\w.-]+\.(?:yml|toml)|[A-Z]+\.md)`",
        prose(page),
    )
    assert [name for name in names if not (ROOT / name).exists()] == []


@each_page
def test_modules_that_a_command_runs_are_there(page: Path) -> None:
    modules = set(re.findall(r"python -m ((?:benchmarks|tools|examples)[\w.]+)", text_of(page)))
    assert [name for name in modules if not (ROOT / f"{name.replace('.', '/')}.py").is_file()] == []


class Quoted(NamedTuple):
    """A command line as a page quotes it."""

    page: str
    line: str


def quoted() -> Iterator[Quoted]:
    """Every line of a shell block, and every piece of code in a sentence, that runs the command."""
    for page in PAGES:
        for _, language, block in FENCE.findall(text_of(page)):
            if language in ("bash", "console", "powershell", "dockerfile"):
                for line in block.splitlines():
                    for part in re.split(r"&&|\|", line):
                        if found := re.match(r"\s*(?:\$ )?(?:\S*[/\\])?(clipsim( .*|$))", part):
                            yield Quoted(page.name, found[1])
        for code in re.findall(r"`([^`\n]+)`", prose(page)):
            if found := re.search(r"(?:^|[/\\ ])(clipsim (?:[a-z]+\b|--).*)$", code):
                yield Quoted(page.name, found[1])


@cache
def help_of(command: str) -> str:
    """What `clipsim COMMAND --help` prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            status = main([command, "--help"]) if command else main(["--help"])
        except SystemExit as ended:
            status = int(ended.code or 0)
    assert status == 0, output.getvalue()
    return output.getvalue()


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a help text from breaking or cutting the names of options."""
    monkeypatch.setenv("COLUMNS", "300")


def known(text: str) -> set[str]:
    """Options and words of a help text."""
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*|\b[a-z]+\b", text))


@pytest.mark.parametrize("quote", sorted(set(quoted())), ids=lambda quote: f"{quote.page}: {quote.line}")
def test_quoted_commands_are_known_to_the_command_line(quote: Quoted) -> None:
    words = shlex.split(quote.line.replace("\\", "/"), comments=True)[1:]
    command = next((word for word in words if not word.startswith("-")), "")
    if command != "COMMAND":  # it stands for any
        assert command == "" or command in known(help_of("")), f"there is no command {command}"
        options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert options <= known(help_of(command)) | {"--help"}


def test_every_command_is_in_the_table_of_commands() -> None:
    table = set(re.findall(r"^\| `clipsim ([a-z]+)` \|", text_of(DOCS / "cli.md"), re.MULTILINE))
    assert len(table) >= 10
    for command in sorted(table):
        assert help_of(command)


def test_the_options_of_score_are_known_to_it() -> None:
    section = text_of(DOCS / "cli.md").split("\n## Score\n")[1].split("\n## ")[0]
    options = set(re.findall(r"(?<![\w-])--[a-z-]+", "".join(re.findall(r"^\| (`--[^|]*) \|", section, re.MULTILINE))))
    assert len(options) >= 10
    assert options <= known(help_of("score"))


def test_the_tables_of_models_are_the_programs_own() -> None:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert main(["models", "--format", "json"]) == 0
    models = json.loads(output.getvalue())
    front = yaml.safe_load(text_of(ROOT / "README.md").split("---\n")[1])
    assert set(front["models"]) == {model["hub_id"] for model in models if model["hub_id"]}
    for page in (ROOT / "README.md", DOCS / "models.md"):
        for model in models:
            accuracies = [f"{model[key]:.1f}" if model[key] else "-" for key in ("imagenet", "coco")]
            row = next(line for line in text_of(page).splitlines() if line.startswith(f"| `{model['name']}`"))
            assert [cell.strip() for cell in row.split("|")][4:8] == [
                model["licence"],
                str(model["width"]),
                *accuracies,
            ]


def test_the_table_of_limits_is_the_programs_own() -> None:
    for name, value in asdict(Limits()).items():
        assert f"| `CLIPSIM_{name.upper()}` | {value} |" in text_of(DOCS / "deploy.md")


def test_the_tables_of_error_rates_are_the_shipped_ones() -> None:
    known = read_calibration("stand-in")
    assert known is not None
    assert known.names is not None
    rows = []
    for form, rates in (("sentences", known.rates), ("names of things", known.names.rates)):
        for kind, words in (("true", "pairs that belong together"), ("random", "random pairs")):
            names = [f"{kind} pairs called {verdict}" for verdict in (MATCH, f"{MATCH} or {WEAK}", NO_MATCH)]
            rows.append((f"{form}: {words}", [rates["crop as-is as-written"][name] for name in names]))
    for count in (2, 4, 8, 16, 32):
        called = [f"{which} a fitting picture called {one}" for which in ("without", "with") for one in ANSWERS]
        names = [f"galleries of {count} {one}" for one in (*called, "in which the fitting picture is named")]
        rows.append((str(count), [known.rates["crop as-is as-written"][name] for name in names]))
    text = text_of(DOCS / "scores.md")
    missing = [row for first, own in rows if (row := f"| {first} | {' | '.join(map(percent, own))} |") not in text]
    assert missing == []


def test_every_requirement_has_its_reason() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = {re.split(r"[\[=<>~!;]", line)[0].strip() for line in lines if line and not line.startswith(("#", "-"))}
    rows = [line.split("|")[1] for line in text_of(DOCS / "dependencies.md").splitlines() if line.startswith("|")]
    reasons = {name.strip() for row in rows for name in row.split(",")}
    assert names - reasons == set()


@pytest.mark.parametrize("page", ["python.md", "collections.md"])
def test_the_snippets_of_a_page_run_one_after_the_other(page: str, tmp_path: Path) -> None:
    code = "\n".join(block for _, language, block in FENCE.findall(text_of(DOCS / page)) if language == "python")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as a site, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


class Assets(html.parser.HTMLParser):
    """Collects the addresses that a browser fetches to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") in ("canonical", "alternate", "next", "prev"):
            return
        if tag != "a":
            self.found += [value for key in ("src", "href", "data") if (value := given.get(key))]


def test_the_site_has_the_public_names(site: Path) -> None:
    page = (site / "reference" / "index.html").read_text(encoding="utf-8")
    assert all(f'id="clipsim.{name}"' in page for name in NAMES)


def test_the_site_fetches_nothing_from_other_hosts(site: Path) -> None:
    elsewhere = re.compile(r"(?:https?:)?//")
    for page in site.rglob("*.html"):
        assets = Assets()
        assets.feed(page.read_text(encoding="utf-8"))
        assert [address for address in assets.found if elsewhere.match(address)] == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet
