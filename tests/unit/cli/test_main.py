"""The command `clipsim`: help, version, models, how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from support import Command

import clipsim
from clipsim.encoders import MODELS
from clipsim.options import CONTRASTS, FRAMINGS, PROMPTS


def test_a_process_of_its_own_exits_with_the_status() -> None:
    done = subprocess.run([sys.executable, "-m", "clipsim", "score"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage" in done.stderr


def test_models_lists_every_model(cli: Command) -> None:
    done = cli("models")
    lines = done.out.splitlines()
    assert done.code == 0
    assert len(lines) == 1 + len(MODELS)
    for line, model in zip(lines[1:], MODELS, strict=True):
        figures = ["-" if figure is None else f"{figure:.1f}" for figure in (model.imagenet, model.coco)]
        known = "yes" if model.name == "stand-in" else "-"
        shown = [model.name, model.family, model.licence, str(model.width), *figures, known]
        assert line.split()[: len(shown)] == shown
        assert model.hub_id in line


def test_models_tells_what_openais_model_card_says(cli: Command) -> None:
    assert "out of scope" in cli("models").err


def test_models_as_json(cli: Command) -> None:
    assert json.loads(cli("models", "--format", "json").out) == [asdict(model) for model in MODELS]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["score", "table", "compare", "index", "search", "info", "verify", "evaluate", "models", "app"]),
        (["score"], ["CAPTION", "IMAGE", "--reference", "--model", "--device", "--format", "--save", "Exit status"]),
        (["table"], ["IMAGE", "--caption", "--captions", "--model", "--framing", "Exit status"]),
        (["compare"], ["CAPTION", "IMAGE", "--model", "--device", "Exit status"]),
        (["search"], ["DIR", "CAPTION", "--image", "--duplicates", "--top", "--after", "Exit status"]),
        (["app"], ["--host", "--port"]),
        (["models"], ["--format"]),
    ],
)
def test_every_command_and_option_has_help(cli: Command, words: list[str], expected: list[str]) -> None:
    done = cli(*words, "--help")
    assert (done.code, done.err) == (0, "")
    assert all(word in done.out for word in expected)


def test_every_choice_is_in_the_help(cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "2000")  # so that no line is broken
    text = cli("score", "--help").out
    for choices in (FRAMINGS, CONTRASTS):
        assert all(f"{choice}: {meaning}" in text for choice, meaning in choices.items())
    assert all(f"{prompt}: " in text for prompt in PROMPTS)


def test_the_version_is_that_of_the_package(cli: Command) -> None:
    assert cli("--version") == (0, f"clipsim {clipsim.__version__}\n", "")


def test_help_needs_no_heavy_library() -> None:
    program = (
        "import sys; from clipsim.cli.main import main; main(['--help']); "
        "print({'numpy', 'PIL', 'torch', 'transformers', 'faiss', 'pyarrow', 'gradio'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_an_interruption_exits_with_130(cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clipsim.cli.steps.read_words", interrupt)
    assert cli("score", "a dog", "dog.png").code == 130


def test_shells_complete_commands_and_choices() -> None:
    environment = {**os.environ, "_CLIPSIM_COMPLETE": "complete_bash", "COMP_WORDS": "clipsim score --framing ti"}
    done = subprocess.run(
        [sys.executable, "-m", "clipsim"],
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"COMP_CWORD": "3"},
    )
    assert done.stdout.split() == ["tiles-best", "tiles-mean"]


SCORE = ["score", "a dog", "dog.png"]
TABLE = ["table", "dog.png", "--caption", "a dog"]
COMPARE = ["compare", "a dog", "dog.png", "--model", "stand-in", "--model", "clip-vit-b-32"]
INDEX = ["index", "photos", "--to", "collection"]
SEARCH = ["search", "collection", "a dog"]
EVALUATE = ["evaluate", "captions.csv", "--collection", "collection"]
WRONG = [
    (["score", "a dog", __file__, "--save", "grid.gif"], "--save"),
    (["score", "a dog", __file__, "--save", "nowhere/grid.png"], "--save"),
    ([], "Usage"),
    (["rank", "a dog", "dog.png"], "rank"),
    (["score"], "CAPTION"),
    (["score", "a caption and no picture"], "picture"),
    (["score", "", "dog.png"], "caption"),
    (["score", "  ", "dog.png"], "caption"),
    (["score", "--reference", "dog.png"], "CAPTION"),
    (["table", "dog.png"], "--caption"),
    (["table", "--caption", "a dog"], "IMAGE"),
    (["compare", "a dog", "dog.png"], "--model"),
    (["compare", "a dog", "dog.png", "--model", "stand-in"], "--model"),
    (["compare", "a dog", "--model", "stand-in", "--model", "clip-vit-b-32"], "IMAGE"),
    (["index", "photos"], "--to"),
    (["search"], "DIR"),
    (["search", "collection"], "--duplicates"),
    ([*SEARCH, "--image", "dog.png"], "--image"),
    ([*SEARCH, "--top", "0"], "--top"),
    ([*SEARCH, "--top", "many"], "--top"),
    (["search", "collection", "--duplicates=many"], "--duplicates"),
    (["info"], "DIR"),
    (["verify"], "DIR"),
    (["verify", "one", "two"], "two"),
    (["evaluate", "captions.csv"], "--collection"),
    (["models", "dog"], "dog"),
    (["app", "--port", "0"], "--port"),
    ([*INDEX, "--workers", "2"], "--engine ray"),
    ([*INDEX, "--address", "auto"], "--engine ray"),
    ([*INDEX, "--index", "tree"], "ivf-pq"),
    ([*INDEX, "--engine", "spark"], "ray"),
    ([*SCORE, "--reference", "cat.png", "--words"], "--words"),
    ([*SCORE, "--reference", "cat.png", "--prompt", "photo"], "--prompt"),
    ([*SCORE, "--words", "--format", "csv"], "--words"),
    ([*SCORE, "--words", "--format", "jsonl"], "jsonl"),
    ([*SCORE, "--heatmaps", "maps", "--format", "jsonl"], "jsonl"),
    ([*SCORE, "--save", "grid.png", "--format", "jsonl"], "jsonl"),
    *(([*command, "--colour", "red"], "--colour") for command in (SCORE, TABLE, COMPARE, INDEX, SEARCH, EVALUATE)),
    *(([*command, "--device", "foo"], "cuda:N") for command in (SCORE, TABLE, COMPARE, INDEX, SEARCH, EVALUATE)),
    *(([*command, "--model", "clipp"], "stand-in") for command in (SCORE, TABLE, COMPARE, INDEX)),
    *(([*command, "--precision", "double"], "half") for command in (SCORE, TABLE, COMPARE, INDEX)),
    *(([*command, "--framing", "zoom"], "tiles-best") for command in (SCORE, TABLE, COMPARE, INDEX)),
    *(([*command, "--contrast", "high"], "as-is") for command in (SCORE, TABLE, COMPARE, INDEX)),
    *(([*command, "--prompt", "poem"], "ensemble") for command in (SCORE, TABLE, COMPARE, EVALUATE)),
    *(([*command, "--format", "xml"], "json") for command in (SCORE, TABLE, COMPARE, SEARCH, EVALUATE, ["models"])),
]


@pytest.mark.parametrize(("words", "named"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_wrong_use_exits_with_two_and_says_what_is_wrong(cli: Command, words: list[str], named: str) -> None:
    done = cli(*words)
    assert (done.code, done.out) == (2, "")
    assert named in done.err
    assert done.err.startswith("clipsim: ") == (done.err.count("\n") == 1)  # our own errors are one sentence


def test_a_date_that_cannot_be_read_is_wrong_use(cli: Command, collection: Path) -> None:
    done = cli("search", collection, "a dog", "--after", "foo", "--device", "cpu")
    assert (done.code, done.out) == (2, "")
    assert "foo" in done.err and "2026-03-31" in done.err
    assert cli("search", collection, "a dog", "--after", "2001-01-01", "--device", "cpu").code == 0


@pytest.mark.parametrize("words", [["--duplicates"], ["--duplicates", "0.9"], ["--duplicates=0.9"]])
def test_duplicates_need_no_cosine(cli: Command, collection: Path, words: list[str]) -> None:
    done = cli("search", *words, collection, "--format", "json")
    assert (done.code, len(json.loads(done.out))) == (0, 1)


def test_the_page_is_served_where_it_is_told(cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from clipsim.web import page

    launched: dict[str, object] = {}
    monkeypatch.setattr(page, "launch", lambda **options: launched.update(options))
    assert cli("app", "--host", "127.0.0.1", "--port", "7999").code == 0
    assert launched == {"host": "127.0.0.1", "port": 7999, "in_browser": False}
