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


def test_several_collections_are_searched_in_one_ranking(
    source: Path, folder: Path, tmp_path: Path, tiny_clip: Path, run: Run
) -> None:
    run("index", source, "--to", folder, "--model", tiny_clip)
    run("index", source / "2026", "--to", tmp_path / "other", "--model", tiny_clip)
    words = ["search", folder, "a dog", "--also", tmp_path / "other", "--top", 4]
    found = json.loads(run(*words, "--format", "json")[1])
    assert found["pictures"] == 14 and [score["rank"] for score in found["scores"]] == [1, 2, 3, 4]
    lines = run("search", folder, "a dog", "--also", tmp_path / "other", "--top", 14, "--format", "csv")[1].splitlines()
    assert lines[0].endswith(",model,collection") and sum(line.endswith("/other") for line in lines) == 2
    assert run(*words)[1].splitlines()[0].split()[-2:] == ["path", "collection"]
    assert all("collection" not in score for score in json.loads(run(*words[:3], "--format", "json")[1])["scores"])


def test_damage_is_told_by_verify_and_by_index_and_mended_by_repair(
    source: Path, folder: Path, tiny_clip: Path, run: Run
) -> None:
    index = ("index", source, "--to", folder)
    assert run(*index, "--model", tiny_clip)[0] == 0
    path = next((folder / "segments").glob("*.npy"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert run(*index)[0] == 0  # bytes are not read in every run
    for words in (("verify", folder), (*index, "--check")):
        status, _, err = run(*words)
        assert status == 1 and "is not as it was written" in err and err.endswith("run index with --repair.\n")
    path.write_bytes(whole[:-1])
    status, _, err = run(*index)
    assert status == 1 and f"has {len(whole) - 1} bytes and not {len(whole)}: run index with --repair." in err
    status, out, err = run(*index, "--repair")
    assert status == 0 and "0 of the 12 pictures of segment" in err and "12 added" in out
    assert run("verify", folder)[:2] == (0, f"{folder} is sound: 12 pictures.\n")
    max(folder.glob("manifest-*.json"), key=lambda path: path.stat().st_mtime_ns).unlink()
    status, _, err = run(*index)
    assert status == 0 and "is gone or damaged, and the one before it is used" in err
    assert run("verify", folder)[0] == 0


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
    status, _, err = run("search", folder, "a dog", "--model", "stand-in")
    assert status == 2 and f"{folder} has vectors of tiny-clip, none of stand-in: add them by index --model" in err


def test_what_could_not_be_had_and_what_was_moved_is_told_by_index(
    source: Path, folder: Path, tiny_clip: Path, run: Run
) -> None:
    assert run("index", source, "--to", folder, "--model", tiny_clip)[0] == 0
    (source / "gone").symlink_to(source / "nowhere")
    (source / "00.png").rename(source / "renamed.png")
    status, out, err = run("index", source, "--to", folder)
    assert status == 3 and "gone is a link that leads nowhere" in err
    assert "0 added, 0 changed, 0 removed, 12 unchanged (1 moved), 2 cannot be read" in out
    (source / "gone").unlink()
    (source / "linked").symlink_to(source / "2026")
    status, out, err = run("index", source, "--to", folder)
    assert status == 0 and "--follow-links" in err
    status, out, _ = run("index", source, "--to", folder, "--follow-links")
    assert status == 0 and "2 added" in out
    for i in range(1, 10):
        (source / f"{i:02}.png").unlink()
    status, _, err = run("index", source, "--to", folder, "--follow-links")
    assert status == 1 and "9 of the 14 pictures" in err and "--allow-removals" in err
    status, out, _ = run("index", source, "--to", folder, "--follow-links", "--allow-removals")
    assert status == 0 and "9 removed" in out
