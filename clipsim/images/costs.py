"""What a small file can cost to decode, found out from its bytes before that: strangers make such files on purpose."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import IO

from PIL import Image

# Progressive JPEGs of cameras and of libjpeg have 10 scans, of mozjpeg up to 20; each costs as much as a whole picture.
MOST_SCANS = 100
MOST_PARTS = 100_000  # strips or tiles of a TIFF: more than a row each in the highest picture that programs write
MOST_TILES = 10_000  # of a JPEG 2000, each with tables of its own
# Of forms that Pillow decodes in Python: at 0.36 (PPM with another highest value, two bytes each) to 1.4 million pixels
# a second on one core of a busy machine, timed around `Image.load`, ten seconds for the slowest.
SLOW_PIXELS = 4_000_000
SLOW_DECODERS = {"qoi", "ppm", "ppm_plain", "bmp_rle"}  # as Pillow names them

# Bytes that decoding takes for each pixel: the peak of address space of `clipsim.images.read` on 50 million pixels.
PLAIN_BYTES, OTHER_BYTES = 5, 10  # the picture itself, and a converted or flattened copy
WEBP_BYTES, CHANNEL_BYTES = 17, 5  # two canvases and two copies; JPEG 2000 has 32 bits a channel
WORST_BYTES = 25  # of any format
PLAIN_MODES = {"1", "L", "P", "RGB"}  # which need no other copy of that size

_SOS = b"\xff\xda"  # start of a JPEG's scan; within its data, 0xFF is followed by zero
_PNG = b"\x89PNG\r\n\x1a\n"
_SIZ = b"\xff\x4f\xff\x51"  # a JPEG 2000's codestream begins with it
_NEAR = 1 << 16  # bytes in which a JP2's boxes before the codestream are
_STRIPS, _TILE_WIDTH, _TILE_HEIGHT, _TILES = 273, 322, 323, 324  # tags of a TIFF
_MOST_TAGS = 4096  # of a TIFF's directory that are looked at; Pillow, too, reads the first directory alone


def explain_cost(file: IO[bytes], most_pixels: int) -> str:
    """Return why a file would cost too much to open as a picture; "" if it would not, or is no picture at all.

    It is a clause that reads on from the file's name. `most_pixels` is the limit for what is decoded at once.
    """
    head = file.read(12)
    check = next((check for signature, check in _CHECKS.items() if head.startswith(signature)), None)
    file.seek(0)
    try:
        return check(file, most_pixels) if check else ""
    except struct.error:
        return ""  # it is cut short, which decoding will say


def explain_slowness(image: Image.Image) -> str:
    """Return why an opened picture would take too long to decode; "" if it would not."""
    decoders = {tile[0] for tile in getattr(image, "tile", ())}  # which Pillow's own pictures have
    pixels = image.width * image.height
    if decoders & SLOW_DECODERS and pixels > SLOW_PIXELS:
        limit = f"{SLOW_PIXELS / 1e6:.0f} million for this form of {image.format}"
        return f"has {pixels / 1e6:.0f} million pixels, and the limit is {limit}: save it as PNG"
    return ""


def estimate_bytes(image: Image.Image) -> int:
    """Return about how many bytes decoding an opened picture takes at its most; some pictures take more."""
    each = PLAIN_BYTES if image.mode in PLAIN_MODES and image.format not in ("AVIF", "HEIF") else OTHER_BYTES
    if image.format == "WEBP":
        each = WEBP_BYTES
    elif image.format == "JPEG2000":
        each = CHANNEL_BYTES * (len(image.getbands()) + 1)
    return image.width * image.height * each


def _check_jpeg(file: IO[bytes], _: int) -> str:
    scans, before = 0, b""
    while piece := file.read(1 << 20):
        scans += (before + piece).count(_SOS)
        before = piece[-1:]
    if scans > MOST_SCANS:
        return f"is written in {scans} scans, and the limit is {MOST_SCANS}: save it again as a plain JPEG"
    return ""


def _check_tiff(file: IO[bytes], most_pixels: int) -> str:
    tags = _read_tags(file)
    width, height = (tags.get(tag, (0, 0))[1] for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    if width * height > most_pixels:
        return f"has tiles of {width} x {height} pixels, more than the picture may have: save it again"
    parts = max(tags.get(tag, (0, 0))[0] for tag in (_STRIPS, _TILES))
    if parts > MOST_PARTS:
        return f"is written in {parts} parts, and the limit is {MOST_PARTS}: save it again"
    return ""


def _read_tags(file: IO[bytes]) -> dict[int, tuple[int, int]]:
    """Return by tag of the first directory how many values it has, and the first if it stands there itself.

    TIFF 6.0, section 2, and its form for large files, which has eight bytes where that has four.
    """
    order, large = ("<" if file.read(2) == b"II" else ">"), struct.unpack("<H", file.read(2))[0] in (43, 43 << 8)
    place, entry = ("Q", "HHQ8s") if large else ("I", "HHI4s")
    file.seek(8 if large else 4)
    (start,) = struct.unpack(order + place, file.read(struct.calcsize(order + place)))
    file.seek(start)
    form = order + ("Q" if large else "H")
    (count,) = struct.unpack(form, file.read(struct.calcsize(form)))
    size = struct.calcsize(order + entry)
    tags = {}
    for _ in range(min(count, _MOST_TAGS)):
        tag, kind, values, held = struct.unpack(order + entry, file.read(size))
        tags[tag] = (values, struct.unpack(order + ("H" if kind == 3 else "I"), held[: 2 if kind == 3 else 4])[0])
    return tags


def _check_icon(file: IO[bytes], most_pixels: int) -> str:
    """Look at the pictures in an icon: its list of sizes can be of others, and Pillow decodes one as it opens it."""
    _, _, count = struct.unpack("<HHH", file.read(6))
    for entry in [file.read(16) for _ in range(count)]:
        file.seek(struct.unpack("<12xI", entry)[0])
        head = file.read(24).ljust(24, b"\0")
        width, height = struct.unpack(*((">II", head[16:]) if head.startswith(_PNG) else ("<ii", head[4:12])))
        if abs(width * height) > most_pixels:
            return f"holds a picture of {width} x {abs(height)} pixels, more than the limit: make it smaller first"
    return ""


def _check_jpeg_2000(file: IO[bytes], _: int) -> str:
    """Count the tiles of a codestream, by its marker SIZ (ISO/IEC 15444-1, annex A.5.1)."""
    head = file.read(_NEAR)
    at = head.find(_SIZ) + 8  # after the markers, the length and the profile
    width, height, across, down, x, y = struct.unpack(">2I8x4I", head[at : at + 32])
    tiles = -(-max(width - x, 0) // max(across, 1)) * -(-max(height - y, 0) // max(down, 1))
    if tiles > MOST_TILES:
        return f"is written in {tiles} tiles, and the limit is {MOST_TILES}: save it again"
    return ""


_CHECKS: Mapping[bytes, Callable[[IO[bytes], int], str]] = {
    b"\xff\xd8": _check_jpeg,
    b"II": _check_tiff,
    b"MM": _check_tiff,
    b"\0\0\1\0": _check_icon,
    b"\0\0\0\x0cjP  ": _check_jpeg_2000,
    _SIZ: _check_jpeg_2000,
}
