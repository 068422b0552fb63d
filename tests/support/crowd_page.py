"""A page for a crowd, without a cache: `python -m support.crowd_page` with tests/ on its path.

A picture takes 20 ms, so that a test of many requests is one of the queue and not of the machine.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from PIL import Image

from clipsim import Encoder
from clipsim.settings import Limits
from clipsim.web.page import build, launch
from clipsim.web.service import Service
from support import Bright

SECONDS = 0.02  # that a picture takes


class Steady(Bright):
    """Takes its time, always the same."""

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        with self.turn:
            time.sleep(SECONDS * len(images))
        return super().encode_images(images)


def main() -> None:
    """Serve the page with that model alone."""
    model = Steady()

    def load(_: str, precision: str, **__: object) -> Encoder:
        assert precision
        return model

    launch(build(Service(Limits(cache_bytes=1), Path(os.environ["GRADIO_TEMP_DIR"]), load)))


if __name__ == "__main__":
    main()
