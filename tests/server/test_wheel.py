"""The wheel: installed without its dependencies into an empty place, it does all that the repository does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest
from support import EXAMPLES, ROOT, serving

CAPTION = "a golden retriever standing in the snow"
PARTS = ("clipsim", "examples", "LICENSE", "README.md", "pyproject.toml", "requirements.txt", "setup.py")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", built, source)
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--no-index", "--target", folder, wheel)
    return folder


def pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True, timeout=300)


def command(installed: Path) -> Path:
    return installed / ("Scripts/clipsim.exe" if sys.platform == "win32" else "bin/clipsim")


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    files = [path for path in (ROOT / "clipsim").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files += [*EXAMPLES, ROOT / "examples" / "examples.json"]
    expected = {path.relative_to(ROOT).as_posix().replace("examples/", "clipsim/examples/", 1) for path in files}
    assert expected - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_the_command_scores_from_another_folder(installed: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    pictures = map(str, EXAMPLES)
    arguments = ["score", CAPTION, *pictures, "--model", "stand-in", "--device", "cpu", "--format", "json"]
    done = subprocess.run(
        [command(installed), *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=True,
        timeout=300,
    )
    result = json.loads(done.stdout)
    assert result["scores"][0]["name"] == "golden-retriever-in-snow.jpg"
    assert result["verdict"] == "not sure", "the calibration is among the data"


def test_the_page_opens_from_another_folder_with_its_examples(
    installed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("elsewhere")
    with serving(tmp_path_factory, {"PYTHONPATH": str(installed)}, (command(installed), "app"), place) as served:
        with urllib.request.urlopen(served.url, timeout=30) as page:
            assert b"clipsim" in page.read()
        with urllib.request.urlopen(f"{served.url}/config", timeout=30) as config:
            shown = config.read().decode()
    assert CAPTION in shown
    assert "Golden retriever in the snow" in shown and "data:image/jpeg;base64," in shown  # the strip of examples
