"""`clipsim calibrate`: what it prints, writes and keeps, and its exit status."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support import Command, paint
from support.captioned import write_pairs

from clipsim.scoring.calibration import VERDICTS


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = write_pairs(tmp_path / "pairs", range(50))
    for number in range(50):
        paint(40, 32, seed=number).save(path.parent / f"{number}.png")
    return path


@pytest.fixture
def model(tiny_clip: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_clip, tmp_path / "mine")


def test_it_prints_cut_offs_rates_with_intervals_and_where_they_are_kept(
    cli: Command, pairs: Path, model: Path, tmp_path: Path
) -> None:
    done = cli("calibrate", pairs, "--model", model, "--device", "cpu", "--report", tmp_path / "report.html")
    assert (done.code, done.err) == (0, "")
    assert "weak from percentile" in done.out
    assert "50 pictures and 50 captions" in done.out
    assert "1.0 % at most" in done.out
    assert "95 % interval" in done.out
    assert str(model / "calibration-clipsim.json") in done.out
    assert "<svg" in (tmp_path / "report.html").read_text("utf-8")
    scored = cli("score", "thing 3", pairs.parent / "3.png", "--model", model, "--device", "cpu", "--format", "json")
    assert json.loads(scored.out)["scores"][0]["verdict"] in VERDICTS


def test_a_trial_in_json_keeps_nothing(cli: Command, pairs: Path, model: Path) -> None:
    before = sorted(model.iterdir())
    done = cli("calibrate", pairs, "--model", model, "--device", "cpu", "--dry-run", "--format", "json")
    found = json.loads(done.out)
    assert (done.code, found["kept"], found["pictures"]) == (0, None, 50)
    assert len(found["reliability"]) > 5
    assert sorted(model.iterdir()) == before


def test_fewer_than_50_pictures_are_wrong_use(cli: Command, tmp_path: Path, model: Path) -> None:
    done = cli("calibrate", write_pairs(tmp_path / "few", range(49)), "--model", model, "--device", "cpu")
    assert (done.code, done.out) == (2, "")
    assert "49 pictures" in done.err and "50 at least" in done.err
    assert not (model / "calibration-clipsim.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--report", "report.docx"), ".html"),
        (("--report", "no/such/folder.html"), "folder that is there"),
        (("--false-matches", "0.5"), "0.1 at most"),
        (("--framing", "round"), "crop"),
    ],
)
def test_wrong_use_is_told_before_the_work(
    cli: Command, pairs: Path, model: Path, words: tuple[str, ...], said: str
) -> None:
    done = cli("calibrate", pairs, "--model", model, *words)
    assert done.code == 2
    assert said in done.err


def test_a_file_that_holds_no_captions_is_wrong_use(cli: Command, tmp_path: Path, model: Path) -> None:
    (tmp_path / "text.txt").write_text("nothing\n", "utf-8")
    assert cli("calibrate", tmp_path / "text.txt", "--model", model).code == 2
    assert cli("calibrate", tmp_path / "none.csv", "--model", model).code == 2
