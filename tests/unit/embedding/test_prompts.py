"""Captions as they are put to the model."""

from __future__ import annotations

import numpy as np
import pytest
from support import Hashed, paint

from clipsim import Encoder, score_images
from clipsim.embedding import encode_captions
from clipsim.options import PROMPTS, Prompt

CAPTIONS = ["the dog in the snow", "cat", "a photo", "x y z", "dog"]


def test_as_written_is_what_the_encoder_makes_of_the_captions() -> None:
    encoder = Hashed()
    vectors = encode_captions(CAPTIONS, encoder)
    assert sorted(encoder.read) == sorted(CAPTIONS)
    assert np.array_equal(vectors, encoder.encode_texts(CAPTIONS))


@pytest.mark.parametrize("name", ["clip", "siglip", "stand_in"])
def test_as_written_changes_nothing_for_real_models(name: str, request: pytest.FixtureRequest) -> None:
    encoder: Encoder = request.getfixturevalue(name)
    assert encode_captions(CAPTIONS, encoder) == pytest.approx(encoder.encode_texts(CAPTIONS), abs=1e-5)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_several_sentences_make_the_unit_mean_of_their_vectors(prompt: Prompt) -> None:
    encoder = Hashed()
    vectors = encode_captions(CAPTIONS, encoder, prompt)
    for vector, caption in zip(vectors, CAPTIONS, strict=True):
        mean = encoder.encode_texts([template.replace("{}", caption) for template in PROMPTS[prompt]]).mean(axis=0)
        assert vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    assert vectors.dtype == np.float32


def test_photo_is_the_caption_in_a_sentence(clip: Encoder) -> None:
    picture = paint(40, 40)
    asked = score_images([picture], "the dog", clip, prompt="photo").scores[0].cosine
    assert asked == pytest.approx(score_images([picture], "a photo of the dog", clip).scores[0].cosine, abs=1e-6)
    assert asked != pytest.approx(score_images([picture], "the dog", clip).scores[0].cosine, abs=1e-4)


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("caption", ["a {} dog", "{0} {name} {{}}", "{", "100 %s \\1"])
def test_braces_and_the_like_in_a_caption_are_kept(prompt: Prompt, caption: str) -> None:
    encoder = Hashed()
    encode_captions([caption], encoder, prompt)
    assert len(encoder.read) == len(PROMPTS[prompt])
    assert all(caption in sentence for sentence in encoder.read)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_prompt_takes_the_caption_once(prompt: Prompt) -> None:
    assert all(template.count("{}") == 1 for template in PROMPTS[prompt])
    assert len(set(PROMPTS[prompt])) == len(PROMPTS[prompt])


@pytest.mark.parametrize("prompt", PROMPTS)
def test_no_captions_make_no_vectors(prompt: Prompt) -> None:
    assert encode_captions([], Hashed(), prompt).shape == (0, 8)
