"""SigLIP's first version, whose tokenizer is by SentencePiece and does not say where its tokens lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import paint
from support.encoders import LETTERS, TEXTS, Plain

from clipsim import Encoder, score_images

READS = 15  # one-letter words that fit beside the end token


def test_captions_are_encoded_as_by_plain_transformers(siglip_1: Encoder, tiny_siglip_1: Path) -> None:
    plain = Plain("siglip", tiny_siglip_1)
    assert siglip_1.encode_texts(TEXTS) == pytest.approx(np.stack([plain.text(text) for text in TEXTS]), abs=1e-5)


def test_its_own_tokenizer_leaves_out_punctuation_and_capitals(siglip_1: Encoder) -> None:
    vectors = siglip_1.encode_texts(["The dog, in the SNOW!", "the dog in the snow", "the dog in the photo"])
    assert np.array_equal(vectors[0], vectors[1])
    assert np.abs(vectors[1] - vectors[2]).max() > 1e-4


def test_a_caption_that_is_too_long_is_scored_and_the_words_cut_are_said(siglip_1: Encoder) -> None:
    result = score_images([paint(40, 32)], " ".join(LETTERS), siglip_1)
    assert f"“{' '.join(LETTERS[READS:])}”" in " ".join(result.notes)
    assert siglip_1.truncated_text(", ".join(LETTERS)) == ", ".join(LETTERS[READS:])
    assert siglip_1.truncated_text(" ".join(LETTERS[:READS])) == ""
    assert siglip_1.truncated_text("") == ""


def test_a_word_is_cut_whole_and_an_endless_one_where_the_model_stops(siglip_1: Encoder) -> None:
    assert siglip_1.truncated_text(" ".join([*LETTERS[:13], "zebra", "cat"])) == "zebra cat"
    left_out = siglip_1.truncated_text("q" * 40)
    assert 0 < len(left_out) < 40
    assert siglip_1.truncated_text("q" * (40 - len(left_out))) == ""
