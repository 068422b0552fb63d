"""Pictures as the networks take them: cropped and resized, with what other processes have, which import no torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from PIL import Image

from clipsim.encoders.base import Box

# Pillow's reducing_gap for pictures of `LARGE` pixels and more: where one is six times the size or larger, whole pixels
# are first averaged to about three times it. That takes half the time, and moves CLIP's cosines in the fourth decimal.
REDUCING_GAP, LARGE = 3.0, 4_000_000


def compute_crop_box(size: tuple[int, int], edge: int, crop: tuple[int, int]) -> Box:
    """Return the part of a picture that is left when its shorter side becomes `edge` and the middle `crop` is kept.

    Sizes and offsets are rounded as in OpenAI's pipeline (torchvision's Resize and CenterCrop); transformers differs by
    one pixel on half of the odd margins. The box extends beyond the picture where `crop` is larger.

    Args:
        size: width and height of the picture.
        edge: pixels.
        crop: width and height, in pixels of the resized picture.
    """
    resized, start = _scale(size, edge, crop)
    across, down = (side / full for side, full in zip(size, resized, strict=True))
    left, top = start[0] * across, start[1] * down
    right, bottom = (start[0] + crop[0]) * across, (start[1] + crop[1]) * down
    return left, top, min(right, size[0]) if left >= 0 else right, min(bottom, size[1]) if top >= 0 else bottom


def crop_centre(
    image: Image.Image, edge: int, crop: tuple[int, int], resample: int = Image.Resampling.BICUBIC
) -> Image.Image:
    """Resize so that the shorter side is `edge`, and keep the middle: see `compute_crop_box`.

    Only the part that is kept is resized, so that a 1 x 50,000,000 strip costs no more than a photograph.
    """
    box = compute_crop_box(image.size, edge, crop)
    if box[0] >= 0 and box[1] >= 0:
        return resize(image, crop, resample, box)
    # a processor that crops more than there is: the rest is black, as in transformers
    resized, (left, top) = _scale(image.size, edge, crop)
    return image.resize(resized, resample).crop((left, top, left + crop[0], top + crop[1]))


def _scale(size: tuple[int, int], edge: int, crop: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the size with a shorter side of `edge`, and the left and top of the middle `crop` in it."""
    width, height = (int(edge * side / min(size)) for side in size)
    return (width, height), (round((width - crop[0]) / 2), round((height - crop[1]) / 2))


def resize(image: Image.Image, size: tuple[int, int], resample: int, box: Box | None = None) -> Image.Image:
    """Resize a picture, or the `box` of it, to `size` (width, height)."""
    gap = REDUCING_GAP if image.width * image.height >= LARGE else None
    return image.resize(size, resample, box, gap)


@dataclass(frozen=True)
class Preprocessing:
    """A model's own framing apart from the model.

    Attributes:
        input_size: width and height, in pixels, of what it makes.
        edge: pixels that the shorter side gets before the middle is kept; None where the whole picture is resized.
        resample: how, as Pillow numbers it.
    """

    input_size: tuple[int, int]
    edge: int | None = None
    resample: int = Image.Resampling.BICUBIC

    def crop_box(self, size: tuple[int, int]) -> Box:
        """Return the part of a picture of `size` (width, height) that is kept: the middle if it crops, else all."""
        if self.edge:
            return compute_crop_box(size, self.edge, self.input_size)
        return 0.0, 0.0, float(size[0]), float(size[1])

    def view(self, image: Image.Image) -> Image.Image:
        """Frame a picture."""
        if self.edge:
            return crop_centre(image, self.edge, self.input_size, self.resample)
        return resize(image, self.input_size, self.resample)


FINENESS = 1e-5  # of the scale that `fit_patches` looks for, and `LARGEST` it; as in transformers, so that sizes agree
LARGEST = 100.0


def fit_patches(size: tuple[int, int], patch: int, most: int) -> tuple[int, int]:
    """Return the largest width and height that a picture gets if it is to have at most `most` square patches.

    Both are multiples of `patch`, and as near to the picture's aspect as these allow (NaFlex: Tschannen et al. 2025,
    arXiv:2502.14786, section 2.4.2; transformers' `get_image_size_for_max_num_patches`).
    """
    low, high = FINENESS / 10, LARGEST
    while high - low >= FINENESS:
        middle = (low + high) / 2
        columns, rows = _count_patches(size, patch, middle)
        low, high = (middle, high) if columns * rows <= most else (low, middle)
    columns, rows = _count_patches(size, patch, low)
    return columns * patch, rows * patch


def _count_patches(size: tuple[int, int], patch: int, scale: float) -> tuple[int, int]:
    columns, rows = (max(1, ceil(side * scale / patch)) for side in size)
    return columns, rows


@dataclass(frozen=True)
class PatchPreprocessing(Preprocessing):
    """The framing of a model that takes pictures of any aspect: all of the picture, resized to whole patches.

    Attributes:
        patch: pixels along a side of a patch.
        most: how many patches there are at most.
    """

    patch: int = 16
    most: int = 256

    def view(self, image: Image.Image) -> Image.Image:
        """Frame a picture."""
        return resize(image, fit_patches(image.size, self.patch, self.most), self.resample)
