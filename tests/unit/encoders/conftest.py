"""Each test that asks for a checkpoint runs with the small CLIP and the small SigLIP."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.encoders import Plain

from clipsim import Encoder


@pytest.fixture(params=["clip", "siglip"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(family: str, tiny_clip: Path, tiny_siglip: Path) -> Path:
    return {"clip": tiny_clip, "siglip": tiny_siglip}[family]


@pytest.fixture
def encoder(family: str, clip: Encoder, siglip: Encoder) -> Encoder:
    return {"clip": clip, "siglip": siglip}[family]


@pytest.fixture
def plain(family: str, folder: Path) -> Plain:
    return Plain(family, folder)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "checkpoint"))
