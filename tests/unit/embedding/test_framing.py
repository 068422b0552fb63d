"""What of a picture goes into the model: crops, padding, tiles, contrast, and how much of it that is."""

from __future__ import annotations

import base64
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter
from support import ByMean, paint

from clipsim import Encoder, Options, score_images
from clipsim.embedding import View, draw_thumbnail
from clipsim.embedding.framing import (
    GREY,
    MAX_TILES,
    OVERLAP,
    TILE_SIDES,
    compute_coverage,
    cut_seen,
    frame,
    place_tiles,
)
from clipsim.options import CONTRASTS, FRAMINGS, Contrast, Framing

SIZES = [(32, 32), (40, 30), (30, 40), (97, 64), (300, 100), (64, 500), (1000, 667), (3, 2), (1, 1)]
LONGEST = MAX_TILES * min(TILE_SIDES)  # sides, up to which the closer looks cover a picture too


def share(size: tuple[int, int], encoder: Encoder, framing: Framing) -> float:
    return compute_coverage(frame(paint(*size), encoder, Options(framing)), size)


def dull(size: tuple[int, int] = (80, 60)) -> Image.Image:
    """Paint a picture all of whose values lie between 100 and 140."""
    return Image.fromarray((100 + np.asarray(paint(*size)) * (40 / 255)).astype(np.uint8))


def spread(image: Image.Image) -> int:
    values = np.asarray(image)
    return int(values.max()) - int(values.min())


@pytest.mark.parametrize(("size", "kept"), [((400, 300), 0.75), ((300, 400), 0.75), ((400, 100), 0.25), ((90, 90), 1)])
def test_clips_own_crop_sees_the_middle_square(clip: Encoder, size: tuple[int, int], kept: float) -> None:
    assert share(size, clip, "crop") == pytest.approx(kept, abs=0.02)  # of 32 pixels one is 3 %


@pytest.mark.parametrize("size", [(400, 300), (400, 100), (90, 90)])
def test_siglips_own_way_sees_all(siglip: Encoder, size: tuple[int, int]) -> None:
    assert share(size, siglip, "crop") == 1


def test_the_stand_ins_own_crop_leaves_a_margin(stand_in: Encoder) -> None:
    assert share((300, 300), stand_in, "crop") == pytest.approx((260 / 297) ** 2, abs=0.01)


@pytest.mark.parametrize("framing", ["pad", "tiles-best", "tiles-mean"])
@pytest.mark.parametrize("size", SIZES)
def test_the_other_framings_see_all(clip: Encoder, framing: Framing, size: tuple[int, int]) -> None:
    assert share(size, clip, framing) == pytest.approx(1)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("size", [(80, 60), (400, 100), (1, 500), (1, 1)])
def test_every_view_has_the_models_own_size(
    clip: Encoder, siglip: Encoder, framing: Framing, size: tuple[int, int]
) -> None:
    for encoder in (clip, siglip):
        for contrast in CONTRASTS:
            assert {look.image.size for look in frame(paint(*size), encoder, Options(framing, contrast))} == {(32, 32)}


@pytest.mark.parametrize("name", ["clip", "siglip", "stand_in"])
def test_the_own_way_is_what_encode_images_does(name: str, request: pytest.FixtureRequest) -> None:
    encoder = request.getfixturevalue(name)
    images = [paint(80, 60), paint(60, 200, seed=1), paint(33, 33, seed=2)]
    looks = [look for image in images for look in frame(image, encoder)]
    assert len(looks) == 3
    vectors = encoder.encode_images(images)
    assert encoder.encode_views([look.image for look in looks]) == pytest.approx(vectors, abs=1e-6)
    assert encoder.encode_views([encoder.view(image) for image in images]) == pytest.approx(vectors, abs=1e-6)


@pytest.mark.parametrize(("size", "inner"), [((400, 100), (32, 8)), ((100, 400), (8, 32)), ((64, 48), (32, 24))])
def test_padding_keeps_the_aspect_and_centres_on_grey(
    clip: Encoder, size: tuple[int, int], inner: tuple[int, int]
) -> None:
    (look,) = frame(Image.new("RGB", size, "white"), clip, Options("pad"))
    pixels = np.asarray(look.image)
    white, grey = (pixels == 255).all(axis=2), (pixels == GREY).all(axis=2)
    assert (white | grey).all()
    rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
    assert (len(columns), len(rows)) == inner
    assert white.sum() == inner[0] * inner[1]
    assert abs(rows[0] + rows[-1] - 31) <= 1
    assert abs(columns[0] + columns[-1] - 31) <= 1


@pytest.mark.parametrize("size", [(400, 100), (100, 400), (64, 48)])
def test_the_box_of_a_padded_picture_reaches_beyond_it_by_its_bars(clip: Encoder, size: tuple[int, int]) -> None:
    (look,) = frame(Image.new("RGB", size, "white"), clip, Options("pad"))
    left, top, right, bottom = look.box
    long = max(size)
    assert (right - left, bottom - top) == pytest.approx((long, long))
    assert (left + right, top + bottom) == pytest.approx(size)


