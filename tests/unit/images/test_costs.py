"""Small files that cost much to decode are refused by their header, and plain ones of the same kinds are not."""

import io
import struct
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from support.attacks import icon, jpeg_2000, many_scans, png, saved, strips, tiff

from clipsim import ImageError
from clipsim.images import read

SCANS = saved("JPEG", progressive=True)


def pgm(side: int) -> bytes:
    return b"P5 %d %d 100\n" % (side, side) + bytes(100)


COSTLY = {
    "scans.jpg": (many_scans(200, SCANS), "scans, and the limit is 100"),
    "tiles.tif": (
        tiff((322, 3, 1, 46336), (323, 3, 1, 46336), (324, 4, 1, 8), (325, 4, 1, 64)),
        "tiles of 46336 x 46336",
    ),
    "strips.tif": (strips(200_000), "200000 parts"),
    "icon.ico": (icon(png((20_000, 5000))), "holds a picture of 20000 x 5000"),
    "tiles.j2k": (jpeg_2000(6400, 10), "409600 tiles"),
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
    with Image.open(io.BytesIO(many_scans(200, SCANS))) as opened:
        assert read(opened, "own").image.size == (64, 48)
