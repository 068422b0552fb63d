"""Much of what strangers send: a thousand damaged pictures, and a request at every limit at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from support.hostile import CAPTION, File, check_damaged, saved, small_picture

from benchmarks.performance.load import Caller, serving
from clipsim.encoders import Encoder
from clipsim.settings import Limits

LIMITS = Limits()
MEMORY = 2_000_000_000  # bytes that one request may take beyond the idle server with its model


def test_every_one_of_a_thousand_damaged_pictures_is_scored_or_rejected(
    caller: Caller, bases: list[File], stand_in: Encoder
) -> None:
    check_damaged(caller, bases, stand_in, 1000)


def flat(mode: str, form: str, size: tuple[int, int] = (7_000, 7_000), **options: Any) -> bytes:
    colour: Any = {"RGBA": (9, 99, 199, 99), "LA": (99, 99), "CMYK": (9, 99, 199, 9)}.get(mode, 99)
    return saved(Image.new(mode, size, colour), form, **options)


def at_the_pixel_limit() -> list[File]:
    """Pictures of 49 megapixels, in the forms that take the most memory to decode and to make plain."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        ("grey-16-bit.png", flat("I;16", "PNG")),
        ("transparent.png", flat("RGBA", "PNG")),
        ("grey-transparent.png", flat("LA", "PNG")),
        ("palette-transparent.png", flat("P", "PNG", transparency=99)),
        ("float.tif", flat("F", "TIFF", compression="tiff_deflate")),
        ("integer.tif", flat("I", "TIFF", compression="tiff_deflate")),
        ("print.jpg", flat("CMYK", "JPEG")),
        ("turned.jpg", flat("RGB", "JPEG", exif=exif)),
        ("progressive.jpg", flat("RGB", "JPEG", progressive=True)),
        ("transparent.webp", flat("RGBA", "WEBP", quality=1, method=0)),
        ("transparent.gif", flat("P", "GIF", transparency=99)),
        ("strip.png", flat("RGBA", "PNG", (50_000_000, 1))),
    ]


def test_a_request_at_every_limit_at_once_fits_in_memory(tmp_path: Path) -> None:
    large = at_the_pixel_limit()
    assert all(len(data) <= LIMITS.file_bytes for _, data in large)
    few = [(name, data + bytes(LIMITS.file_bytes - len(data))) for name, data in large[:4]]  # at the limit of bytes too
    files = [*few, *large, *((f"{i}.png", small_picture(i)) for i in range(LIMITS.images - len(few) - len(large)))]
    with serving(tmp_path, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path)) as served:
        caller = Caller(served.url)
        assert caller.similarity(caller.upload([("one.png", small_picture(0))]), CAPTION)["scores"]
        idle = served.resident()
        uploaded = [place for file in files for place in caller.upload([file])]
        answer = caller.similarity(uploaded, "a" * LIMITS.caption, None)
        assert len(answer["scores"]) == LIMITS.images, answer["rejected"]
        taken = served.peak() - idle
    assert taken < MEMORY, f"{taken / 1e6:.0f} MB beyond the idle server"