def test_what_a_view_shows_is_what_its_box_says(clip: Encoder) -> None:
    """In a picture whose red rises from left to right and whose green from top to bottom, colours tell places."""
    across, down = np.meshgrid(np.linspace(0, 255, 500), np.linspace(0, 255, 300))
    image = Image.fromarray(np.stack([across, down, across * 0], axis=-1).round().astype(np.uint8))
    for framing in ("crop", "tiles-best"):
        for look in frame(image, clip, Options(framing)):
            red, green, _ = np.asarray(look.image, float).mean(axis=(0, 1))
            left, top, right, bottom = look.box
            assert red == pytest.approx((left + right) / 2 / 500 * 255, abs=1.5)
            assert green == pytest.approx((top + bottom) / 2 / 300 * 255, abs=1.5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("which", range(len(TILE_SIDES)))
def test_tiles_of_either_size_cover_every_pixel_with_squares(size: tuple[int, int], which: int) -> None:
    if max(size) > LONGEST * min(size):
        which = 0
    side = TILE_SIDES[which] * min(size)
    boxes = [box for box in place_tiles(size) if box[2] - box[0] == pytest.approx(side)]
    covered = np.zeros((size[1], size[0]), bool)
    for left, top, right, bottom in boxes:
        assert bottom - top == pytest.approx(side)
        assert min(left, top) >= 0
        assert right <= size[0] + 1e-9
        assert bottom <= size[1] + 1e-9
        across, down = (np.arange(length) + 0.5 for length in size)
        inside = (across >= left) & (across <= right), (down >= top) & (down <= bottom)
        covered |= inside[1][:, None] & inside[0][None, :]
    assert covered.all()


@pytest.mark.parametrize("size", [(40, 30), (300, 100), (64, 320), (1000, 667)])
def test_neighbouring_tiles_overlap_by_a_quarter(size: tuple[int, int]) -> None:
    boxes = place_tiles(size)
    for share_of in TILE_SIDES:
        side = share_of * min(size)
        for axis in (0, 1):
            starts = sorted({box[axis] for box in boxes if box[2] - box[0] == pytest.approx(side)})
            assert all(b - a <= (1 - OVERLAP) * side + 1e-6 for a, b in pairwise(starts))


def test_a_square_has_one_tile_of_full_size() -> None:
    assert place_tiles((50, 50)).count((0, 0, 50, 50)) == 1


@pytest.mark.parametrize("size", [(1, 50_000), (50_000, 1), (2, 50_000)])
def test_the_tiles_of_a_strip_are_bounded_and_it_is_said_how_little_they_see(
    clip: Encoder, size: tuple[int, int]
) -> None:
    looks = frame(Image.new("RGB", size), clip, Options("tiles-best"))
    assert len(looks) <= 3 * MAX_TILES
    assert compute_coverage(looks, size) <= 2 * MAX_TILES * min(size) / max(size)


def test_parts_that_are_seen_twice_count_once() -> None:
    looks = [View(Image.new("RGB", (8, 8)), box) for box in ((0, 0, 50, 40), (25, 0, 75, 40), (25, 0, 50, 40))]
    assert compute_coverage(looks, (100, 40)) == pytest.approx(0.75)


@pytest.mark.parametrize("framing", ["crop", "tiles-best"])
def test_auto_contrast_stretches_a_dull_picture(clip: Encoder, framing: Framing) -> None:
    plainly, evened = (frame(dull(), clip, Options(framing, contrast)) for contrast in ("as-is", "auto"))
    assert max(spread(look.image) for look in plainly) < 50
    assert min(spread(look.image) for look in evened) > 200
    assert [look.box for look in plainly] == [look.box for look in evened]


def test_auto_contrast_leaves_a_picture_of_full_range_nearly_unchanged(clip: Encoder) -> None:
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 64).round().astype(np.uint8), (64, 1))).convert("RGB")
    (plainly,), (evened,) = (frame(ramp, clip, Options("crop", contrast)) for contrast in ("as-is", "auto"))
    difference = np.abs(np.asarray(plainly.image, int) - np.asarray(evened.image, int))
    assert difference.max() <= 8
    assert difference.mean() <= 4


def test_a_few_glints_do_not_stop_auto_contrast(clip: Encoder) -> None:
    image = dull((32, 32))
    image.putpixel((0, 0), (255, 255, 255))
    image.putpixel((31, 31), (0, 0, 0))
    (look,) = frame(image, clip, Options("crop", "auto"))
    middle = np.asarray(look.image)[4:28, 4:28]
    assert int(middle.max()) - int(middle.min()) > 200


