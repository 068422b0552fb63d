"""Crops and views: OpenAI's rounding, each checkpoint's own processor, any shape of picture."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from PIL import Image
from support import paint
from support.encoders import EVEN, Plain

import clipsim
from clipsim import Encoder, EncoderError
from clipsim.encoders.preprocessing import compute_crop_box, crop_centre


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (1, 1), (3, 2)])
def test_the_narrowest_pictures_can_be_encoded(encoder: Encoder, size: tuple[int, int]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    vectors = encoder.encode_images([paint(*size)])
    assert np.isfinite(vectors).all()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1)])
def test_a_strip_costs_no_more_than_a_photograph(size: tuple[int, int]) -> None:
    """Resized as a whole it would have a billion pixels."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert crop_centre(paint(*size), 224, (224, 224)).size == (224, 224)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def as_openai(image: Image.Image, edge: int) -> Image.Image:
    """Resize and CenterCrop as torchvision defines them, which OpenAI's own pipeline calls."""
    width, height = image.size
    size = (edge, int(edge * height / width)) if width <= height else (int(edge * width / height), edge)
    left, top = (int(round((full - edge) / 2.0)) for full in size)  # noqa: RUF046 - torchvision's own words
    return image.resize(size, Image.Resampling.BICUBIC).crop((left, top, left + edge, top + edge))


@pytest.mark.parametrize("edge", [32, 224, 297])
@pytest.mark.parametrize(
    "size", [*EVEN, (640, 480), (481, 640), (333, 1000), (1001, 37), (226, 224), (227, 224), (35, 32)]
)
def test_the_crop_is_openais(size: tuple[int, int], edge: int) -> None:
    image = paint(*size)
    ours, theirs = (np.asarray(x, np.int16) for x in (crop_centre(image, edge, (edge, edge)), as_openai(image, edge)))
    difference = np.abs(ours - theirs)
    assert difference.max() <= 2  # both round twice, across and then down
    assert (difference > 0).mean() < 0.005


@pytest.mark.parametrize("margin", range(1, 9))
def test_an_odd_margin_is_rounded_half_to_even(clip: Encoder, tiny_clip: Path, margin: int) -> None:
    """By OpenAI's pipeline, not by transformers, which rounds down."""
    image = paint(32 + margin, 32, seed=margin)
    left = int(round(margin / 2))  # noqa: RUF046 - the rule, as it is written
    plain = Plain("clip", tiny_clip)
    cropped = image.crop((left, 0, left + 32, 32))
    vector = clip.encode_images([image])[0]
    assert vector == pytest.approx(plain.image(cropped), abs=1e-5)
    assert (np.abs(vector - plain.image(image)).max() > 1e-5) == (left != margin // 2)


def test_the_processors_own_numbers_are_used(tiny_clip: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_clip, tmp_path / "checkpoint"))
    settings = {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}
    processor = transformers.CLIPImageProcessorPil(
        **settings, resample=2, image_mean=[0.1, 0.2, 0.3], image_std=[0.5, 0.6, 0.7]
    )
    processor.save_pretrained(copy)
    image = paint(80, 60)
    expected = Plain("clip", copy).image(image)
    assert clipsim.load(str(copy), "cpu").encode_images([image])[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("size", [{"height": 32, "width": 32}, {"shortest_edge": 24}])
def test_other_ways_of_framing_follow_transformers(tiny_clip: Path, tmp_path: Path, size: dict[str, int]) -> None:
    copy = Path(shutil.copytree(tiny_clip, tmp_path / "checkpoint"))
    crop = {"height": 32, "width": 32}
    transformers.CLIPImageProcessorPil(size=size, crop_size=crop).save_pretrained(copy)
    image = paint(80, 60)
    expected = Plain("clip", copy).image(image)
    assert clipsim.load(str(copy), "cpu").encode_images([image])[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "made"),
    [
        ({"size": {"shortest_edge": 32}, "do_center_crop": False}, "any size"),
        ({"size": {"longest_edge": 32}, "do_center_crop": False}, "any size"),
        ({"size": {"shortest_edge": 48}, "crop_size": {"height": 48, "width": 48}}, "48 x 48"),
        ({"size": {"height": 48, "width": 48}, "crop_size": {"height": 32, "width": 32}}, "48 x 48"),
        ({"size": {"shortest_edge": 32}, "crop_size": {"height": 24, "width": 32}}, "32 x 24"),
    ],
)
def test_a_processor_that_does_not_fit_its_model_is_an_error(
    tiny_clip: Path, tmp_path: Path, settings: dict[str, Any], made: str
) -> None:
    copy = Path(shutil.copytree(tiny_clip, tmp_path / "checkpoint"))
    transformers.CLIPImageProcessorPil(**settings).save_pretrained(copy)
    with pytest.raises(EncoderError, match=rf"checkpoint .*{made}.* 32 x 32: .*preprocessor_config"):
        clipsim.load(str(copy), "cpu").encode_images([paint(80, 60)])


def test_siglips_processor_has_to_fit_too(tiny_siglip: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_siglip, tmp_path / "checkpoint"))
    transformers.SiglipImageProcessorPil(size={"height": 48, "width": 48}).save_pretrained(copy)
    with pytest.raises(EncoderError, match="48 x 48"):
        clipsim.load(str(copy), "cpu").encode_images([paint(80, 60)])


def test_the_part_of_a_picture_that_the_model_keeps_is_known(clip: Encoder, siglip: Encoder) -> None:
    assert clip.crop_box((100, 100)) == pytest.approx((0, 0, 100, 100))
    assert clip.crop_box((200, 100)) == pytest.approx((50, 0, 150, 100))
    assert clip.crop_box((100, 400)) == pytest.approx((0, 150, 100, 250))
    assert siglip.crop_box((100, 400)) == (0, 0, 100, 400)  # squeezed, not cropped


