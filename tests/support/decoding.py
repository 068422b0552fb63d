"""Work on pictures that costs too much, which a child process finds by its name."""

from __future__ import annotations

import os
import sys
import time

from PIL import Image


def burn(_: Image.Image, __: str) -> None:
    """Calculate for ever."""
    while True:
        pass


def rest(_: Image.Image, __: str, *, seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def hoard(_: Image.Image, __: str, *, size: int) -> int:
    return len(bytes(size))


def crash(_: Image.Image, __: str) -> None:
    os.abort()


def give(_: Image.Image, name: str) -> str:
    return name


def see(_: Image.Image, __: str) -> list[str]:
    """Return which heavy libraries the process has imported."""
    return [name for name in ("torch", "transformers", "gradio", "scipy", "pandas", "pyarrow") if name in sys.modules]
