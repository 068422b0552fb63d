"""The tables of speed and precision are what the command makes of the results that are kept, and no others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import PictureFile
from transformers import CLIPModel

from benchmarks.performance import checkpoint, contestants, gpu, speed, tables
from clipsim.options import PRECISIONS, describe_precisions

RESULTS = tables.read()
COST = {"speed": 2.0, "memory": 0.8, "change": 0.0023, "swapped": 0.7}


def make_row(name: str, speeds: list[float], ratio: float, **more: Any) -> dict[str, Any]:
    figures = {"peak_megabytes": 1000.0, "change": 0.00123, "swapped": 0.04, **more}
    return {"name": name, "images_per_second": speeds, "median": speeds[0], "clipsim_is_faster": ratio, **figures}


@pytest.fixture
def results() -> dict[str, dict[str, Any]]:
    """A run of two precisions beside an engine, and one of a precision with outliers."""
    about = {"command": "python -m x PHOTOS", "machine": "2 cores", "pictures": 4, "rounds": 2, "threads": 1}
    rows = [
        make_row("clipsim full", [20.0, 22.0], 1.0, change=0.0, swapped=0.0),
        make_row("clipsim int8", [50.0, 55.0], 0.4, peak_megabytes=800.0),
        make_row("ONNX Runtime int8", [40.0, 50.0], 0.47, peak_megabytes=1600.0),
        make_row("transformers pipeline", [5.0, 5.0], 4.2, change=None, swapped=None),
    ]
    broken = [make_row("clipsim int8", [50.0], 0.4, change=0.0087)]
    model = {"model": "m", "by": "processor"}
    return {"clip-vit-b-32": {**about, **model, "rows": rows}, "outliers": {**about, **model, "rows": broken}}


@pytest.fixture(params=["tiny_clip", "tiny_siglip"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def pictures(picture_file: PictureFile) -> list[Path]:
    return [picture_file(f"{side}.jpg", size=(side, 60)) for side in (41, 60, 97)]


def test_the_pages_are_what_the_command_makes_of_the_results() -> None:
    for page, text in tables.write_pages(RESULTS).items():
        assert page.read_text(encoding="utf-8") == text, "run python -m benchmarks.performance.tables"


def test_the_shipped_costs_are_those_of_the_results() -> None:
    assert json.loads(tables.COSTS.read_text(encoding="utf-8")) == tables.weigh(RESULTS)


def test_what_the_command_line_and_the_page_say_is_what_is_shipped() -> None:
    assert describe_precisions(tables.weigh(RESULTS)) == PRECISIONS


def test_every_file_of_results_has_its_command_and_its_place_on_the_page() -> None:
    page = (tables.DOCS / "performance.md").read_text(encoding="utf-8")
    assert set(RESULTS) <= set(tables.COMMANDS)
    for name in tables.COMMANDS:
        assert page.count(f"<!-- {name} -->") == page.count(f"<!-- end of {name} -->") == 1


def test_costs_are_multiples_of_full_in_the_same_round(results: dict[str, Any]) -> None:
    costs = tables.weigh(results)
    assert costs["full"] == {"speed": 1.0, "memory": 1.0, "memory_mb": 1000, "change": 0.0, "swapped": 0.0}
    assert costs["int8"] == {
        "speed": 2.5,
        "memory": 0.8,
        "memory_mb": 800,
        "change": 0.0012,
        "swapped": 0.0,
        "change_with_outliers": 0.0087,
        "swapped_with_outliers": 0.0,
    }


def test_a_page_gets_what_was_measured_and_says_what_was_not(results: dict[str, Any]) -> None:
    names = ("in-short", "clip-vit-b-32", "engines", "precision", "gpu")
    page = "".join(f"before\n<!-- {name} -->\nold\n<!-- end of {name} -->\n" for name in names)
    text = tables.document(page, results)
    assert "old" not in text and text.count("before") == len(names)
    assert "`full` is 4.20 times as fast as transformers pipeline" in text
    assert "`int8` is 2.50 times as fast as `full`" in text
    assert "`python -m x PHOTOS`: 4 photographs" in text and "one thread" in text
    assert "| clipsim int8 beside ONNX Runtime int8 | 1.18 × | 0.50 × |" in text
    assert "| `int8` | 2.50 × | 0.80 × | 1.2e-03 | 0.0 % | 8.7e-03 | 0.0 % |" in text
    assert "Not measured yet: `python -m benchmarks.performance.gpu` makes the table." in text
    assert tables.document(text, results) == text


def test_a_precision_that_was_not_measured_is_said_without_figures() -> None:
    described = describe_precisions({"int8": COST})
    assert "2.0 × as fast as full" in described["int8"] and "up to 0.0023" in described["int8"]
    assert "×" not in described["half"] and set(described) == {"auto", "full", "half", "int8"}


def test_the_table_of_choices_says_what_each_precision_costs() -> None:
    text = (Path(tables.DOCS) / "api.md").read_text(encoding="utf-8")
    assert all(f"`{name}`: {meaning}" in text for name, meaning in PRECISIONS.items())


def test_pairs_are_swapped_where_their_order_changes() -> None:
    change, swapped = speed.compare(np.array([0.1, 0.2, 0.3, 0.3]), np.array([0.1, 0.31, 0.3, 0.3]))
    assert (change, swapped) == pytest.approx((0.11, 100 * 2 / 6))


def test_contestants_see_the_same_pictures(folder: Path, pictures: list[Path], tmp_path: Path) -> None:
    given = contestants.Given(str(folder), pictures, "cpu", 1, tmp_path)
    ours, plain = (prepare(given)(pictures) for prepare in (contestants.clipsim_by("full"), contestants.forward_alone))
    assert ours is not None and plain is not None
    assert ours == pytest.approx(plain, abs=1e-5)


def test_a_precision_that_cannot_be_had_takes_no_part(pictures: list[Path], tmp_path: Path) -> None:
    given = contestants.Given("stand-in", pictures, "cpu", 1, tmp_path)
    with pytest.raises(RuntimeError, match="stand-in"):
        contestants.clipsim_by("int8")(given)


def test_outliers_are_the_same_few_channels_of_every_layer(tiny_clip: Path) -> None:
    plain, broken = (CLIPModel.from_pretrained(tiny_clip) for _ in range(2))
    checkpoint.spread_outliers(broken)
    found = set()
    for before, after in zip(plain.vision_model.encoder.layers, broken.vision_model.encoder.layers, strict=True):
        gains = after.layer_norm1.weight / before.layer_norm1.weight
        found.add(tuple(gains.tolist()))
        assert sorted(set(gains.tolist())) == [1.0, 20.0] and int((gains == 20).sum()) == checkpoint.OUTLIERS
        larger = (after.mlp.fc1.weight / before.mlp.fc1.weight).mean(dim=1) > 10
        assert int(larger.sum()) == checkpoint.OUTLIERS
    assert len(found) == 1


def test_the_networks_alone_can_be_timed_on_any_device(folder: Path) -> None:
    (found,) = gpu.measure(folder, "tiny", "bfloat16", [2], rounds=1, device="cpu")
    assert (found.model, found.format, found.batch) == ("tiny", "bfloat16", 2)
    assert found.images_per_second > 0 and 0 < found.change < 0.05
    assert "| tiny | bfloat16 | 2 |" in gpu.table([found])


def test_a_run_becomes_a_table_with_its_command(tiny_clip: Path, pictures: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    words = ["--checkpoint", str(tiny_clip), "--rounds", "1", "--threads", "1", "--json", str(file)]
    contest = ["--only", "clipsim full", "transformers, forward alone"]
    command = [sys.executable, "-m", "benchmarks.performance.speed", str(pictures[0].parent), *words, *contest]
    done = subprocess.run(command, cwd=tables.DOCS.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = tables.render(json.loads(file.read_text(encoding="utf-8")))
    told = " ".join(text.split())  # wherever its lines are broken
    assert "`python -m benchmarks.performance.speed PHOTOS --checkpoint" in told and "--json" not in told
    assert ": 3 photographs" in told and "one thread" in told
    assert all(f"\n| {name} | " in text and f"\n| {name} | " in done.stdout for name in contest[1:])
