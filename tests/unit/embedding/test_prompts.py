"""Captions as they are put to the model."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from PIL import Image
from support import paint

from clipsim import ClipsimError, Encoder, score_images
from clipsim.embedding import encode_captions
from clipsim.embedding.prompts import check_prompt
from clipsim.options import PROMPTS

CAPTIONS = ["the dog in the snow", "cat", "a photo", "x y z", "dog"]


class Hashed:
    """The protocol alone: each text has a vector of its own, whatever stands beside it; it remembers what it read."""

    name = "hashed"
    width = 8
    device = "cpu"
    logit_scale = 10.0

    def __init__(self) -> None:
        self.read: list[str] = []

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        return self._vectors([image.tobytes() for image in images])

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        self.read += texts
        return self._vectors([text.encode() for text in texts])

    def _vectors(self, keys: list[bytes]) -> np.ndarray:
        rows = [np.random.default_rng(zlib.crc32(key)).normal(size=self.width) for key in keys]
        return np.asarray([row / np.linalg.norm(row) for row in rows], np.float32).reshape(-1, self.width)


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
def test_several_sentences_make_the_unit_mean_of_their_vectors(prompt: str) -> None:
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
def test_braces_and_the_like_in_a_caption_are_kept(prompt: str, caption: str) -> None:
    encoder = Hashed()
    encode_captions([caption], encoder, prompt)
    assert len(encoder.read) == len(PROMPTS[prompt])
    assert all(caption in sentence for sentence in encoder.read)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_prompt_takes_the_caption_once(prompt: str) -> None:
    assert all(template.count("{}") == 1 for template in PROMPTS[prompt])
    assert len(set(PROMPTS[prompt])) == len(PROMPTS[prompt])


@pytest.mark.parametrize("prompt", PROMPTS)
def test_no_captions_make_no_vectors(prompt: str) -> None:
    assert encode_captions([], Hashed(), prompt).shape == (0, 8)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_known_prompt_passes(prompt: str) -> None:
    check_prompt(prompt)


@pytest.mark.parametrize("prompt", ["", "Photo", "poem"])
def test_an_unknown_prompt_is_answered_with_the_known_ones(prompt: str) -> None:
    with pytest.raises(ClipsimError) as caught:
        check_prompt(prompt)
    assert repr(prompt) in str(caught.value)
    assert all(known in str(caught.value) for known in PROMPTS)
