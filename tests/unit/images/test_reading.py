"""Every kind of picture becomes upright RGB, or is refused in a sentence that names it."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image, ImageOps
from support import paint

from clipsim import ImageError
from clipsim.images import Source, read

# How a camera stores an upright picture for each EXIF orientation: the inverse of what a viewer does with it.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
BEST: dict[str, dict[str, object]] = {
    "WEBP": {"lossless": True},
    "JPEG": {"quality": 100, "subsampling": 0},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "HEIF": {"quality": -1, "chroma": 444},
}
pillow_heif.register_heif_opener()  # for its encoder


def saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    return exif


def png(width: int, height: int, depth: int, colour: int, data: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG chunk by chunk, for what Pillow cannot write; `data` goes into IDAT as it is."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def largest_difference(a: Image.Image, b: Image.Image) -> int:
    assert (a.mode, a.size) == (b.mode, b.size)
    return int(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max())


def refusal(source: bytes | str | Path, name: str = "holiday.jpg") -> str:
    """The reason why `source` is refused, once the sentence is known to name it."""
    with pytest.raises(ImageError) as caught:
        read(source, name)
    assert caught.value.name == name
    assert str(caught.value) == f"{name} {caught.value.reason}"
    assert "\n" not in caught.value.reason
    return caught.value.reason


def test_path_string_bytes_and_pil_image_give_the_same_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    paint(20, 30).save(path)
    sources: list[Source] = [path, str(path), path.read_bytes(), Image.open(path), paint(20, 30)]
    pictures = [read(source, "a") for source in sources]
    assert all(largest_difference(picture.image, paint(20, 30)) == 0 for picture in pictures)
    assert all((picture.name, picture.notes) == ("a", ()) for picture in pictures)


def test_the_callers_image_is_left_as_it_was() -> None:
    image = paint(8, 6).convert("RGBA")
    image.putalpha(100)
    image.info["exif"] = orientation(6).tobytes()
    before = image.copy()
    read(image, "a")
    assert image == before


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "JPEG", "AVIF", "HEIF"])
@pytest.mark.parametrize("value", STORED)
def test_every_exif_orientation_is_turned_upright(value: int, file_format: str) -> None:
    upright = paint(96, 72)
    exif = orientation(value).tobytes()  # as bytes, since pillow-heif's encoder heeds no other
    data = saved(upright.transpose(STORED[value]), file_format, exif=exif, **BEST.get(file_format, {}))
    assert largest_difference(read(data, "a").image, upright) <= (0 if file_format in ("PNG", "WEBP", "TIFF") else 8)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "JPEG", "AVIF"])
def test_a_turned_picture_says_so(file_format: str) -> None:
    (note,) = read(saved(paint(32, 24), file_format, exif=orientation(6)), "a").notes
    assert "upright" in note
    assert "6" in note


@pytest.mark.parametrize("value", [0, 1, 9, 65535])
def test_an_orientation_that_turns_nothing_leaves_no_note(value: int) -> None:
    picture = read(saved(paint(32, 24), "PNG", exif=orientation(value)), "a")
    assert largest_difference(picture.image, paint(32, 24)) == 0
    assert picture.notes == ()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("garbage", [b"garbage", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff\x12\x01"])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_garbage_in_exif_does_not_cost_the_picture(garbage: bytes, file_format: str) -> None:
    picture = read(saved(paint(32, 24), file_format, exif=b"Exif\0\0" + garbage), "a")
    assert picture.image.size == (32, 24)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(struct.pack("<HHI4x", 0xA005, 10, 1), id="a fraction where an offset belongs"),
        pytest.param(struct.pack("<HHIf", 0x010E, 11, 1, 0.5), id="a number where a text belongs"),
        pytest.param(struct.pack("<HHIi", 0x8769, 9, 1, -50), id="an offset before the beginning"),
    ],
)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_among_garbage_is_still_obeyed(other: bytes, file_format: str) -> None:
    entries = struct.pack("<HHIHH", ExifTags.Base.Orientation, 3, 1, 6, 0), other
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + b"".join(sorted(entries)) + bytes(40)
    stored = paint(96, 72).transpose(STORED[6])
    picture = read(saved(stored, file_format, exif=exif, **BEST.get(file_format, {})), "a")
    assert largest_difference(picture.image, paint(96, 72)) <= 8
    assert len(picture.notes) == 1


@pytest.mark.parametrize("mode", ["I;16", "P", "1", "LA"])
def test_pictures_that_are_not_rgb_are_turned_too(mode: str) -> None:
    grey = Image.fromarray(np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000)
    upright = grey if mode == "I;16" else paint(8, 6).convert(mode)
    stored = upright.transpose(STORED[6])
    picture = read(saved(stored, "PNG", exif=orientation(6)), "a")
    assert largest_difference(picture.image, read(upright, "a").image) == 0


def half_clear_pictures() -> dict[str, Image.Image | bytes]:
    """The left half is opaque red (grey 76 without colours), the right half is clear and would be black."""
    rgba = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
    rgba.paste((255, 0, 0, 255), (0, 0, 4, 4))
    palette = Image.new("P", (8, 4), 1)
    palette.putpalette([255, 0, 0, 0, 0, 0])
    palette.paste(0, (0, 0, 4, 4))
    rgb = rgba.convert("RGB")
    grey = Image.new("L", (8, 4), 0)
    grey.paste(76, (0, 0, 4, 4))
    deep = zlib.compress((b"\0" + struct.pack(">8H", *[76 * 257] * 4, *[0] * 4)) * 4)
    return {
        "RGBA": rgba,
        "RGBa": rgba.convert("RGBa"),
        "LA": Image.merge("LA", (grey, rgba.getchannel("A"))),
        "PA": rgba.convert("PA"),
        "palette PNG, one clear index": saved(palette, "PNG", transparency=1),
        "palette PNG, alpha by index": saved(palette, "PNG", transparency=b"\xff\0"),
        "RGB PNG, one clear colour": saved(rgb, "PNG", transparency=(0, 0, 0)),
        "grey PNG, one clear value": saved(grey, "PNG", transparency=0),
        "16-bit grey PNG, one clear value": png(8, 4, 16, 0, deep, (b"tRNS", b"\0\0")),
        "GIF": saved(palette, "GIF", transparency=1),
        "WebP": saved(rgba, "WEBP", lossless=True),
        "AVIF": saved(rgba, "AVIF", quality=100),
        "HEIC": saved(rgba, "HEIF", quality=100),
        "TIFF": saved(rgba, "TIFF"),
    }


@pytest.mark.parametrize("kind", half_clear_pictures())
def test_transparency_is_flattened_on_white(kind: str) -> None:
    picture = read(half_clear_pictures()[kind], "a")
    left, right = (np.asarray(picture.image.getpixel((x, 2))) for x in (1, 6))
    assert picture.image.mode == "RGB"
    assert right.min() >= 250
    assert left[1] < 100
    assert any("white" in note for note in picture.notes)


def test_half_transparent_pixels_are_mixed_with_white() -> None:
    picture = read(Image.new("RGBA", (2, 2), (100, 0, 200, 128)), "a")
    expected = [value * 128 / 255 + 255 * 127 / 255 for value in (100, 0, 200)]
    assert picture.image.getpixel((0, 0)) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_an_opaque_alpha_channel_leaves_no_note(mode: str) -> None:
    picture = read(paint(9, 7).convert(mode), "a")
    assert largest_difference(picture.image, paint(9, 7).convert(mode).convert("RGB")) == 0
    assert picture.notes == ()


@pytest.mark.parametrize("mode", Image.MODES)
def test_an_image_of_every_mode_that_pillow_has_becomes_rgb(mode: str) -> None:
    picture = read(Image.new(mode, (20, 10)), "a")
    assert (picture.image.mode, picture.image.size) == ("RGB", (20, 10))


@pytest.mark.parametrize("mode", ["P", "YCbCr"])
def test_palette_and_video_colours_keep_their_colours(mode: str) -> None:
    converted = paint(20, 10).convert(mode)
    assert largest_difference(read(converted, "a").image, converted.convert("RGB")) == 0


def test_black_and_white_stay_black_and_white() -> None:
    bilevel = paint(20, 10).convert("1")
    assert largest_difference(read(saved(bilevel, "PNG"), "a").image, bilevel.convert("RGB")) == 0


def test_grey_keeps_its_values() -> None:
    grey = paint(20, 10).convert("L")
    assert np.array_equal(np.asarray(read(saved(grey, "PNG"), "a").image), np.dstack([np.asarray(grey)] * 3))


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk_keeps_its_colours(file_format: str) -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    picture = read(saved(red, file_format), "a")
    assert picture.image.mode == "RGB"
    assert picture.image.getpixel((8, 8)) == pytest.approx((255, 0, 0), abs=6)
    assert any("CMYK" in note for note in picture.notes)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_rescaled_and_not_clipped(file_format: str) -> None:
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    picture = read(saved(Image.fromarray(values), file_format), "a")
    assert np.array_equal(np.asarray(picture.image)[..., 0].ravel(), np.arange(256))
    assert any("rescaled" in note for note in picture.notes)


def test_a_dark_sixteen_bit_picture_stays_dark() -> None:
    values = np.full((4, 4), 300, np.uint16)
    assert read(saved(Image.fromarray(values), "PNG"), "a").image.getpixel((0, 0)) == (1, 1, 1)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_deep_pil_images_are_rescaled(mode: str) -> None:
    image = Image.new("I", (4, 2), 0)
    image.paste(65535, (2, 0, 4, 2))
    picture = read(image if mode == "I" else image.convert(mode), "a")
    assert [picture.image.getpixel((x, 0)) for x in (0, 3)] == [(0, 0, 0), (255, 255, 255)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([-3.0, 0.0, 3.0], [0, 128, 255]),
        ([0.0, float("nan"), 1.0], [0, 0, 255]),
        ([5000.0, 5000.0, 5000.0], [0, 0, 0]),
    ],
)
def test_a_float_tiff_is_rescaled(values: list[float], expected: list[int]) -> None:
    picture = read(saved(Image.fromarray(np.asarray([values], np.float32)), "TIFF"), "a")
    assert np.asarray(picture.image)[0, :, 0] == pytest.approx(expected, abs=1)


def test_a_float_picture_with_infinities_keeps_its_other_values_apart() -> None:
    values = np.asarray([[0.0, 0.5, 1.0, np.inf]], np.float32)
    picture = np.asarray(read(Image.fromarray(values), "a").image)[0, :, 0]
    assert picture[0] < picture[1] < picture[2]


@pytest.mark.parametrize(("colour", "samples"), [(2, 3), (6, 4)])
def test_a_sixteen_bit_colour_png_keeps_its_colours(colour: int, samples: int) -> None:
    pixel = [0xFF00, 0x8000, 0x1000, 0xFFFF][:samples]
    data = zlib.compress(b"\0" + struct.pack(f">{samples}H", *pixel))
    assert read(png(1, 1, 16, colour, data), "a").image.getpixel((0, 0)) == pytest.approx((255, 128, 16), abs=1)


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_the_first_frame_of_an_animation_is_taken(file_format: str) -> None:
    red, blue = (Image.new("RGB", (16, 16), colour) for colour in ("red", "blue"))
    picture = read(saved(red, file_format, save_all=True, append_images=[blue]), "a")
    assert picture.image.getpixel((8, 8)) == pytest.approx((255, 0, 0), abs=8)
    assert any("first frame" in note for note in picture.notes)


def test_an_mpo_photograph_is_not_called_an_animation() -> None:
    data = saved(paint(96, 72, 1), "MPO", save_all=True, append_images=[paint(96, 72, 2)], **BEST["JPEG"])
    picture = read(data, "a")
    assert largest_difference(picture.image, paint(96, 72, 1)) <= 8
    assert picture.notes == ()


@pytest.mark.parametrize(
    "file_format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "ICO"]
)
def test_a_plain_picture_of_every_format_is_read_without_a_note(file_format: str) -> None:
    picture = read(saved(Image.new("RGB", (32, 32), (200, 40, 90)), file_format), "a")
    assert picture.image.getpixel((16, 16)) == pytest.approx((200, 40, 90), abs=8)
    assert picture.notes == ()


def test_a_heic_is_turned_as_it_says_itself_and_not_by_its_exif() -> None:
    data = saved(paint(96, 72), "HEIF", exif=orientation(6), **BEST["HEIF"])
    assert b"irot" not in data
    assert largest_difference(read(data, "a").image, paint(96, 72)) <= 8


def test_of_a_heic_with_several_pictures_the_main_one_is_taken() -> None:
    red, blue = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))
    picture = read(saved(red, "HEIF", save_all=True, append_images=[blue], primary_index=1), "a")
    assert picture.image.getpixel((8, 8)) == pytest.approx((0, 0, 255), abs=8)
    assert picture.notes == ("main picture of several",)


def test_a_heic_of_ten_bits_keeps_its_colours() -> None:
    stream = BytesIO()
    pixels = np.tile(np.array([0xFF00, 0x8000, 0x1000], "<u2"), 64 * 64).tobytes()
    pillow_heif.encode("RGB;16", (64, 64), pixels, stream, **BEST["HEIF"])
    assert pillow_heif.open_heif(stream).info["bit_depth"] == 10
    picture = read(stream.getvalue(), "a")
    assert picture.image.getpixel((32, 32)) == pytest.approx((255, 128, 16), abs=2)
    assert picture.notes == ()


def test_a_grey_heic_of_ten_bits_is_rescaled() -> None:
    values = np.repeat(np.linspace(0, 65535, 64).astype(np.uint16)[None], 64, axis=0)
    picture = read(saved(Image.fromarray(values), "HEIF", **BEST["HEIF"]), "a")
    assert np.asarray(picture.image)[32, :, 0] == pytest.approx(np.linspace(0, 255, 64), abs=2)


def test_a_heic_that_says_it_is_small_and_is_not_is_refused() -> None:
    whole = saved(Image.new("RGB", (640, 640)), "HEIF")
    assert whole.count(struct.pack(">II", 640, 640)) == 1
    assert "damaged" in refusal(whole.replace(struct.pack(">II", 640, 640), struct.pack(">II", 64, 64)))
    assert "50 million" in refusal(whole.replace(struct.pack(">II", 640, 640), struct.pack(">II", 8000, 8000)))


def test_reading_a_heic_registers_nothing_with_pillow(tmp_path: Path) -> None:
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(saved(paint(32, 24), "HEIF"))
    code = "import sys, PIL.Image, clipsim.images as i; i.read(sys.argv[1], 'a'); assert 'HEIF' not in PIL.Image.OPEN"
    subprocess.run([sys.executable, "-c", code, path], check=True)


def test_the_content_decides_and_not_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "photo.txt"
    path.write_bytes(saved(paint(8, 8), "PNG"))
    assert read(path, "photo.txt").image.size == (8, 8)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("edge", [7072, 13000, 40000, 2**31 - 1])
def test_too_many_pixels_are_refused_before_anything_is_decoded(edge: int) -> None:
    header_only = png(edge, edge, 8, 2, b"nothing that could be decoded")
    reason = refusal(header_only, "poster.png")
    assert "50 million" in reason
    assert "damaged" not in reason


def test_fifty_megapixels_are_read_and_one_row_more_is_not() -> None:
    assert read(Image.new("1", (10_000, 5_000)), "a").image.size == (10_000, 5_000)
    with pytest.raises(ImageError, match="50 million"):
        read(Image.new("1", (10_000, 5_001)), "a")


def test_zero_bytes_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "holiday.jpg"
    empty.touch()
    assert "empty" in refusal(empty)
    assert "empty" in refusal(b"")


def cut_short() -> dict[str, bytes]:
    """The first two thirds of a picture in every format that a page can send."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole = {name: saved(noise, name) for name in ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "HEIF")}
    return {name: data[: len(data) * 2 // 3] for name, data in whole.items()}


@pytest.mark.parametrize("file_format", cut_short())
def test_a_file_that_is_cut_short_is_refused(file_format: str) -> None:
    refusal(cut_short()[file_format])


def test_damaged_pixels_are_refused() -> None:
    assert "damaged" in refusal(png(8, 8, 8, 2, b"not zlib"))


NOT_PICTURES: dict[str, Callable[[], bytes]] = {
    "text": lambda: b"Dear diary, today we went to the lake.\n" * 20,
    "html": lambda: b"<!DOCTYPE html><html><body>404</body></html>",
    "svg": lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "eps": lambda: saved(Image.new("RGB", (8, 8)), "EPS"),
    "pdf": lambda: saved(Image.new("RGB", (8, 8)), "PDF"),
    "tga": lambda: saved(Image.new("RGB", (8, 8)), "TGA"),
    "zeros": lambda: bytes(4096),
}


@pytest.mark.parametrize("kind", NOT_PICTURES)
def test_what_is_not_a_picture_is_refused_whatever_it_is_called(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(NOT_PICTURES[kind]())
    assert "not a picture" in refusal(path)
    assert "not a picture" in refusal(NOT_PICTURES[kind]())


@pytest.mark.parametrize("path", ["missing.jpg", ".", "broken\0name.jpg", pytest.param("a" * 5000, id="too long")])
def test_what_is_not_a_file_is_refused(path: str, tmp_path: Path) -> None:
    assert "check the path" in refusal(tmp_path / path)


def test_a_reader_of_the_pixels_sees_what_a_viewer_of_the_file_sees(tmp_path: Path) -> None:
    """Orientation, transparency and palette at once, against Pillow's own steps."""
    path = tmp_path / "a.png"
    stored = paint(30, 20).convert("P")
    stored.save(path, exif=orientation(6), transparency=0)
    rgba = ImageOps.exif_transpose(Image.open(path).convert("RGBA"))
    white = Image.new("RGBA", rgba.size, "white")
    assert largest_difference(read(path, "a").image, Image.alpha_composite(white, rgba).convert("RGB")) == 0
