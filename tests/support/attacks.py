"""Small files that cost much to decode, as somebody makes them on purpose; each is made when it is asked for."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO

from PIL import Image

from support import paint

PNG = b"\x89PNG\r\n\x1a\n"
SOS = b"\xff\xda"


def saved(form: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: object) -> bytes:
    data = BytesIO()
    paint(*size).convert(mode).save(data, form, **options)
    return data.getvalue()


def blank(form: str, size: tuple[int, int], mode: str = "RGB", **options: object) -> bytes:
    """A picture of one colour."""
    data = BytesIO()
    Image.new(mode, size).save(data, form, **options)
    return data.getvalue()


def many_scans(count: int, jpeg: bytes) -> bytes:
    """A progressive JPEG whose last scan comes `count` times more."""
    last = jpeg.rindex(SOS)
    return jpeg[:-2] + jpeg[last:-2] * count + b"\xff\xd9"


def tiff(*tags: tuple[int, int, int, int], size: tuple[int, int] = (64, 64), following: int = 0) -> bytes:
    """A TIFF of grey pixels; further tags are (tag, type, count, value), `following` where its next directory lies."""
    plain = {256: (4, 1, size[0]), 257: (4, 1, size[1]), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1)}
    every = sorted((plain | {tag: rest for tag, *rest in tags}).items())
    entries = b"".join(struct.pack("<HHII", tag, *rest) for tag, rest in every)
    return b"II*\0" + struct.pack("<IH", 8, len(every)) + entries + struct.pack("<I", following)


def strips(count: int) -> bytes:
    """A TIFF of one row to a strip, all of them the same bytes."""
    place = 8 + 2 + 8 * 12 + 4
    tags = ((273, 4, count, place), (278, 3, 1, 1), (279, 4, count, place + 4 * count))
    head = tiff(*tags, size=(16, count))
    return head + struct.pack("<I", 8) * count + struct.pack("<I", 16) * count


def squeezed(rows: int, width: int, height: int, compression: int) -> bytes:
    """A TIFF of so many rows to a strip, deflated or in the LZW of nothing but zeros."""
    data = zlib.compress(bytes(width * rows), 9)
    count = -(-height // rows)
    place = 8 + 2 + 8 * 12 + 4
    tags = [(259, 3, 1, compression), (278, 4, 1, rows), (273, 4, count, place), (279, 4, count, place + 4 * count)]
    start = place + 8 * count
    if count == 1:  # which stand in the tags themselves
        tags[2:] = [(273, 4, 1, place), (279, 4, 1, len(data))]
        return tiff(*tags, size=(width, height)) + data
    head = tiff(*tags, size=(width, height))
    return head + struct.pack("<I", start) * count + struct.pack("<I", len(data)) * count + data


def directories(count: int) -> bytes:
    """A TIFF of so many pages, each of which is read to know how many there are."""
    size = 2 + 6 * 12 + 4
    pages = []
    for page in range(count):
        following = 8 + (page + 1) * size if page + 1 < count else 0
        pages.append(tiff((273, 4, 1, 8), following=following)[8:])
    return b"II*\0" + struct.pack("<I", 8) + b"".join(pages)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(size: tuple[int, int], *chunks: bytes, colour: int = 2, depth: int = 8, interlaced: int = 0) -> bytes:
    """A PNG of zeros, with further chunks before its pixels."""
    across, down = size
    each = {0: 1, 2: 3, 6: 4}[colour] * depth
    rows = bytes(down * (1 + -(-across * each // 8)))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", across, down, depth, colour, 0, 0, interlaced))
    return PNG + head + b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def icon(inner: bytes, count: int = 1) -> bytes:
    """An icon that says 16 x 16 so many times, each time for the same picture in it."""
    start = 6 + 16 * count
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inner), start)
    return struct.pack("<HHH", 0, 1, count) + entry * count + inner


def jpeg_2000(side: int, tile: int) -> bytes:
    """A JPEG 2000 that says it is of another size, in tiles, most of which are not there."""
    data = bytearray(saved("JPEG2000", (64, 64), no_jp2=True))
    at = data.index(b"\xff\x4f\xff\x51") + 8
    data[at : at + 8] = struct.pack(">II", side, side)
    data[at + 16 : at + 24] = struct.pack(">II", tile, tile)
    return bytes(data)


def gif(frames: int) -> bytes:
    """A GIF of so many frames of one pixel."""
    head = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x80, 0, 0) + bytes(6)
    frame = b"\x21\xf9\x04\0\0\0\0\0,\0\0\0\0\1\0\1\0\0\x02\x02\x44\x01\0"
    return head + frame * frames + b";"


def qoi(side: int) -> bytes:
    """A QOI of the chunks that take Pillow longest."""
    return b"qoif" + struct.pack(">IIBB", side, side, 3, 0) + b"\xa5\x3c" * (side * side) + bytes(8)


def ppm(kind: bytes, side: int, highest: int) -> bytes:
    each = (3 if kind in b"P6P3" else 1) * (2 if highest > 255 else 1)
    return kind + b" %d %d %d\n" % (side, side, highest) + bytes(side * side * each)


def segments(count: int) -> bytes:
    """A JPEG with so many small APP segments of an ICC profile and of comments before its picture."""
    jpeg = saved("JPEG")
    piece = b"ICC_PROFILE\0\1\1" + b"x"
    return jpeg[:2] + (b"\xff\xe2" + struct.pack(">H", len(piece) + 2) + piece) * count + jpeg[2:]


def exif(count: int) -> bytes:
    """A JPEG whose EXIF has a directory of so many tags that all point to the same long value."""
    entries = b"".join(struct.pack("<HHII", 0x8000 + n % 0x7000, 2, 60_000, 8) for n in range(count))
    block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, count) + entries + bytes(4)
    jpeg = saved("JPEG")
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", min(len(block) + 2, 65_535)) + block[:65_533] + jpeg[2:]


SIDE = 7071  # of a square of 50 million pixels, the limit

ATTACKS: Mapping[str, Callable[[], bytes]] = {
    "25,000 scans.jpg": lambda: many_scans(25_000, saved("JPEG", progressive=True)),
    "70,000 scans.jpg": lambda: many_scans(70_000, saved("JPEG", progressive=True)),
    "80 large scans.jpg": lambda: many_scans(80, blank("JPEG", (SIDE, SIDE), "L", progressive=True)),
    "2.4 million strips.tif": lambda: strips(2_400_000),
    "100,000 strips.tif": lambda: strips(100_000),
    "large tiles.tif": lambda: tiff((322, 3, 1, 46336), (323, 3, 1, 46336), (324, 4, 1, 8), (325, 4, 1, 64)),
    "tiles at the limit.tif": lambda: tiff((322, 3, 1, 7056), (323, 3, 1, 7056), (324, 4, 1, 8), (325, 4, 1, 64)),
    "one deflated strip.tif": lambda: squeezed(SIDE, SIDE, SIDE, 8),
    "many deflated strips.tif": lambda: squeezed(SIDE, SIDE, SIDE * 10, 8),
    "100,000 pages.tif": lambda: directories(100_000),
    "page that follows itself.tif": lambda: tiff((273, 4, 1, 8), following=8),
    "large.ico": lambda: icon(png((20_000, 12_000))),
    "4,000 times large.ico": lambda: icon(png((SIDE, SIDE)), 4000),
    "65,025 tiles.j2k": lambda: jpeg_2000(16_320, 64),
    "10,000 tiles.j2k": lambda: jpeg_2000(6400, 64),
    "one tile.j2k": lambda: jpeg_2000(7000, 7000),
    "3 million pixels.qoi": lambda: qoi(1900),
    "50 million pixels.qoi": lambda: b"qoif" + struct.pack(">IIBB", SIDE, SIDE, 3, 0) + b"\xa5\x3c" * 9_000_000,
    "highest 100.pgm": lambda: ppm(b"P5", 4000, 100),
    "highest 1000.ppm": lambda: ppm(b"P6", 1800, 1000),
    "plain.ppm": lambda: b"P3 2000 2000 255\n" + b"0 " * 9_000_000,
    "zeros.png": lambda: png((SIDE, SIDE)),
    "interlaced.png": lambda: png((SIDE, SIDE), interlaced=1),
    "deep.png": lambda: png((SIDE, SIDE), colour=6, depth=16),
    "60 texts.png": lambda: png((64, 64), *[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000), 9))] * 60),
    "5,000 texts.png": lambda: png(
        (64, 64), *[chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(1_000_000), 9))] * 5000
    ),
    "profile.png": lambda: png((64, 64), chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1_000_000_000), 9))),
    "800,000 frames.gif": lambda: gif(800_000),
    "large.gif": lambda: blank("GIF", (SIDE, SIDE), "P"),
    "large.webp": lambda: blank("WEBP", (SIDE, SIDE), lossless=True),
    "large.avif": lambda: blank("AVIF", (SIDE, SIDE), speed=10),
    "800,000 segments.jpg": lambda: segments(800_000),
    "exif.jpg": lambda: exif(5000),
}
