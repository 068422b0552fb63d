"""Pictures as a head sees them, computed once and kept in the vector cache of the model."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from PIL import Image

from clipsim.embedding import Gallery, Progress, cache_of, embed, use_cache
from clipsim.encoders import Encoder
from clipsim.encoders.base import Box
from clipsim.images import Images
from clipsim.tuning.head import Seen


class FeatureEncoder(Encoder):
    """A model whose vectors are what a head is learned from, so that they are read, framed and kept as vectors are."""

    def __init__(self, base: Encoder) -> None:
        """Share the model's cache, under a name of its own."""
        self.base, self.name = base, f"{base.name} features"
        self.device, self.precision, self.revision = base.device, base.precision, base.revision
        self.batch, self.reads_ahead = base.batch, base.reads_ahead
        use_cache(self, cache_of(base))

    @property
    def input_size(self) -> tuple[int, int]:  # type: ignore[override]
        """Width and height, in pixels, of what the network looks at."""
        return self.base.input_size

    @cached_property
    def width(self) -> int:
        """How many features there are."""
        return int(self.base.encode_features([Image.new("RGB", self.input_size)]).shape[1])

    def crop_box(self, size: tuple[int, int]) -> Box:
        """Return what the model keeps of a picture."""
        return self.base.crop_box(size)

    def view(self, image: Image.Image) -> Image.Image:
        """Frame a picture as the model does."""
        return self.base.view(image)

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        """Return features of upright RGB images, shape (n, f)."""
        return self.encode_views([self.view(image) for image in images])

    def encode_views(self, views: list[Image.Image]) -> np.ndarray:
        """Return features of framed pictures, shape (n, f)."""
        return self.base.encode_features(views)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encode captions as the model does, which have no features."""
        return self.base.encode_texts(texts)


def look_at(pictures: Images, base: Encoder, progress: Progress | None = None) -> tuple[Gallery, Seen]:
    """Return pictures as a gallery, whose vectors are their features, and as a head sees them."""
    gallery = embed(pictures, FeatureEncoder(base), progress=progress)
    return gallery, Seen(*base.project(gallery.vectors))
