"""Small random CLIP and SigLIP checkpoints through clipsim, against plain transformers."""

from __future__ import annotations

import json
import math
import resource
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from support import paint
from torch.nn.functional import normalize

import clipsim
from clipsim import Encoder, EncoderError
from clipsim.encoders.torch_encoder import centre_crop, crop_box

CLASSES = {
    "clip": (transformers.CLIPModel, transformers.CLIPImageProcessorPil),
    "siglip": (transformers.SiglipModel, transformers.SiglipImageProcessorPil),
}
WIDTHS = {"clip": 24, "siglip": 32}
READS = {"clip": 18, "siglip": 15}  # one-letter words that fit beside the special tokens
EVEN = [(32, 32), (40, 32), (32, 52), (64, 80), (128, 96), (300, 200), (97, 97), (20, 25)]  # margins of the crop
TEXTS = [
    "cat",
    "the dog",
    "x",
    "the dog in the snow",
    "a photo, with more",
    "the cat's dog",
    "!",
    "snow snow snow",
    "é",
]
LETTERS = list("abcdefghijklmnopqrstuvwxyz")


@pytest.fixture(params=["clip", "siglip"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(family: str, tiny_clip: Path, tiny_siglip: Path) -> Path:
    return {"clip": tiny_clip, "siglip": tiny_siglip}[family]


@pytest.fixture
def encoder(family: str, clip: Encoder, siglip: Encoder) -> Encoder:
    return {"clip": clip, "siglip": siglip}[family]


class Plain:
    """What transformers alone makes of one picture or one caption, no batch and no padding but SigLIP's own."""

    def __init__(self, family: str, folder: Path) -> None:
        model_class, processor_class = CLASSES[family]
        self.model = model_class.from_pretrained(folder).eval()
        self.processor = processor_class.from_pretrained(folder)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.family = family

    def pixels(self, values: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            vector = self.model.get_image_features(torch.as_tensor(values)).pooler_output
        return np.asarray(normalize(vector, dim=-1)[0])

    def image(self, image: Image.Image) -> np.ndarray:
        return self.pixels(self.processor(image, return_tensors="np")["pixel_values"])

    def ids(self, ids: list[int]) -> np.ndarray:
        with torch.inference_mode():
            vector = self.model.get_text_features(torch.as_tensor([ids])).pooler_output
        return np.asarray(normalize(vector, dim=-1)[0])

    def text(self, text: str) -> np.ndarray:
        ids = self.tokenizer(text.lower()).input_ids
        if self.family == "siglip":
            ids += [self.tokenizer.pad_token_id] * (16 - len(ids))
        return self.ids(ids)


@pytest.fixture
def plain(family: str, folder: Path) -> Plain:
    return Plain(family, folder)


def far_apart(vectors: np.ndarray) -> bool:
    """Whether no two vectors are so close that a test of 1e-5 could take one for the other."""
    gaps = np.abs(vectors[:, None] - vectors[None]).max(axis=-1)
    return bool(gaps[~np.eye(len(vectors), dtype=bool)].min() > 1e-3)


def test_images_are_encoded_as_by_plain_transformers(encoder: Encoder, plain: Plain) -> None:
    images = [paint(*size, seed=n) for n, size in enumerate(EVEN)]
    vectors = encoder.encode_images(images)
    assert far_apart(vectors)
    assert vectors == pytest.approx(np.stack([plain.image(image) for image in images]), abs=1e-5)


def test_texts_are_encoded_as_by_plain_transformers(encoder: Encoder, plain: Plain) -> None:
    vectors = encoder.encode_texts(TEXTS)
    assert far_apart(vectors)
    assert vectors == pytest.approx(np.stack([plain.text(text) for text in TEXTS]), abs=1e-5)


@pytest.mark.parametrize("size", [1, 3, 50])
def test_batch_size_order_and_padding_change_nothing(encoder: Encoder, size: int) -> None:
    images = [paint(*EVEN[n % len(EVEN)], seed=n) for n in range(50)]
    texts = [" ".join(LETTERS[: 1 + n % 12]) + " cat" * (n % 5) for n in range(50)]
    order = np.random.default_rng(3).permutation(50)
    for encode, items in ((encoder.encode_images, images), (encoder.encode_texts, texts)):
        whole = encode(items)
        parts = [encode([items[i] for i in order[start : start + size]]) for start in range(0, 50, size)]
        assert np.concatenate(parts) == pytest.approx(whole[order], abs=1e-5)


@pytest.mark.parametrize("count", [0, 1, 17])
def test_vectors_are_float32_of_unit_length(encoder: Encoder, family: str, count: int) -> None:
    assert encoder.width == WIDTHS[family]
    for vectors in (encoder.encode_images([paint(40, 32)] * count), encoder.encode_texts(["the cat"] * count)):
        assert vectors.shape == (count, WIDTHS[family])
        assert vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(count), abs=1e-6)


@pytest.mark.filterwarnings("error")
def test_the_logit_scale_is_what_a_cosine_is_multiplied_with(clip: Encoder, siglip: Encoder) -> None:
    assert clip.logit_scale == pytest.approx(math.exp(3))
    assert siglip.logit_scale == pytest.approx(math.exp(2))


def test_an_encoder_says_what_it_is(encoder: Encoder, folder: Path, family: str) -> None:
    assert (encoder.name, encoder.device) == (folder.name, "cpu")
    assert getattr(encoder, "family", "") == family


def cut_by_words(encoder: Any, caption: str) -> str:
    return str(encoder.words_cut(caption))


def test_a_caption_that_is_too_long_is_cut_and_keeps_its_end_token(encoder: Encoder, plain: Plain, family: str) -> None:
    long = " ".join(LETTERS)
    ids = plain.tokenizer(long, truncation=False).input_ids
    longest = plain.model.config.text_config.max_position_embeddings
    assert len(ids) > longest
    by_hand = plain.ids([*ids[: longest - 1], ids[-1]])
    vectors = encoder.encode_texts([long, " ".join(LETTERS[: READS[family]]), " ".join(LETTERS[: READS[family] - 1])])
    assert vectors[0] == pytest.approx(by_hand, abs=1e-5)
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-5)
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-3


def test_a_long_caption_beside_short_ones_changes_none_of_them(encoder: Encoder) -> None:
    texts = ["cat", " ".join(LETTERS * 4), "the dog"]
    alone = np.concatenate([encoder.encode_texts([text]) for text in texts])
    assert encoder.encode_texts(texts) == pytest.approx(alone, abs=1e-5)


def test_the_words_cut_are_exactly_those_that_are_not_read(encoder: Encoder, family: str) -> None:
    kept = READS[family]
    assert cut_by_words(encoder, " ".join(LETTERS)) == " ".join(LETTERS[kept:])
    assert cut_by_words(encoder, " ".join(LETTERS[: kept + 1])) == LETTERS[kept]
    assert cut_by_words(encoder, " ".join(LETTERS[:kept])) == ""
    assert cut_by_words(encoder, "") == ""


@pytest.mark.parametrize("space", ["  ", "\n", "\t", "\u00a0"])
def test_any_white_space_parts_the_words_that_are_cut(clip: Encoder, space: str) -> None:
    caption = "".join(letter + (space if n % 2 else " ") for n, letter in enumerate(LETTERS))
    assert cut_by_words(clip, caption).split() == LETTERS[READS["clip"] :]


def test_a_word_is_cut_whole(encoder: Encoder, family: str) -> None:
    kept = LETTERS[: READS[family] - 2]
    assert cut_by_words(encoder, " ".join([*kept, "zebra", "cat"])) == "zebra cat"


def test_one_endless_word_is_cut_where_the_model_stops(clip: Encoder) -> None:
    assert cut_by_words(clip, "q" * 30) == "q" * 12


@pytest.mark.parametrize(
    ("written", "plainly"),
    [
        ("the cat’s “snow”", 'the cat\'s "snow"'),
        ("cat &amp; dog", "cat & dog"),
        ("cat &amp;amp; dog", "cat & dog"),
        ("THE Cat", "the cat"),
        ("the   cat\n dog", "the cat dog"),
        ("the caf\u0065\u0301", "the caf\u00e9"),
        ("the cafÃ©", "the café"),
    ],
)
def test_clip_reads_a_caption_as_its_training_cleaned_it(clip: Encoder, written: str, plainly: str) -> None:
    vectors = clip.encode_texts([written, plainly])
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-6)


