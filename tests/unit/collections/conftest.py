"""Where tests of collections have their pictures and their collection."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.collections import paint_folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return paint_folder(tmp_path / "pictures")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "collection"
