"""Pictures as judges take them, made by what other processes have, which import no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image

MOST_STRETCHED = 200  # times as long as wide: a longer strip is squeezed to that


@dataclass(frozen=True)
class FitPixels:
    """Resizes a picture whole, with its own proportions but for rounding, as Qwen's `smart_resize` does.

    Attributes:
        step: pixels of which both sides become multiples.
        least: pixels that there are at least, and `most` pixels at most.
    """

    step: int
    least: int
    most: int

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of what becomes of a picture of that size."""
        width, height = min(width, MOST_STRETCHED * height), min(height, MOST_STRETCHED * width)
        sides = [round(side / self.step) * self.step for side in (width, height)]
        if sides[0] * sides[1] > self.most:
            shrunk = math.sqrt(width * height / self.most)
            sides = [max(self.step, math.floor(side / shrunk / self.step) * self.step) for side in (width, height)]
        elif sides[0] * sides[1] < self.least:
            grown = math.sqrt(self.least / (width * height))
            sides = [math.ceil(side * grown / self.step) * self.step for side in (width, height)]
        return sides[0], sides[1]

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return the picture resized."""
        return image.resize(self.size(*image.size), Image.Resampling.BICUBIC)
