"""Reading any picture safely into an upright RGB image of eight bits a channel."""

from __future__ import annotations

import base64
import glob
import hashlib
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from clipsim.errors import ImageError
from clipsim.images.costs import explain_cost, explain_slowness
from clipsim.settings import pixel_limit

# Only these decoders of Pillow's run on what a stranger sends: EPS and PDF would start other programs, TGA takes any
# bytes. HEIC has another one.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "DIB", "TIFF", "PPM", "ICO", "JPEG2000", "QOI")
_ENDINGS = "jpg jpeg jpe jfif png apng webp avif heic heif hif gif bmp dib tif tiff mpo ppm pgm pbm pnm ico jp2 j2k qoi"
SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split())  # of files that are not named one by one
# What turns each EXIF orientation upright; ImageOps.exif_transpose also writes the EXIF anew, and fails on damage.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SETTLED = 2.0  # seconds since a file was last written to, after which its times tell whether it is written again
TILE = 2_000_000  # pixels that are worked on at once where a copy of the whole would take too much memory
NO_ROOM = "takes more memory to decode than there is: make it smaller first, or save it as PNG"
NO_FILE = "is not a file: check the path"
_FLATTENED = "transparency flattened on white"
_ONE_OF_SEVERAL = {"TIFF": "first page only", "HEIF": "main picture of several"}  # by format; others are animations

Source = str | Path | bytes | Image.Image


@dataclass(frozen=True)
class Picture:
    """One picture, ready for an encoder."""

    name: str  # what the caller calls it
    image: Image.Image  # upright, mode RGB, eight bits a channel
    notes: tuple[str, ...] = ()  # what was changed on the way from the file, in words; () for plain upright RGB


def open_image(source: Source, name: str) -> Image.Image:
    """Open a picture as far as its header, and raise as `read`, but for damage that only decoding shows."""
    image = source if isinstance(source, Image.Image) else _open(source, name)
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(name, f"has no pixels ({width} x {height}): send another picture")
    if width * height > pixel_limit():
        raise ImageError(
            name, _describe_size(f"{width} x {height} = {width * height / 1e6:.0f} million"), code="too_many_pixels"
        )
    if image is not source and (reason := explain_slowness(image)):
        raise ImageError(name, reason)
    return image


def compute_digest(source: str | Path | bytes) -> bytes:
    """Return the SHA-256 of a file's content, or of bytes; a file is not read again until it is written to."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    status = Path(source).stat()
    # the change time cannot be set back, but ticks in milliseconds: what was written just now may be written once more
    if time.time() - max(status.st_ctime, status.st_mtime) < SETTLED:
        return _digest_file.__wrapped__(source)
    return _digest_file(source, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@lru_cache(maxsize=20_000)
def _digest_file(source: str | Path, *_state: int) -> bytes:
    with Path(source).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def read(source: Source, name: str, min_side: int | None = None) -> Picture:
    """Read a file, its bytes or a PIL image into a `Picture` of that name.

    EXIF rotation is applied, transparency is flattened on white, 16-bit and floating-point values are rescaled (not
    clipped), palette, grey and CMYK become RGB, and of an animation the first frame is taken, of a HEIC with several
    pictures the main one.

    Where both sides need no more than `min_side` pixels, a larger JPEG is decoded at a half, a quarter or an eighth of
    its size, which is several times faster and not quite the same. Not for PIL images of the caller's own, which it
    would change.

    Raises:
        ImageError: no such file, zero bytes, not a picture, truncated, or more pixels than `clipsim.settings` allows
            (which is checked before decoding).
    """
    image = open_image(source, name)
    try:
        return _make_upright(image, name, min_side)
    except MemoryError as error:
        raise ImageError(name, NO_ROOM) from error


def encode_jpeg(image: Image.Image) -> bytes:
    """Return a picture as a small JPEG, to be shown; the comment of a file that it was read from stays behind."""
    data = BytesIO()
    image.save(data, "JPEG", quality=80, comment=b"")
    return data.getvalue()


def to_address(jpeg: bytes) -> str:
    """Return a JPEG as a data: address."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _make_upright(image: Image.Image, name: str, min_side: int | None) -> Picture:
    # Pillow turns a TIFF while it decodes, so that it is asked before; others tell only once they are decoded. A HEIC
    # decodes to what is upright: it has another place than EXIF, which does not count (ISO/IEC 23008-12, annex A).
    orientation = _read_orientation(image) if image.format == "TIFF" else 1
    notes = _decode(image, name, min_side)
    if image.format not in ("TIFF", "HEIF") and (orientation := _read_orientation(image)) > 1:
        image = image.transpose(_UPRIGHT[orientation])
    if orientation > 1:
        notes.append(f"turned upright (EXIF orientation {orientation})")
    for step in (_reduce_depth, _flatten):
        image, note = step(image)
        notes += note
    if image.mode == "CMYK":
        notes.append("converted from CMYK")
    return Picture(name, image if image.mode == "RGB" else image.convert("RGB"), tuple(notes))