def test_siglip_reads_lower_case(siglip: Encoder) -> None:
    vectors = siglip.encode_texts(["The CAT", "the cat"])
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-6)


def test_siglip_pads_every_caption_to_full_length(siglip: Encoder, tiny_siglip: Path) -> None:
    unpadded = Plain("siglip", tiny_siglip)
    vector = unpadded.ids(unpadded.tokenizer("cat").input_ids)
    assert np.abs(siglip.encode_texts(["cat"])[0] - vector).max() > 1e-3


def test_eight_threads_get_what_one_gets(folder: Path) -> None:
    texts = [[" ".join(LETTERS[: 1 + (n * 5 + k) % 26]) for k in range(1 + n % 4)] for n in range(48)]
    images = [[paint(40 + n, 32, seed=n)] for n in range(48)]
    words = [group[0] for group in texts]
    serial: Any = clipsim.load(str(folder), "cpu")
    expected = [serial.encode_texts(group) for group in texts], [serial.encode_images(group) for group in images]
    expected_cut = [serial.words_cut(word) for word in words]
    shared: Any = clipsim.load(str(folder), "cpu")  # the first call, which reads the weights, is shared too
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            (
                pool.submit(shared.encode_texts, a),
                pool.submit(shared.encode_images, b),
                pool.submit(shared.words_cut, c),
            )
            for a, b, c in zip(texts, images, words, strict=True)
        ]
        for n, (text, image, cut) in enumerate(jobs):
            assert text.result() == pytest.approx(expected[0][n], abs=1e-5)
            assert image.result() == pytest.approx(expected[1][n], abs=1e-5)
            assert cut.result() == expected_cut[n]


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "checkpoint"))


