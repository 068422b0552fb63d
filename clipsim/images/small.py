"""Pictures made small, as work for a `Decoder`: what is shown of them needs no more, and nothing large is handed on."""

from __future__ import annotations

from collections.abc import Container

from PIL import Image

from clipsim.images.reading import encode_jpeg, read


def reduce(image: Image.Image, name: str, *, side: int, draft: bool = False) -> Image.Image:
    """Read an opened picture, and return it `side` pixels along its longer side at most.

    With `draft` a JPEG is decoded at a smaller size, as by `read` with a `min_side`.
    """
    image = read(image, name, side if draft else None).image
    scale = side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(scale * length)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)


def shrink(image: Image.Image, name: str, *, side: int) -> Image.Image:
    """Read an opened picture, and return it as `Image.thumbnail` makes it of `side` pixels each way at most."""
    small = read(image, name).image
    small = small.copy() if small is image else small
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    return small


def preview(image: Image.Image, name: str, *, side: int, shown: Container[str | None]) -> bytes:
    """Return an opened picture as a JPEG; b"" if its format is one of those `shown` anyway, or `side` is 0.

    It is read from the thumbnail in a HEIC that has one of `side` pixels.
    """
    if not side or image.format in shown:
        return b""
    image.draft(None, (side, side))
    return encode_jpeg(shrink(image, name, side=side))
