"""`clipsim pairs`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import Command, PictureFile


@pytest.fixture
def listed(picture_file: PictureFile, tmp_path: Path) -> Path:
    for seed in range(3):
        picture_file(f"photos/{seed}.png", seed)
    path = tmp_path / "list.csv"
    path.write_text("file,caption\n" + "".join(f"{seed}.png,the cat {seed}\n" for seed in range(3)) + "none.png,x\n")
    return path


def test_a_list_is_scored_cut_and_reported(cli: Command, listed: Path, tiny_clip: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "kept", tmp_path / "report.html"
    words = (listed, "--images", tmp_path / "photos", "--model", tiny_clip, "--device", "cpu")
    run = cli("pairs", *words, "--to", out, "--keep", "0.7", "--report", report, "--negatives", "1")
    assert run.code == 0, run.err
    assert "mean CLIPScore" in run.out and "2 of 4 rows" in run.out and "Most in doubt" in run.out
    assert "Row 4: none.png is not a file" in run.err
    assert len((tmp_path / "kept.csv").read_text().splitlines()) == 3
    assert "none.png" in (tmp_path / "kept.rejected.csv").read_text()
    html = report.read_text()
    assert html.count('<img src="data:image/jpeg') == 3 and "<svg" in html and "the cat 2" in html


def test_json_and_pictures_of_the_histogram(cli: Command, listed: Path, tiny_clip: Path, tmp_path: Path) -> None:
    words = (listed, "--images", tmp_path / "photos", "--model", tiny_clip, "--format", "json")
    run = cli("pairs", *words, "--report", tmp_path / "plot.png")
    answer = json.loads(run.out)
    assert run.code == 0 and (answer["rows"], answer["scored"], answer["kept"]) == (4, 3, None)
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_collection_gives_model_and_treatment(cli: Command, listed: Path, collection: Path) -> None:
    photos = collection.parent / "photos"
    listed.write_text("file,caption\na.png,the cat\n")
    run = cli("pairs", listed, "--images", photos, "--collection", collection, "--device", "cpu")
    assert run.code == 0 and "1, of 1 pictures" in run.out
    run = cli("pairs", listed, "--images", photos, "--collection", collection, "--framing", "pad")
    assert run.code == 2 and "leave --framing" in run.err


def test_wrong_use_is_told_before_the_work(cli: Command, listed: Path, tiny_clip: Path, tmp_path: Path) -> None:
    run = cli("pairs", listed, "--keep", "0.5", "--model", tiny_clip)
    assert run.code == 2 and "add --to" in run.err
    run = cli("pairs", tmp_path / "none.csv", "--model", tiny_clip)
    assert run.code == 2 and "is not there" in run.err
    run = cli("pairs", listed, "--images", tmp_path, "--model", tiny_clip)
    assert run.code == 1 and "None of the rows" in run.err
