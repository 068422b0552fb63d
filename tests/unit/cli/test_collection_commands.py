"""The commands for collections: what stands on stdout and stderr, and the exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.collections import paint_folder

from clipsim.cli import main as cli

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return paint_folder(tmp_path / "pictures")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "collection"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> tuple[int, str, str]:
        try:
            status = cli.main([str(word) for word in words])
        except SystemExit as end:
            status = int(end.code or 0)
        return (status, *capsys.readouterr())

    return call


def test_the_commands_index_search_describe_and_verify(source: Path, folder: Path, tiny_clip: Path, run: Run) -> None:
    status, out, err = run("index", source, "--to", folder, "--model", tiny_clip)
    assert (status, "12 added" in out, "broken.jpg is not a picture" in err) == (0, True, True)
    status, out, _ = run("search", folder, "a dog in the snow", "--top", 3, "--format", "json")
    found = json.loads(out)
    hits = found["hits"]
    assert [{"path": score.pop("name"), **score} for score in found["scores"]] == hits
    assert status == 0 and len(hits) == 3 and hits[0]["cosine"] >= hits[2]["cosine"]
    status, out, _ = run("search", folder, "a dog in the snow", "--top", 3)
    assert [line.split()[-1] for line in out.splitlines()[1:]] == [hit["path"].split()[-1] for hit in hits]
    status, out, _ = run("search", folder, "--image", source / "04.png", "--format", "jsonl")
    assert json.loads(out.splitlines()[0])["path"] == "04.png"
    status, out, _ = run("search", folder, "a dog", "--path", "2026/*", "--format", "csv")
    assert status == 0 and len(out.splitlines()) == 3 and out.startswith("rank,path,cosine")
    assert run("search", folder, "a dog", "--after", "2100-01-01")[0] == 1
    status, out, _ = run("search", folder, "--duplicates", "1.5")
    assert (status, out.strip()) == (0, "There are no duplicates.")
    status, out, _ = run("info", folder, "--format", "json")
    assert json.loads(out)["pictures"] == 12 and json.loads(out)["model"] == "tiny-clip"
    assert "tiny-clip" in run("info", folder)[1]
    assert run("verify", folder)[:2] == (0, f"{folder} is sound: 12 pictures.\n")
    next((folder / "segments").glob("*.npy")).write_bytes(b"x")
    status, _, err = run("verify", folder)
    assert status == 1 and "damaged" in err and "Traceback" not in err


def test_wrong_use_of_the_commands_is_a_sentence(source: Path, folder: Path, tiny_clip: Path, run: Run) -> None:
    assert run("index", source)[0] == 2
    assert run("index", source, "--to", folder, "--model", "no-such-model")[0] == 2
    assert run("search", folder, "a dog")[::2] == (
        1,
        f"clipsim: There is no collection in {folder}: make one with index.\n",
    )
    run("index", source, "--to", folder, "--model", tiny_clip)
    for words in ([], ["a dog", "--image", "x.png"], ["a dog", "--duplicates", "0.9"]):
        status, _, err = run("search", folder, *words)
        assert status == 2 and "one of them" in err
    assert run("search", folder, "--image", source / "broken.jpg")[0] == 1
    assert run("search", folder, "a dog", "--top", "0")[0] == 2
    status, _, err = run("index", source, "--to", folder, "--model", "stand-in")
    assert status == 2 and "model tiny-clip, not stand-in" in err
