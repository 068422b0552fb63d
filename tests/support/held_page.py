"""A page whose model waits until it is let go: `python -m support.held_page FOLDER` with tests/ on its path.

The model makes the file "held" in the folder once it is at work, and goes on when there is a file "released".
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from clipsim import Encoder
from clipsim.settings import Limits
from clipsim.web.page import build, launch
from clipsim.web.service import Service
from support import Bright

QUEUE = 3  # requests that may wait


class Held(Bright):
    """Encodes a picture that comes alone only once it is let go, and at once those of the page's first example."""

    def __init__(self, gate: Path) -> None:
        super().__init__()
        self.gate = gate

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        if len(images) == 1:
            (self.gate / "held").touch()
            while not (self.gate / "released").exists():
                time.sleep(0.02)
        return super().encode_images(images)


def main(gate: Path) -> None:
    """Serve the page with that model alone."""

    def load(_: str, precision: str, **__: object) -> Encoder:
        assert precision
        return Held(gate)

    launch(build(Service(Limits(queue=QUEUE, concurrent=1), Path(os.environ["GRADIO_TEMP_DIR"]), load)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
