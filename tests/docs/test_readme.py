"""README: short, and what it shows is what comes out."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from clipsim.encoders import DEFAULT
from clipsim.encoders.hub import PARTS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


@pytest.fixture
def offline(tmp_path: Path) -> dict[str, str]:
    """An environment without a model hub, in which the package is found from any folder."""
    return os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub"), "PYTHONPATH": str(ROOT)}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the examples in it, where files may be written."""
    shutil.copytree(ROOT / "examples", tmp_path / "clone" / "examples")
    return tmp_path / "clone"


def run(arguments: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def front_matter() -> dict[str, object]:
    front = yaml.safe_load(README.split("---\n")[1])
    assert isinstance(front, dict)
    return front


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("command", ["start", "test"])
def test_each_of_the_two_commands_is_one_line_under_its_marker(command: str) -> None:
    (block,) = re.findall(rf"<!-- {command} command -->\n```bash\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    (line,) = block.splitlines()
    assert line.startswith("python -m venv .venv && .venv/bin/pip install ")


def test_torch_for_the_cpu_comes_before_the_command_that_would_take_cuda() -> None:
    assert README.index("https://download.pytorch.org/whl/cpu") < README.index("<!-- start command -->")
    (hint,) = re.findall(r'pip install "(torch[^"]+)"', README)
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert Requirement(hint) == next(Requirement(line) for line in lines if line.startswith("torch"))


def test_front_matter_is_what_a_space_needs() -> None:
    front = front_matter()
    assert front["sdk"] == "gradio" and front["license"] == "mit"
    assert isinstance(front["sdk_version"], str) and isinstance(front["python_version"], str), (
        "unquoted versions are numbers"
    )
    assert (ROOT / str(front["app_file"])).is_file()
    assert len(str(front["short_description"])) <= 60
    assert {front["colorFrom"], front["colorTo"]} <= COLOURS
    assert front["tags"] and front["suggested_hardware"]
    assert front["python_version"] == "3.12"  # ZeroGPU has no 3.11
    assert front["header"] == "mini" and str(front["thumbnail"]).endswith("/resolve/main/docs/page.jpg")
    assert (ROOT / "docs" / "page.jpg").is_file()


def test_a_space_preloads_the_commit_that_the_default_is_taken_from() -> None:
    lines = front_matter()["preload_from_hub"]
    assert isinstance(lines, list) and len(lines) == 1
    repository, files, commit = lines[0].split()
    assert (repository, commit) == (DEFAULT.hub_id, DEFAULT.revision)
    for forms in PARTS:
        assert any(fnmatch(name, form) for name in files.split(",") for form in forms)


def test_the_space_runs_a_gradio_that_the_requirements_allow() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    gradio = next(Requirement(line) for line in lines if line.startswith("gradio"))
    assert str(front_matter()["sdk_version"]) in gradio.specifier


def test_the_lock_file_has_every_requirement_in_a_version_that_it_allows_and_by_its_digest() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith(("#", "torch"))]
    entries = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    locked = [entry.partition(" --hash") for entry in entries if not entry.startswith("#")]
    assert all(digests.startswith("=sha256:") for _, _, digests in locked)
    pinned = [Requirement(entry) for entry, _, _ in locked]
    for one in wanted:
        versions = [str(pin.specifier).removeprefix("==") for pin in pinned if pin.name == one.name]
        assert versions and all(version in one.specifier for version in versions), one.name


def test_the_python_snippet_prints_what_it_says(offline: dict[str, str], clone: Path) -> None:
    (code,), (expected,) = blocks(README, "python"), blocks(README, "text")
    assert code.startswith((ROOT / "examples" / "quickstart.py").read_text(encoding="utf-8"))
    assert run([sys.executable, "-c", code], clone, offline) == expected
    assert (clone / "grid.png").stat().st_size > 0


def test_the_command_prints_what_it_says(offline: dict[str, str], clone: Path) -> None:
    command, expected = blocks(README, "console")[0].split("\n", 1)
    words = shlex.split(command.removeprefix("$ clipsim"))
    assert without_time(run([sys.executable, "-m", "clipsim", *words], clone, offline)) == without_time(expected)


def without_time(text: str) -> str:
    return re.sub(r"· \d+\.\d\d s", "", text)
