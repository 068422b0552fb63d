"""A page that loads its model in steps: `python -m support.slow_page FOLDER` with tests/ on its path.

`clip-vit-b-32` is downloaded until there is a file "downloaded" in the folder, and read until there is one "read". All
other models are there at once.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from clipsim import Encoder
from clipsim.settings import Limits
from clipsim.web.page import build, launch
from clipsim.web.service import Service
from support import Bright

SLOW = "clip-vit-b-32"


class Lazy(Bright):
    """Reads its weights once it is let."""

    ready = False

    def __init__(self, gate: Path) -> None:
        super().__init__(SLOW)
        self.gate = gate

    def ensure_loaded(self, *, words: bool = True) -> None:
        assert words
        wait_for(self.gate / "read")
        self.ready = True


def wait_for(path: Path) -> None:
    """Wait until there is that file."""
    while not path.exists():
        time.sleep(0.02)


def main(gate: Path) -> None:
    """Serve the page with these models."""

    def load(name: str, *, precision: str, progress: Callable[[int, int], None]) -> Encoder:
        assert precision
        if name != SLOW:
            return Bright()
        progress(120_000_000, 605_000_000)
        wait_for(gate / "downloaded")
        return Lazy(gate)

    launch(build(Service(Limits(), Path(os.environ["GRADIO_TEMP_DIR"]), load)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