@pytest.mark.parametrize("size", [*EVEN, (400, 100), (33, 31), (1, 70)])
def test_siglips_view_is_what_transformers_makes_of_the_picture(
    siglip: Encoder, tiny_siglip: Path, size: tuple[int, int]
) -> None:
    image = paint(*size, seed=size[0])
    processor = transformers.SiglipImageProcessorPil.from_pretrained(tiny_siglip)
    theirs = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    ours = np.asarray(siglip.view(image))
    assert siglip.view(image).size == siglip.input_size == (32, 32)
    assert np.array_equal(ours.transpose(2, 0, 1), theirs)


def test_siglips_processor_says_how_to_resize(tiny_siglip: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_siglip, tmp_path / "checkpoint"))
    processor = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32}, resample=2)
    processor.save_pretrained(copy)
    image = paint(80, 60)
    expected = Plain("siglip", copy).image(image)
    assert clipsim.load(str(copy), "cpu").encode_images([image])[0] == pytest.approx(expected, abs=1e-5)
    assert np.abs(Plain("siglip", tiny_siglip).image(image) - expected).max() > 1e-4


@pytest.mark.parametrize("size", EVEN)
def test_clips_view_is_what_transformers_makes_of_the_picture(
    clip: Encoder, tiny_clip: Path, size: tuple[int, int]
) -> None:
    """Where the margins are even; resizing the kept part alone rounds a few pixels the other way."""
    image = paint(*size, seed=size[0])
    processor = transformers.CLIPImageProcessorPil.from_pretrained(tiny_clip)
    theirs = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    ours = np.asarray(clip.view(image), int)
    assert clip.view(image).size == clip.input_size == (32, 32)
    assert np.abs(ours.transpose(2, 0, 1) - theirs).max() <= 2


def test_views_are_encoded_as_they_are(encoder: Encoder) -> None:
    images = [paint(80, 60), paint(50, 90, seed=1), paint(32, 32, seed=2)]
    looks = [encoder.view(image) for image in images]
    assert encoder.encode_views(looks) == pytest.approx(encoder.encode_images(images), abs=1e-6)
    assert [encoder.view(look).tobytes() for look in looks] == [look.tobytes() for look in looks]
    assert encoder.encode_views([]).shape == (0, encoder.width)


@pytest.mark.parametrize(("edge", "crop"), [(32, (32, 32)), (224, (224, 224)), (297, (260, 260)), (40, (32, 24))])
@pytest.mark.parametrize("size", [(100, 100), (640, 480), (333, 1000), (1001, 370), (227, 224)])
def test_the_box_of_the_crop_is_where_its_pixels_come_from(
    size: tuple[int, int], edge: int, crop: tuple[int, int]
) -> None:
    """Of a picture whose pixels hold their own place, across and then down."""
    box = compute_crop_box(size, edge, crop)
    for axis in (0, 1):
        places = np.arange(size[axis], dtype=np.float32) + 0.5
        shape = (1, -1) if axis == 0 else (-1, 1)
        grid = np.broadcast_to(places.reshape(shape), (size[1], size[0]))
        kept = np.asarray(crop_centre(Image.fromarray(np.ascontiguousarray(grid)), edge, crop))
        line = kept.mean(axis=axis)
        step = (box[axis + 2] - box[axis]) / crop[axis]
        expected = box[axis] + (np.arange(crop[axis]) + 0.5) * step
        inner = slice(6, -6)  # at the margins resizing has pixels on one side only
        assert line[inner] == pytest.approx(expected[inner], abs=0.02 * step + 0.02)


@pytest.mark.parametrize("size", [(100, 60), (60, 100), (50, 50)])
def test_a_crop_that_is_larger_than_the_picture_reaches_beyond_it(size: tuple[int, int]) -> None:
    left, top, right, bottom = compute_crop_box(size, 24, (32, 32))
    assert (right - left, bottom - top) == pytest.approx((32 * min(size) / 24,) * 2, rel=0.02)
    assert (left + right, top + bottom) == pytest.approx(size, abs=3)
    assert min(left, top) < 0


def test_only_large_pictures_are_reduced_before_they_are_resized() -> None:
    small, large = paint(1600, 1200), paint(2400, 1800)
    box = compute_crop_box(small.size, 32, (32, 32))
    plain = np.asarray(small.resize((32, 32), Image.Resampling.BICUBIC, box), int)
    assert np.array_equal(np.asarray(crop_centre(small, 32, (32, 32))), plain)
    box = compute_crop_box(large.size, 32, (32, 32))
    plain = np.asarray(large.resize((32, 32), Image.Resampling.BICUBIC, box), int)
    difference = np.abs(np.asarray(crop_centre(large, 32, (32, 32))) - plain)
    assert 0 < difference.max() <= 6


def test_a_large_picture_moves_a_cosine_in_the_fourth_decimal_at_most(clip: Encoder) -> None:
    captions = clip.encode_texts(["the cat", "a dog", "snow"])
    noise = np.random.default_rng(0).normal(0, 6, (1800, 2400, 3))
    large = Image.fromarray((np.asarray(paint(2400, 1800)) + noise).clip(0, 255).astype(np.uint8))
    plain = large.resize((32, 32), Image.Resampling.BICUBIC, compute_crop_box(large.size, 32, (32, 32)))
    moved = np.abs((clip.encode_images([large]) - clip.encode_views([plain])) @ captions.T)
    assert 1e-6 < moved.max() < 1e-3
