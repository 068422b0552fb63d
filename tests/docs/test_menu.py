"""The table and the plot of models in the documentation are what the command makes of the table that is shipped."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.performance.menu import document, find_front, plot
from clipsim.encoders import MODELS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_is_the_shipped_one(tmp_path: Path) -> None:
    page = Path(shutil.copy(DOCS / "models.md", tmp_path))
    document(page)
    assert page.read_text(encoding="utf-8") == (DOCS / "models.md").read_text(encoding="utf-8")


def test_every_model_was_measured() -> None:
    assert all(model.relative_time and model.memory_mb for model in MODELS)
    assert all(model.download_mb for model in MODELS if model.hub_id)
    assert MODELS[0].relative_time == 1.0


def test_the_front_is_what_nothing_beats_in_both() -> None:
    assert find_front([(1, 30), (2, 20), (2, 40), (9, 40), (3, 50)]) == [(1, 30), (2, 40), (3, 50)]


def test_the_plot_names_every_model_that_has_a_figure(tmp_path: Path) -> None:
    plot(tmp_path / "plot.svg")
    drawn, shipped = (
        (folder).read_text(encoding="utf-8") for folder in (tmp_path / "plot.svg", DOCS / "models-pareto.svg")
    )
    for model in MODELS:
        if model.imagenet:
            assert f"<!-- {model.name} -->" in drawn
            assert f"<!-- {model.name} -->" in shipped