def failure(folder: Path) -> str:
    """The sentence with which the checkpoint in `folder` is refused, on loading or at the first call."""
    with pytest.raises(EncoderError) as caught:
        clipsim.load(str(folder), "cpu").encode_texts(["the cat"])
    message = str(caught.value)
    assert "\n" not in message
    assert folder.name in message
    return message


def test_weights_are_read_at_the_first_call_and_kept(copy: Path, encoder: Encoder) -> None:
    lazy = clipsim.load(str(copy), "cpu")
    aside = copy.rename(copy.with_name("aside"))
    with pytest.raises(EncoderError):
        lazy.encode_texts(["the cat"])
    aside.rename(copy)
    first = lazy.encode_texts(["the cat"])
    shutil.rmtree(copy)
    assert np.array_equal(lazy.encode_texts(["the cat"]), first)
    assert first == pytest.approx(encoder.encode_texts(["the cat"]), abs=1e-6)


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_damaged_or_missing_weights_are_an_error(copy: Path, content: bytes | None) -> None:
    weights = copy / "model.safetensors"
    if content is None:
        weights.unlink()
    else:
        weights.write_bytes(content)
    failure(copy)


def test_weights_that_are_cut_short_are_an_error(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    failure(copy)


@pytest.mark.filterwarnings("ignore")
def test_weights_that_are_not_this_models_are_an_error(
    copy: Path, family: str, tiny_clip: Path, tiny_siglip: Path
) -> None:
    other = {"clip": tiny_siglip, "siglip": tiny_clip}[family]
    shutil.copy(other / "model.safetensors", copy)
    failure(copy)


@pytest.mark.parametrize("lost", ["text_model.encoder.layers.1.", "vision_model.embeddings.", "logit_scale"])
def test_weights_that_lack_a_part_are_an_error(copy: Path, lost: str) -> None:
    """Filled up with random numbers, as transformers does, they would give made-up scores."""
    weights = load_file(copy / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if not k.startswith(lost)}, copy / "model.safetensors", {"format": "pt"}
    )
    failure(copy)


def test_weights_that_are_not_numbers_are_an_error(copy: Path, family: str) -> None:
    model = CLASSES[family][0].from_pretrained(copy)
    model.text_model.final_layer_norm.weight.data.fill_(float("nan"))
    model.save_pretrained(copy)
    assert "damaged" in failure(copy)


def test_a_missing_tokenizer_is_an_error(copy: Path) -> None:
    for file in copy.glob("tokenizer*"):
        file.unlink()
    failure(copy)


def test_a_tokenizer_without_a_vocabulary_is_an_error(tiny_clip: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_clip, tmp_path / "checkpoint"))
    (copy / "tokenizer.json").unlink()
    assert "lacks tokenizer.json" in failure(copy)
    (copy / "vocab.json").write_text("{}")
    (copy / "merges.txt").write_text("#version: 0.2\n")
    assert "vocabulary" in failure(copy)


def test_a_checkpoint_with_its_processor_saved_as_one_is_read_alike(copy: Path, encoder: Encoder) -> None:
    whole = transformers.AutoProcessor.from_pretrained(copy, backend="pil")
    for file in copy.glob("*processor*"):
        file.unlink()
    whole.save_pretrained(copy)
    assert not (copy / "preprocessor_config.json").exists()
    vectors = clipsim.load(str(copy), "cpu").encode_images([paint(40, 30)])
    assert vectors == pytest.approx(encoder.encode_images([paint(40, 30)]), abs=1e-6)


