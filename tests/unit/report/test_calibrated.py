"""The report on a calibration: text, plot and page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from support.captioned import Subjects, write_pairs

from clipsim import Calibrated, ClipsimError, calibrate
from clipsim.report import calibration_to_blocks, html_report, remark_calibration
from clipsim.scoring.calibration import Cutoffs


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Calibrated:
    return calibrate(write_pairs(tmp_path_factory.mktemp("pairs"), range(50)), Subjects(strength=3), keep=False)


def text(found: Calibrated) -> str:
    return "\n".join(map(str, calibration_to_blocks(found)))


def test_the_text_has_promises_measured_rates_and_galleries(found: Calibrated) -> None:
    lines = text(found).splitlines()
    assert "50 pictures and 50 captions" in text(found)
    (random,) = (line for line in lines if line.startswith("random pairs called match  "))
    assert "1.0 % at most" in random and " to " in random
    assert sum(line.startswith(("2 ", "8 ")) for line in lines) == 4
    assert "trial" in text(found)


def test_where_pictures_are_too_few_for_a_promise_that_is_said(found: Calibrated) -> None:
    never = replace(found, cutoffs=Cutoffs(101.0, 96.0, 0.05, 0.35))
    assert "no picture is called match: the pictures are too few" in text(never)


def test_the_plot_is_drawn_in_each_form(found: Calibrated, tmp_path: Path) -> None:
    found.save(tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        assert min(image.size) > 500
    for ending, start in (("pdf", b"%PDF"), ("svg", b"<?xml")):
        found.save(tmp_path / f"plot.{ending}")
        assert (tmp_path / f"plot.{ending}").read_bytes().startswith(start)
    left, right = found.plot().axes
    assert (left.get_xscale(), left.get_yscale(), right.get_xscale()) == ("log", "log", "log")


def test_the_page_needs_nothing_else_and_escapes_names(found: Calibrated) -> None:
    page = html_report(replace(found, model="<b>mine</b>", kept="/home/<i>/calibration.json"))
    assert "&lt;b&gt;mine" in page and "<b>mine" not in page and "<i>" not in page
    assert "<svg" in page and "src=" not in page and "<link" not in page
    assert "1.0 % at most" in page


@pytest.mark.parametrize("name", ["report.txt", "no/report.html"])
def test_a_report_that_cannot_be_written_is_an_error(found: Calibrated, name: str, tmp_path: Path) -> None:
    with pytest.raises(ClipsimError):
        found.save(tmp_path / name)


def test_remarks_are_the_notes_and_what_could_not_be_read(found: Calibrated) -> None:
    assert remark_calibration(found) == list(found.notes)
