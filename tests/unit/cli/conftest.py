"""The command line, run in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Command, PictureFile, Run

from clipsim.cli.main import main


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Command:
    """`cli("score", ...)` runs the command line in this process."""
    return lambda *words: Run(main([str(word) for word in words]), *capsys.readouterr())


@pytest.fixture
def score(cli: Command, tiny_clip: Path) -> Command:
    """`score(caption, picture...)` with the small CLIP."""
    return lambda *words: cli("score", *words, "--model", tiny_clip, "--device", "cpu")


@pytest.fixture
def table(cli: Command, tiny_clip: Path) -> Command:
    """`table(picture..., "--caption", caption...)` with the small CLIP."""
    return lambda *words: cli("table", *words, "--model", tiny_clip, "--device", "cpu")


@pytest.fixture
def collection(cli: Command, picture_file: PictureFile, tiny_clip: Path, tmp_path: Path) -> Path:
    """A collection of three pictures, two of them the same, by the small CLIP."""
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        picture_file(f"photos/{name}", seed)
    folder = tmp_path / "collection"
    assert cli("index", tmp_path / "photos", "--to", folder, "--model", tiny_clip, "--device", "cpu").code == 0
    return folder
