"""Small random CLIP and SigLIP checkpoints through clipsim, against plain transformers."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import paint
from support.encoders import EVEN, LETTERS, TEXTS, Plain

import clipsim
from clipsim import Encoder

WIDTHS = {"clip": 24, "siglip": 32}
READS = {"clip": 18, "siglip": 15}  # one-letter words that fit beside the special tokens


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
    works: list[tuple[Callable[[Any], np.ndarray], list[Any]]] = [
        (encoder.encode_images, images),
        (encoder.encode_texts, texts),
    ]
    for encode, items in works:
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
    assert encoder.family == family


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
    assert encoder.truncated_text(" ".join(LETTERS)) == " ".join(LETTERS[kept:])
    assert encoder.truncated_text(" ".join(LETTERS[: kept + 1])) == LETTERS[kept]
    assert encoder.truncated_text(" ".join(LETTERS[:kept])) == ""
    assert encoder.truncated_text("") == ""


@pytest.mark.parametrize("space", ["  ", "\n", "\t", "\u00a0"])
def test_any_white_space_parts_the_words_that_are_cut(clip: Encoder, space: str) -> None:
    caption = "".join(letter + (space if n % 2 else " ") for n, letter in enumerate(LETTERS))
    assert clip.truncated_text(caption).split() == LETTERS[READS["clip"] :]


def test_a_word_is_cut_whole(encoder: Encoder, family: str) -> None:
    kept = LETTERS[: READS[family] - 2]
    assert encoder.truncated_text(" ".join([*kept, "zebra", "cat"])) == "zebra cat"


def test_one_endless_word_is_cut_where_the_model_stops(clip: Encoder) -> None:
    assert clip.truncated_text("q" * 30) == "q" * 12


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


def test_siglip_2_reads_punctuation(siglip: Encoder) -> None:
    vectors = siglip.encode_texts(["the cat", "the cat!"])
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4


def test_siglip_pads_every_caption_to_full_length(siglip: Encoder, tiny_siglip: Path) -> None:
    unpadded = Plain("siglip", tiny_siglip)
    vector = unpadded.ids(unpadded.tokenizer("cat").input_ids)
    assert np.abs(siglip.encode_texts(["cat"])[0] - vector).max() > 1e-3


def test_eight_threads_get_what_one_gets(folder: Path) -> None:
    texts = [[" ".join(LETTERS[: 1 + (n * 5 + k) % 26]) for k in range(1 + n % 4)] for n in range(48)]
    images = [[paint(40 + n, 32, seed=n)] for n in range(48)]
    words = [group[0] for group in texts]
    serial: Encoder = clipsim.load(str(folder), "cpu")
    expected = [serial.encode_texts(group) for group in texts], [serial.encode_images(group) for group in images]
    expected_cut = [serial.truncated_text(word) for word in words]
    shared: Encoder = clipsim.load(str(folder), "cpu")  # the first call, which reads the weights, is shared too
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            (
                pool.submit(shared.encode_texts, a),
                pool.submit(shared.encode_images, b),
                pool.submit(shared.truncated_text, c),
            )
            for a, b, c in zip(texts, images, words, strict=True)
        ]
        for n, (text, image, cut) in enumerate(jobs):
            assert text.result() == pytest.approx(expected[0][n], abs=1e-5)
            assert image.result() == pytest.approx(expected[1][n], abs=1e-5)
            assert cut.result() == expected_cut[n]