def test_auto_contrast_keeps_the_hue(clip: Encoder) -> None:
    """A reddish picture stays reddish; channel by channel it would turn grey."""
    ramp = np.linspace(60, 100, 32).round().astype(np.uint8)
    image = Image.fromarray(np.stack([np.tile(ramp + 40, (32, 1)), *[np.tile(ramp, (32, 1))] * 2], axis=-1))
    (look,) = frame(image, clip, Options("crop", "auto"))
    red, green, blue = np.asarray(look.image, float).mean(axis=(0, 1))
    assert red > green + 40
    assert green == pytest.approx(blue)


@pytest.mark.parametrize("colour", ["black", "white", (90, 140, 20)])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_auto_contrast_leaves_one_colour_alone(clip: Encoder, colour: Any, framing: Framing) -> None:
    image = Image.new("RGB", (80, 40), colour)
    plainly, evened = (frame(image, clip, Options(framing, contrast)) for contrast in ("as-is", "auto"))
    assert [a.image.tobytes() for a in plainly] == [b.image.tobytes() for b in evened]


def test_the_grey_bars_take_no_part_in_auto_contrast(clip: Encoder) -> None:
    (look,) = frame(dull((400, 100)), clip, Options("pad", "auto"))
    pixels = np.asarray(look.image)
    assert (pixels[:11] == GREY).all()
    assert (pixels[-11:] == GREY).all()
    assert spread(look.image.crop((0, 12, 32, 20))) > 200


def decoded(address: str) -> Image.Image:
    start, _, data = address.partition(",")
    assert start == "data:image/jpeg;base64"
    image = Image.open(BytesIO(base64.b64decode(data, validate=True)))
    image.load()
    assert image.format == "JPEG"
    return image


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("size", [(80, 60), (400, 100), (1, 500)])
def test_a_thumbnail_is_a_jpeg_data_address(clip: Encoder, framing: Framing, size: tuple[int, int]) -> None:
    image = decoded(draw_thumbnail(frame(paint(*size), clip, Options(framing))))
    assert max(image.size) <= 224
    assert image.width > 200


def test_a_thumbnail_shows_what_the_model_saw(clip: Encoder) -> None:
    image = Image.new("RGB", (300, 100), "blue")
    image.paste("red", (100, 0, 200, 100))
    cropped = np.asarray(decoded(draw_thumbnail(frame(image, clip))), int)
    assert (cropped[..., 0] > 200).all()
    assert cropped[..., 2].max() < 60
    padded = np.asarray(decoded(draw_thumbnail(frame(image, clip, Options("pad")))), int)
    assert (padded[112, 10, 2], padded[112, 112, 0]) == (pytest.approx(255, abs=30), pytest.approx(255, abs=30))
    assert padded[10, 112] == pytest.approx(GREY, abs=20)


@pytest.mark.parametrize("size", [(500, 375), (700, 650), (1300, 1000), (4000, 3000), (4000, 70), (3, 5000)])
def test_what_was_seen_is_cut_out_as_careful_resizing_would_do(size: tuple[int, int]) -> None:
    image = paint(*size).filter(ImageFilter.GaussianBlur(max(size) / 200))
    small = cut_seen(image, [View(image, (0, 0, *size))], 320)
    assert max(small.size) == 320
    careful = image.resize(small.size, Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(small, float) - np.asarray(careful, float)).mean() < 3


@pytest.mark.parametrize("left", [0.0, 1.0, 1.5, 2.5, 3.3])
def test_of_a_picture_that_is_small_already_whole_pixels_are_cut_out(left: float) -> None:
    image = paint(99, 60)
    small = cut_seen(image, [View(image, (left, 0, 99, 60))], 320)
    assert small.height == 60 and abs(small.width - (99 - left)) <= 0.5
    cuts = [image.crop((start, 0, start + small.width, 60)) for start in (0, 1, 2, 3) if start + small.width <= 99]
    assert any(np.array_equal(np.asarray(small), np.asarray(cut)) for cut in cuts)


def test_thumbnails_come_with_the_scores_that_ask_for_them(stand_in: Encoder) -> None:
    items = [(Image.new("RGB", (60, 60), colour), colour) for colour in ("red", "blue", "lime")]
    for score in score_images(items, "a cat", stand_in, thumbnails=True).scores:
        expected = np.asarray(Image.new("RGB", (1, 1), score.name))[0, 0]
        assert np.asarray(decoded(score.thumbnail or ""))[100, 100] == pytest.approx(expected, abs=30)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_an_encoder_with_nothing_but_the_protocol_works_with_every_framing(
    framing: Framing, contrast: Contrast
) -> None:
    encoder = ByMean()
    result = score_images(
        [paint(80, 60), paint(40, 90)], "a cat", encoder, framing=framing, contrast=contrast, thumbnails=True
    )
    assert [score.seen for score in result.scores] == pytest.approx([1, 1])
    assert all(np.isfinite(score.cosine) for score in result.scores)
    assert all(decoded(score.thumbnail or "").width > 100 for score in result.scores)
    assert (set(encoder.sizes) == {(224, 224)}) == (framing != "crop")