def test_a_missing_processor_is_an_error(copy: Path) -> None:
    for file in copy.glob("*processor*"):
        file.unlink()
    failure(copy)


def test_a_model_of_another_family_is_refused_by_its_name(tmp_path: Path) -> None:
    transformers.BertConfig().save_pretrained(tmp_path)
    message = failure(tmp_path)
    assert "bert" in message
    assert "SigLIP" in message


@pytest.mark.parametrize("content", [None, "", "{", "[]", '"clip"', "{}"])
def test_a_folder_that_is_not_a_checkpoint_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    failure(tmp_path)


def test_an_extra_file_beside_the_weights_does_no_harm(copy: Path, encoder: Encoder) -> None:
    (copy / "notes.json").write_text(json.dumps({"trained": "never"}))
    assert clipsim.load(str(copy), "cpu").encode_texts(["cat"]) == pytest.approx(encoder.encode_texts(["cat"]))


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
    assert centre_crop(paint(*size), 224, (224, 224)).size == (224, 224)
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
    ours, theirs = (np.asarray(x, np.int16) for x in (centre_crop(image, edge, (edge, edge)), as_openai(image, edge)))
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


def test_the_part_of_a_picture_that_the_model_keeps_is_known(clip: Any, siglip: Any) -> None:
    assert clip.kept((100, 100)) == pytest.approx((0, 0, 100, 100))
    assert clip.kept((200, 100)) == pytest.approx((50, 0, 150, 100))
    assert clip.kept((100, 400)) == pytest.approx((0, 150, 100, 250))
    assert siglip.kept((100, 400)) == (0, 0, 100, 400)  # squeezed, not cropped


@pytest.mark.parametrize("size", [*EVEN, (400, 100), (33, 31), (1, 70)])
def test_siglips_view_is_what_transformers_makes_of_the_picture(
    siglip: Any, tiny_siglip: Path, size: tuple[int, int]
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
    clip: Any, tiny_clip: Path, size: tuple[int, int]
) -> None:
    """Where the margins are even; resizing the kept part alone rounds a few pixels the other way."""
    image = paint(*size, seed=size[0])
    processor = transformers.CLIPImageProcessorPil.from_pretrained(tiny_clip)
    theirs = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    ours = np.asarray(clip.view(image), int)
    assert clip.view(image).size == clip.input_size == (32, 32)
    assert np.abs(ours.transpose(2, 0, 1) - theirs).max() <= 2


def test_views_are_encoded_as_they_are(encoder: Any) -> None:
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
    box = crop_box(size, edge, crop)
    for axis in (0, 1):
        places = np.arange(size[axis], dtype=np.float32) + 0.5
        shape = (1, -1) if axis == 0 else (-1, 1)
        grid = np.broadcast_to(places.reshape(shape), (size[1], size[0]))
        kept = np.asarray(centre_crop(Image.fromarray(np.ascontiguousarray(grid)), edge, crop))
        line = kept.mean(axis=axis)
        step = (box[axis + 2] - box[axis]) / crop[axis]
        expected = box[axis] + (np.arange(crop[axis]) + 0.5) * step
        inner = slice(6, -6)  # at the margins resizing has pixels on one side only
        assert line[inner] == pytest.approx(expected[inner], abs=0.02 * step + 0.02)


@pytest.mark.parametrize("size", [(100, 60), (60, 100), (50, 50)])
def test_a_crop_that_is_larger_than_the_picture_reaches_beyond_it(size: tuple[int, int]) -> None:
    left, top, right, bottom = crop_box(size, 24, (32, 32))
    assert (right - left, bottom - top) == pytest.approx((32 * min(size) / 24,) * 2, rel=0.02)
    assert (left + right, top + bottom) == pytest.approx(size, abs=3)
    assert min(left, top) < 0


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:", "cpu:0", "mps:0", "", "CUDA"])
def test_an_unknown_device_is_answered_with_the_known_ones(tiny_clip: Path, device: str) -> None:
    with pytest.raises(EncoderError, match=r"auto, cpu, cuda, cuda:N or mps") as caught:
        clipsim.load(str(tiny_clip), device)
    assert repr(device) in str(caught.value)