def _open(source: str | Path | bytes, name: str) -> Image.Image:
    if not isinstance(source, bytes) and (problem := explain_missing(Path(source))):
        raise ImageError(name, problem)
    if not (len(source) if isinstance(source, bytes) else Path(source).stat().st_size):
        raise ImageError(name, "is empty (0 bytes): send the file again")
    with suppress(OSError), BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file:
        if reason := explain_cost(file, pixel_limit()):
            raise ImageError(name, reason)
    try:
        return _choose_decoder(BytesIO(source) if isinstance(source, bytes) else source)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # Pillow's own limits are higher
        raise ImageError(name, _describe_size("far too many"), code="too_many_pixels") from error
    except MemoryError as error:
        raise ImageError(name, NO_ROOM) from error
    except PermissionError as error:
        raise ImageError(name, "cannot be opened: permission was denied") from error
    except Exception as error:  # a decoder fed with garbage raises almost anything; the cause is kept
        reason = "is not a picture that can be read here: save it as JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF"
        raise ImageError(name, reason) from error


def _choose_decoder(file: str | Path | BytesIO) -> Image.Image:
    """Open a picture with Pillow or, for HEIC, with pillow-heif, which is not registered for all that use Pillow."""
    try:
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        import pillow_heif  # not before it is needed: few pictures are HEIC

        if isinstance(file, BytesIO):
            file.seek(0)
        if not pillow_heif.is_supported(file):
            raise
        heic: Image.Image = pillow_heif.HeifImageFile(file)  # type: ignore[no-untyped-call]
        return heic


def explain_missing(path: Path) -> str:
    """Return why a path does not name a picture, a clause that reads on from its name; "" if it is a file."""
    with suppress(OSError, ValueError):  # too long for a path, or with a zero byte in it
        if path.is_file():
            return ""
        if path.is_dir():
            return "is a folder without pictures, or cannot be listed: check the path"
    return "matches no pictures: check the pattern" if glob.has_magic(str(path)) else NO_FILE


def _describe_size(pixels: str) -> str:
    return f"has {pixels} pixels, and the limit is {pixel_limit() / 1e6:.0f} million: make it smaller first"


def _decode(image: Image.Image, name: str, min_side: int | None) -> list[str]:
    try:
        if min_side is not None and image.format in ("JPEG", "MPO"):
            image.draft(None, (min_side, min_side))
        # An MPO's further frames are other views of one photograph, not an animation.
        animated = image.format != "MPO" and getattr(image, "is_animated", False)
        image.load()
        if image.mode in ("P", "PA") and image.palette is None:
            raise ValueError("colours by number, and no list of them")
        return [_ONE_OF_SEVERAL.get(image.format or "", "first frame of an animation")] if animated else []
    except MemoryError:
        raise
    except Exception as error:  # decoders raise OSError, ValueError, SyntaxError, struct.error and more on damaged data
        raise ImageError(name, "is damaged or cut short, it cannot be decoded: send the file again") from error


def _read_orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        return orientation if orientation in _UPRIGHT else 1
    except Exception:  # EXIF is an extra that may be garbage; the picture itself is fine
        return 1


def _reduce_depth(image: Image.Image) -> tuple[Image.Image, list[str]]:
    if not image.mode.startswith(("I", "F")):  # I, F and every I;16*: more than eight bits a channel
        return image, []
    values = np.array(image, dtype=np.float32)  # worked on in place: 50 megapixels are 200 MB
    low, high = _find_range(values, image.mode)
    clear = image.info.get("transparency")  # a PNG may call one grey value transparent
    if isinstance(clear, int):
        values[values == clear] = high
    np.nan_to_num(values, copy=False, nan=low, posinf=high, neginf=low)
    values -= low
    values *= 255 / (high - low)
    grey = np.rint(values, out=values).clip(0, 255, out=values).astype(np.uint8)
    flattened = [_FLATTENED] if isinstance(clear, int) else []
    return Image.fromarray(grey), [f"rescaled from {low:g}..{high:g} to eight bits", *flattened]


def _find_range(values: np.ndarray, mode: str) -> tuple[float, float]:
    """Return the full range of the number format where there is one, else that of the picture's finite values."""
    finite = np.isfinite(values)
    low = float(values.min(where=finite, initial=np.inf))
    high = float(values.max(where=finite, initial=-np.inf))
    if low > high:  # not a single number in it
        return 0.0, 1.0
    if mode.startswith("I;16") or (mode == "I" and low >= 0 and 255 < high <= 65535):
        return 0.0, 65535.0
    if mode == "F" and low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and high <= 255:
        return 0.0, 255.0
    return low, max(high, low + 1)


def _flatten(image: Image.Image) -> tuple[Image.Image, list[str]]:
    if not image.has_transparency_data:
        return image, []
    # In tiles: a copy of the whole, which takes four bytes a pixel in every mode, would be needed five times.
    flat, hides = Image.new("RGB", image.size), False
    for box in _split_into_tiles(*image.size):
        tile = image.crop(box)
        # through LA leads the only way that Pillow has out of premultiplied grey
        tile = (tile.convert("LA") if tile.mode == "La" else tile).convert("RGBA")
        hides = hides or tile.getchannel("A").getextrema() != (255, 255)
        flat.paste(Image.alpha_composite(Image.new("RGBA", tile.size, "white"), tile).convert("RGB"), box)
    return flat, [_FLATTENED] if hides else []


def _split_into_tiles(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield boxes (left, top, right, bottom) of at most `TILE` pixels that cover a picture."""
    across = min(width, TILE)
    down = TILE // across
    for top in range(0, height, down):
        for left in range(0, width, across):
            yield left, top, min(left + across, width), min(top + down, height)
