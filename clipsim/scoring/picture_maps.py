"""Where in one picture the caption lies, or what is in another picture, and where each of the caption's words does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipsim.embedding import Gallery, embed, encode_captions, name_sources, unit_mean
from clipsim.encoders import Encoder
from clipsim.errors import ImageError
from clipsim.images import ImageInput
from clipsim.options import Options
from clipsim.scoring.combining import encode_parts
from clipsim.scoring.heatmaps import Heatmap, compute_heatmaps

SECONDS = 3.0  # after which no further word is begun: a large model takes a second for each on a CPU


@dataclass(frozen=True)
class PictureMaps:
    """Where things lie in one picture.

    Attributes:
        whole: the map of the caption, or of the reference image.
        words: those of the words, in their order; None for a word that there was no time for.
    """

    whole: Heatmap
    words: tuple[Heatmap | None, ...] = ()


def map_picture(
    image: ImageInput,
    caption: str | None,
    encoder: Encoder,
    *,
    reference: ImageInput | None = None,
    options: Options = Options(),
    words: Sequence[str] = (),
    added: Sequence[float] = (),
    seconds: float = SECONDS,
) -> PictureMaps:
    """Compute the map of one picture for a caption or a reference image, and one for each word by itself.

    Args:
        image: the picture.
        caption: what it was scored against; None with `reference`.
        encoder: what scored it.
        reference: an image that it was compared with instead.
        options: as it was scored.
        words: of the caption; one that comes twice is computed once.
        added: what each word adds to the cosine: those that change it most come first. None given: in their order.
        seconds: no word is begun later than that after the first, which keeps long captions within bounds.

    Raises:
        ImageError: the picture or the reference cannot be read, any more perhaps.
    """
    pictures = _embed(image, encoder, options, keep_views=True).pictures
    if reference is None:
        target = unit_mean(encode_captions([caption or ""], encoder, options.prompt))
        if parts := encode_parts(caption or "", encoder, options.prompt):
            target = parts.target[0]
    else:
        target = unit_mean(_embed(reference, encoder, options).vectors)
    whole = compute_heatmaps(pictures, encoder, target)[0]
    weights = [abs(one) for one in added] or [0.0] * len(words)
    ranked = sorted(zip(words, weights, strict=True), key=lambda pair: -pair[1])
    unique = list(dict.fromkeys(word for word, _ in ranked))
    vectors = encode_captions(unique, encoder, options.prompt) if unique else np.empty((0, encoder.width))
    maps: dict[str, Heatmap] = {}
    until = time.monotonic() + seconds
    for word, vector in zip(unique, vectors, strict=True):
        if maps and time.monotonic() > until:
            break
        maps[word] = compute_heatmaps(pictures, encoder, unit_mean(vector[None]))[0]  # as a caption by itself is
    return PictureMaps(whole, tuple(maps.get(word) for word in words))


def _embed(image: ImageInput, encoder: Encoder, options: Options, *, keep_views: bool = False) -> Gallery:
    gallery = embed(name_sources([image]), encoder, options, keep_views=keep_views)
    for rejected in gallery.rejected:
        raise ImageError(rejected.name, rejected.reason)
    return gallery