@pytest.mark.parametrize("device", ["cuda:99", "mps", "cuda", "cuda:0"])
def test_a_device_that_is_not_there_is_refused_with_what_to_do(tiny_clip: Path, device: str) -> None:
    there: dict[str, Callable[[], bool]] = {"mps": torch.backends.mps.is_available, "cuda:99": lambda: False}
    if there.get(device, torch.cuda.is_available)():
        pytest.skip(f"{device} is on this machine")
    with pytest.raises(EncoderError, match=f"'{device}' is not on this machine.*use auto or cpu"):
        clipsim.load(str(tiny_clip), device)


def test_auto_takes_the_best_device_that_is_there(tiny_clip: Path) -> None:
    device = clipsim.load(str(tiny_clip)).device
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert device.partition(":")[0] == best


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_half_and_full_precision_agree(folder: Path) -> None:
    half, full = (clipsim.load(str(folder), device) for device in ("cuda", "cpu"))
    images = [paint(*size, seed=n) for n, size in enumerate(EVEN)]
    cosines = [encoder.encode_images(images) @ encoder.encode_texts(TEXTS).T for encoder in (half, full)]
    assert cosines[0] == pytest.approx(cosines[1], abs=0.005)


def test_full_precision_has_the_same_bits_whatever_the_batch(encoder: Any) -> None:
    images = [paint(*EVEN[n % len(EVEN)], seed=n) for n in range(37)]
    for encode, items in ((encoder.encode_images, images), (encoder.encode_texts, [*TEXTS, *LETTERS])):
        whole = encode(items)
        for size in (1, 3, 16):
            parts = [encode(items[start : start + size]) for start in range(0, len(items), size)]
            assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize(("precision", "comes_to"), [("auto", "full"), ("full", "full"), ("half", "half")])
def test_an_encoder_says_its_precision(folder: Path, precision: str, comes_to: str) -> None:
    assert clipsim.load(str(folder), "cpu", precision).precision == comes_to  # type: ignore[attr-defined]


def test_an_unknown_precision_is_answered_with_the_known_ones(tiny_clip: Path) -> None:
    with pytest.raises(EncoderError, match="'double' is not known: use auto, full, half"):
        clipsim.load(str(tiny_clip), "cpu", "double")


def test_half_precision_says_so_where_the_processor_has_no_narrow_numbers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    plain: Any = clipsim.load(str(folder), "cpu", "half")
    assert ["does not calculate in bfloat16" in note for note in plain.notes] == [True]
    plain.ensure_loaded()
    assert plain._model.vision_model.dtype == torch.float32


def test_half_precision_is_bfloat16_where_the_processor_has_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every processor can do it, if slowly; the vectors are nearly those of full precision."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    half: Any = clipsim.load(str(folder), "cpu", "half")
    full = clipsim.load(str(folder), "cpu", "full")
    images = [paint(*size, seed=n) for n, size in enumerate(EVEN)]
    narrow, wide = half.encode_images(images), full.encode_images(images)
    assert half.notes == ()
    assert half._model.vision_model.dtype == torch.bfloat16
    assert narrow.dtype == np.float32
    assert np.linalg.norm(narrow, axis=1) == pytest.approx(np.ones(len(images)), abs=1e-6)
    assert 1e-6 < np.abs(narrow - wide).max() < 0.05
    assert np.array_equal(half.encode_texts(TEXTS), full.encode_texts(TEXTS))  # captions are always exact
    assert half.maps([half.view(images[0])], wide[0]).shape == (1, 4, 4)


def test_the_stand_in_has_full_precision_only() -> None:
    half: Any = clipsim.load("stand-in", "cpu", "half")
    assert half.precision == "full"
    assert any("no half precision" in note for note in half.notes)
    assert not any("no half precision" in note for note in clipsim.load("stand-in", "cpu").notes)  # type: ignore[attr-defined]


def test_only_large_pictures_are_reduced_before_they_are_resized() -> None:
    small, large = paint(1600, 1200), paint(2400, 1800)
    box = crop_box(small.size, 32, (32, 32))
    plain = np.asarray(small.resize((32, 32), Image.Resampling.BICUBIC, box), int)
    assert np.array_equal(np.asarray(centre_crop(small, 32, (32, 32))), plain)
    box = crop_box(large.size, 32, (32, 32))
    plain = np.asarray(large.resize((32, 32), Image.Resampling.BICUBIC, box), int)
    difference = np.abs(np.asarray(centre_crop(large, 32, (32, 32))) - plain)
    assert 0 < difference.max() <= 6
