"""README: what it shows is what comes out."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from support import EXAMPLES, ROOT

from clipsim.encoders.registry import MODELS
from clipsim.settings import Limits

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def offline(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}


def run(arguments: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


def block(language: str, nth: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[nth]


def test_front_matter_is_what_a_space_needs() -> None:
    front = yaml.safe_load(README.split("---\n")[1])
    assert front["sdk"] == "gradio" and front["license"] == "mit"
    assert isinstance(front["sdk_version"], str) and isinstance(front["python_version"], str), (
        "unquoted versions are numbers"
    )
    assert (ROOT / front["app_file"]).is_file()
    assert len(front["short_description"]) <= 60
    assert front["colorFrom"] in front_colours() and front["colorTo"] in front_colours()
    assert set(front["models"]) == {model.hub_id for model in MODELS if model.hub_id}
    assert front["tags"] and front["suggested_hardware"]


def front_colours() -> set[str]:
    return {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def test_the_space_runs_a_gradio_that_the_requirements_allow() -> None:
    from packaging.requirements import Requirement

    version = yaml.safe_load(README.split("---\n")[1])["sdk_version"]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    gradio = next(Requirement(line) for line in lines if line.startswith("gradio"))
    assert version in gradio.specifier


def test_the_python_example_prints_what_it_says(offline: dict[str, str]) -> None:
    assert block("python") == (ROOT / "examples" / "quickstart.py").read_text()
    assert run([sys.executable, "-m", "examples.quickstart"], offline) == block("text")


def test_the_example_of_collections_runs(offline: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    for picture in EXAMPLES:
        shutil.copy(picture, tmp_path / "examples")
    text = (ROOT / "docs" / "collections.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    environment = offline | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert re.match(r"1 \S+\.jpg \d\.\d+ \d+\.\d+ \w+", done.stdout)


def test_the_command_prints_what_it_says(offline: dict[str, str]) -> None:
    command, expected = block("console").split("\n", 1)
    words = shlex.split(command.removeprefix("$ python"))
    assert without_time(run([sys.executable, *words], offline)) == without_time(expected)


def without_time(text: str) -> str:
    return re.sub(r"· \d+\.\d\d s", "", text)


def test_the_table_of_models_is_the_programs_own() -> None:
    for model in MODELS:
        accuracies = [f"{figure:.1f}" if figure else "-" for figure in (model.imagenet, model.coco)]
        row = next(line for line in README.splitlines() if line.startswith(f"| `{model.name}`"))
        assert [cell.strip() for cell in row.split("|")][4:8] == [model.licence, str(model.width), *accuracies]


def test_every_file_that_it_names_is_there() -> None:
    names = re.findall(r"`((?:clipsim|examples|benchmarks|docs)/[\w./-]*|\.ci/run|app\.py)`", README)
    links = re.findall(r"\]\((?!http|#)([^)]+)\)", README)
    assert len(names) > 8
    assert [name for name in names + links if not (ROOT / name.partition("#")[0]).exists()] == []


def test_the_limits_are_the_programs_own() -> None:
    for name, value in asdict(Limits()).items():
        assert f"| `CLIPSIM_{name.upper()}` | {value} |" in README
