"""What is done to one opened picture before the network; it needs no model, so that other processes can do it too."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from clipsim.embedding.framing import Framer, View, compute_coverage, cut_seen, frame
from clipsim.images import Picture, encode_jpeg, read
from clipsim.options import Options

MOSTLY_CROPPED = 0.5  # below this share of the picture the crop is worth a note; a 3:2 photograph keeps 0.67


@dataclass(frozen=True)
class PictureInfo:
    """One picture as the model saw it."""

    name: str  # unique among the pictures of a request
    notes: tuple[str, ...]  # what was done to it before the model saw it, in words
    size: tuple[int, int]  # width and height, in pixels
    coverage: float  # how much of it the model saw, 0 to 1
    views: tuple[View, ...] = ()  # what went in; empty unless they were to be kept
    thumbnail: bytes = b""  # a JPEG of what the model saw of it; empty unless it was wanted


@dataclass(frozen=True)
class Look:
    """Reads and frames pictures, as work for a `clipsim.images.Decoder`.

    Attributes:
        framer: what frames a picture in the model's own way.
        options: framing and contrast.
        min_side: as for `clipsim.images.read`.
        thumbnail: pixels that the longer side of `PictureInfo.thumbnail` has at most; 0 where none is wanted.
    """

    framer: Framer
    options: Options
    min_side: int | None = None
    thumbnail: int = 0

    def __call__(self, image: Image.Image, name: str) -> tuple[PictureInfo, list[View]]:
        """Return what is known of an opened picture, and its views."""
        return self.frame(read(image, name, self.min_side))

    def frame(self, picture: Picture) -> tuple[PictureInfo, list[View]]:
        """Return what is known of a picture, and its views."""
        views, size = frame(picture.image, self.framer, self.options), picture.image.size
        coverage = compute_coverage(views, size)
        cropped = [f"the model saw the middle {coverage:.0%}"] if coverage < MOSTLY_CROPPED else []
        small = encode_jpeg(cut_seen(picture.image, views, self.thumbnail)) if self.thumbnail else b""
        return PictureInfo(picture.name, (*picture.notes, *cropped), size, coverage, (), small), views
