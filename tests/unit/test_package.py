"""What the package promises as a whole: its names, its quick import, its results' fields, the size of its parts."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import clipsim

PACKAGE = Path(clipsim.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
MODULE_LINES, FUNCTION_LINES = 400, 60
HEAVY = {"torch", "transformers", "gradio", "huggingface_hub", "pandas", "faiss", "pyarrow", "matplotlib", "scipy"}
HEAVY |= {"pillow_heif"}


def test_the_public_names_are_these() -> None:
    assert sorted(clipsim.__all__) == [
        "Calibrated",
        "CaptionError",
        "CaptionTable",
        "CheckList",
        "ChoiceError",
        "ClipsimError",
        "Collection",
        "Comparison",
        "Encoder",
        "EncoderError",
        "ImageError",
        "Judge",
        "LimitError",
        "Options",
        "Pair",
        "PairScore",
        "Result",
        "Score",
        "TuneOptions",
        "Tuned",
        "UsageError",
        "calibrate",
        "check_text",
        "compare_models",
        "index_folder",
        "load",
        "load_judge",
        "refclipscore",
        "score",
        "score_captions",
        "score_each",
        "score_images",
        "score_pairs",
        "tune",
    ]
    assert all(getattr(clipsim, name) for name in clipsim.__all__)
    assert set(clipsim.__all__) < set(dir(clipsim))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = clipsim.nonsense  # type: ignore[attr-defined]


def test_every_error_is_a_clipsim_error() -> None:
    wrong_use = (clipsim.CaptionError, clipsim.ChoiceError, clipsim.LimitError)
    assert all(issubclass(error, clipsim.UsageError) for error in wrong_use)
    for error in (clipsim.UsageError, clipsim.EncoderError, clipsim.ImageError):
        assert issubclass(error, clipsim.ClipsimError)
    assert not issubclass(clipsim.ClipsimError, OSError | ValueError)


def test_the_functions_are_called_as_promised() -> None:
    chosen = inspect.signature(clipsim.load).parameters.values()
    named = [(name, "auto") for name in ("name", "device", "precision")]
    assert [(one.name, one.default) for one in chosen] == [*named, ("progress", None)]
    parameters = inspect.signature(clipsim.score_images).parameters
    assert list(parameters)[:3] == ["images", "caption", "encoder"]
    assert parameters["reference"].kind is inspect.Parameter.KEYWORD_ONLY
    assert parameters["reference"].default is None
    assert list(inspect.signature(clipsim.score).parameters)[:2] == ["images", "caption"]
    assert list(inspect.signature(clipsim.score_captions).parameters)[:3] == ["images", "captions", "encoder"]
    assert list(inspect.signature(clipsim.compare_models).parameters)[:3] == ["images", "caption", "encoders"]


def field_names(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def test_the_results_have_the_fields_that_were_promised() -> None:
    score = field_names(clipsim.Score)
    assert score[:6] == ["name", "rank", "cosine", "clipscore", "share", "notes"]
    assert {"percentile", "verdict", "words", "heatmap", "thumbnail"} < set(score)
    result = field_names(clipsim.Result)
    assert result[:8] == ["caption", "reference", "model", "device", "scores", "rejected", "notes", "seconds"]
    assert {"verdict", "words", "options"} < set(result)
    table = field_names(clipsim.CaptionTable)
    assert table[:5] == ["captions", "pictures", "cosines", "percentiles", "verdicts"]
    assert {"model", "device", "rejected", "notes", "seconds", "options"} < set(table)
    assert field_names(clipsim.Comparison) == ["results", "pictures", "agreement"]


def test_importing_leaves_the_heavy_libraries_out() -> None:
    command = [sys.executable, "-c", "import sys, clipsim; print(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == set()


def test_every_public_name_is_had_without_the_page() -> None:
    """What is imported at first use brings no gradio: that is for the page alone."""
    code = "import sys, clipsim; [getattr(clipsim, name) for name in clipsim.__all__]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "gradio" not in done.stdout.split()


def test_collections_are_had_without_the_statistics_of_tuning() -> None:
    """Which take longer to import than all that indexing needs beside the model."""
    code = "import sys, clipsim; clipsim.index_folder, clipsim.Collection, clipsim.score_pairs; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"clipsim.tuning", "scipy.stats"} & set(done.stdout.split()) == set()


def functions(source: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_modules_and_functions_are_small(source: Path) -> None:
    assert len(source.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES
    lines = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions(source)}
    assert {name: count for name, count in lines.items() if count > FUNCTION_LINES} == {}
