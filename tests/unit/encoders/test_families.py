"""SigLIP 2 NaFlex, MetaCLIP 2 and TIPSv2: plain transformers' own vectors, whatever the batch and the length."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import transformers
from PIL import Image
from support import paint
from support.families import ALONE, READS, Alone

import clipsim
from clipsim import Encoder, EncoderError
from clipsim.encoders.families import KNOWN
from clipsim.encoders.preprocessing import fit_patches

SIZES = [(32, 32), (64, 80), (300, 200), (97, 31), (400, 20), (15, 230), (1, 500), (36, 32)]
TEXTS = ["cat", "the dog in the snow", "a photo, with more", "x y z", "é", "the cat's dog " * 5]


@pytest.fixture(scope="module", params=list(ALONE))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def alone(family: str) -> Alone:
    return ALONE[family]


@pytest.fixture(scope="module")
def folder(alone: Alone, tiny_siglip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_siglip)
    tokenizer.model_max_length = READS
    return alone.save(tmp_path_factory.mktemp("families") / f"tiny-{alone.model.__name__.lower()}", tokenizer)


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return clipsim.load(str(folder), "cpu")


def test_it_says_what_it_is(encoder: Encoder, family: str, folder: Path) -> None:
    assert (encoder.family, encoder.name, encoder.device) == (family, folder.name, "cpu")
    assert encoder.width == encoder.encode_texts(["a cat"]).shape[1]
    assert encoder.logit_scale > 0


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_of_any_shape_is_encoded_as_by_plain_transformers(
    encoder: Encoder, alone: Alone, folder: Path, size: tuple[int, int]
) -> None:
    image = paint(*size, seed=size[0])
    vector = encoder.encode_images([image])[0]
    if alone.model is transformers.MetaClip2Model:  # whose crop rounds as OpenAI's own
        image = encoder.view(image)
    assert vector == pytest.approx(alone.encode_image(folder, image), abs=2e-5)


@pytest.mark.parametrize("count", [*range(1, 6), 15, 16, 17, 62, 63, 64, 100, 300])
def test_a_caption_of_any_length_is_encoded_as_by_plain_transformers(
    encoder: Encoder, alone: Alone, folder: Path, count: int
) -> None:
    text = " ".join(["snow", "x"][n % 2] for n in range(count))
    vectors = encoder.encode_texts(["the cat", text])
    assert vectors[1] == pytest.approx(alone.encode_text(folder, text), abs=2e-5)
    assert bool(encoder.truncated_text(text)) == (count > READS - 1)


def test_the_batch_changes_nothing(encoder: Encoder) -> None:
    images = [paint(*size, seed=n) for n, size in enumerate(SIZES * 3)]
    texts = TEXTS * 3
    whole = encoder.encode_images(images)
    gaps = np.abs(whole[: len(SIZES), None] - whole[None, : len(SIZES)]).max(axis=-1)
    assert gaps[~np.eye(len(SIZES), dtype=bool)].min() > 1e-3  # they could be told apart
    for size in (1, 5):
        parts = [encoder.encode_images(images[start : start + size]) for start in range(0, len(images), size)]
        assert np.concatenate(parts) == pytest.approx(whole, abs=2e-5)
        words = [encoder.encode_texts(texts[start : start + size]) for start in range(0, len(texts), size)]
        assert np.concatenate(words) == pytest.approx(encoder.encode_texts(texts), abs=2e-5)
    assert encoder.encode_images([]).shape == (0, encoder.width)
    assert encoder.encode_texts([]).shape == (0, encoder.width)


def test_scores_maps_and_every_framing_come_out(encoder: Encoder) -> None:
    images = [paint(120, 60), paint(40, 90, seed=2)]
    for framing in ("crop", "pad", "tiles-best"):
        result = clipsim.score_images(images, "the cat", encoder, framing=framing, heatmap=True, words=True)
        assert len(result) == 2
        assert all(score.heatmap and score.heatmap.method == encoder.map_method for score in result)
    maps = encoder.maps([encoder.view(image) for image in images], encoder.encode_texts(["the cat"])[0])
    assert len(maps) == 2
    assert np.isfinite(maps).all()


@pytest.mark.parametrize("family", ["siglip2"], indirect=True)
@pytest.mark.parametrize("size", [(400, 20), (640, 480), (3, 700)])
def test_naflex_sees_all_of_a_picture_in_its_own_aspect(encoder: Encoder, size: tuple[int, int]) -> None:
    (score,) = clipsim.score_images([paint(*size)], "the cat", encoder)
    assert score.seen == 1
    view = encoder.view(paint(*size))
    assert view.width % 8 == view.height % 8 == 0
    assert view.width // 8 * (view.height // 8) <= 20
    assert (view.width > view.height) == (size[0] > size[1])


@pytest.mark.parametrize("most", [16, 20, 256, 1024])
@pytest.mark.parametrize("size", [*SIZES, (1920, 1080), (1, 1), (20_000, 3), (224, 224), (257, 256)])
def test_the_grid_of_patches_is_transformers(size: tuple[int, int], most: int) -> None:
    from transformers.models.siglip2.image_processing_pil_siglip2 import get_image_size_for_max_num_patches

    height, width = get_image_size_for_max_num_patches(size[1], size[0], 16, most)
    assert fit_patches(size, 16, most) == (width, height)


@pytest.mark.parametrize("family", ["tipsv2"], indirect=True)
def test_tips_finds_a_place_by_the_cosine_of_its_patches(encoder: Encoder) -> None:
    target = encoder.encode_texts(["the cat"])[0]
    (grid,) = encoder.maps([encoder.view(paint(60, 40))], target)
    assert grid.shape == (3, 3)
    assert np.abs(grid).max() <= 1
    assert encoder.logit_scale == pytest.approx(1 / encoder._model.temperature.item())  # type: ignore[attr-defined]


@pytest.mark.parametrize("family", ["siglip2"], indirect=True)
def test_captions_are_filled_up_on_the_side_that_the_tokenizer_says(alone: Alone, folder: Path, tmp_path: Path) -> None:
    vectors = []
    for side in ("left", "right"):
        other = Path(shutil.copytree(folder, tmp_path / side))
        transformers.AutoTokenizer.from_pretrained(folder, padding_side=side).save_pretrained(other)
        vectors.append(clipsim.load(str(other), "cpu").encode_texts(["the cat"])[0])
        assert vectors[-1] == pytest.approx(alone.encode_text(other, "the cat"), abs=2e-5)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


def test_a_head_is_tuned_on_any_family_and_no_training_is_begun_on_an_unknown_one(encoder: Encoder) -> None:
    from clipsim.tuning.saving import choose_base
    from clipsim.tuning.settings import TuneOptions

    with pytest.raises(clipsim.UsageError, match="head"):
        choose_base(encoder, None, TuneOptions(method="lora"))  # type: ignore[arg-type]  # it is not looked at
    assert choose_base(encoder, None, TuneOptions())[0] is encoder  # type: ignore[arg-type]


def test_other_families_are_refused_with_the_list_of_what_is_known(tmp_path: Path) -> None:
    transformers.BlipConfig().save_pretrained(tmp_path)
    with pytest.raises(EncoderError, match="'blip'") as caught:
        clipsim.load(str(tmp_path), "cpu")
    assert KNOWN in str(caught.value)
    assert all(known in KNOWN for known in ("clip", "metaclip_2", "siglip", "siglip2", "tipsv2", "open_clip"))


def test_a_picture_that_is_no_whole_number_of_patches_is_framed(encoder: Encoder) -> None:
    odd = Image.new("RGB", (45, 33), "red")
    if encoder.family == "siglip2":
        assert encoder.encode_views([odd]) == pytest.approx(encoder.encode_images([odd]), abs=1e-6)
