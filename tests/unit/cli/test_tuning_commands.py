"""`clipsim calibrate` and `clipsim tune`: what they print, write and keep, and their exit status."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support import Command, paint
from support.captioned import write_pairs
from support.labelled import shuffle_labels, write_labelled

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


def test_tune_says_why_nothing_is_saved(cli: Command, model: Path, tmp_path: Path) -> None:
    pairs, general = write_labelled(tmp_path / "mine"), write_labelled(tmp_path / "general", 7, seed=5)
    words = ["tune", shuffle_labels(pairs), "--model", model, "--to", tmp_path / "to", "--keep-general", general]
    done = cli(*words, "--device", "cpu", "--may-lose", "100")
    assert done.code == 1
    assert "Nothing was saved. It gets no better on pictures that were held out" in done.err
    assert "saved      nowhere" in done.out
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--strength", "much"], "give a number, or auto"),
        (["--strength", "0"], "give a number above 0"),
        (["--may-lose", "-1"], "give points from 0 to 100"),
        (["--model", "no such model"], "is not known"),
        (["--epochs", "3"], "--epochs is of no use to head: leave it out"),
        (["--method", "full", "--rank", "3"], "--rank is of no use to full: leave it out"),
        (["--method", "lora", "--learning-rate", "0"], "learning_rate is 0: give a number above 0"),
    ],
)
def test_tune_is_told_what_cannot_be(cli: Command, tmp_path: Path, words: list[str], said: str) -> None:
    done = cli("tune", tmp_path / "none.csv", "--to", tmp_path / "to", "--model", "stand-in", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_tune_says_at_once_where_nothing_can_be_written(cli: Command, tmp_path: Path) -> None:
    done = cli("tune", tmp_path / "none.csv", "--to", "/proc/mine", "--model", "stand-in")
    assert done.code == 2
    assert "/proc/mine cannot be made a folder" in done.err


def test_tune_leaves_a_folder_alone_that_holds_something(cli: Command, tmp_path: Path) -> None:
    pairs = write_labelled(tmp_path)
    done = cli("tune", pairs, "--to", tmp_path, "--model", "stand-in")
    assert done.code == 2
    assert "is not empty" in done.err
