"""Small files that cost much to decode are refused by their header, and plain ones of the same kinds are not."""

import io
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image
from support import paint

from clipsim import ImageError
from clipsim.images import read


def saved(form: str, size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    data = io.BytesIO()
    paint(*size).save(data, form, **options)
    return data.getvalue()


def many_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes `count` times more."""
    jpeg = saved("JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + jpeg[last:-2] * count + b"\xff\xd9"


def tiff(*tags: tuple[int, int, int, int]) -> bytes:
    """A TIFF of 64 x 64 grey pixels; further tags are (tag, type, count, value)."""
    every = sorted([(256, 3, 1, 64), (257, 3, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), *tags])
    entries = b"".join(struct.pack("<HHII", *tag) for tag in every)
    return b"II*\0" + struct.pack("<IH", 8, len(every)) + entries + bytes(4)


def strips(count: int) -> bytes:
    place = 8 + 2 + 12 * 8 + 4
    tags = ((273, 4, count, place), (278, 3, 1, 1), (279, 4, count, place))
    return tiff(*tags) + struct.pack("<I", place) * count


def icon(width: int, height: int) -> bytes:
    """An icon that says 16 x 16 and holds a PNG of another size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    png = b"\x89PNG\r\n\x1a\n" + chunk
    return struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(png), 22) + png


def jpeg_2000(tile: int) -> bytes:
    data = bytearray(saved("JPEG2000", (64, 64), no_jp2=True))
    at = data.index(b"\xff\x4f\xff\x51") + 8
    data[at : at + 8] = struct.pack(">II", 6400, 6400)
    data[at + 16 : at + 24] = struct.pack(">II", tile, tile)
    return bytes(data)


def pgm(side: int) -> bytes:
    return b"P5 %d %d 100\n" % (side, side) + bytes(100)


COSTLY = {
    "scans.jpg": (many_scans(200), "scans, and the limit is 100"),
    "tiles.tif": (
        tiff((322, 3, 1, 46336), (323, 3, 1, 46336), (324, 4, 1, 8), (325, 4, 1, 64)),
        "tiles of 46336 x 46336",
    ),
    "strips.tif": (strips(200_000), "200000 parts"),
    "icon.ico": (icon(20_000, 20_000), "holds a picture of 20000 x 20000"),
    "tiles.j2k": (jpeg_2000(10), "409600 tiles"),
    "slow.pgm": (pgm(5000), "25 million pixels"),
    "slow.qoi": (b"qoif" + struct.pack(">IIBB", 5000, 5000, 3, 0) + bytes(8), "25 million pixels"),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_costly_file_is_refused_at_once_and_in_little_memory(name: str) -> None:
    data, reason = COSTLY[name]
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(ImageError, match=reason) as error:
        read(data, name)
    assert time.monotonic() - began < 5  # minutes and gigabytes before
    assert tracemalloc.get_traced_memory()[1] < 100_000_000
    tracemalloc.stop()
    assert str(error.value).startswith(name)


PLAIN = {
    "progressive.jpg": saved("JPEG", progressive=True),
    "plain.jpg": saved("JPEG"),
    "lzw.tif": saved("TIFF", compression="tiff_lzw"),
    "icon.ico": saved("ICO", (64, 64)),
    "plain.jp2": saved("JPEG2000"),
    "tiled.jp2": saved("JPEG2000", (128, 128), tile_size=(32, 32)),
    "plain.ppm": saved("PPM"),
    "odd.pgm": b"P5 4 4 100\n" + bytes(range(16)),
    "plain.bmp": saved("BMP"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_files_are_read(name: str) -> None:
    assert np.asarray(read(PLAIN[name], name).image).size


def test_a_picture_in_memory_is_not_looked_into() -> None:
    with Image.open(io.BytesIO(many_scans(200))) as opened:
        assert read(opened, "own").image.size == (64, 48)
