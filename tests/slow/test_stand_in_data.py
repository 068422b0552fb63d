"""The stand-in's data files are what the models and the lists that it ships make of them."""

from __future__ import annotations

import numpy as np
import pytest

from clipsim import Encoder
from clipsim.encoders.conse import read_head
from clipsim.options import PROMPTS, Prompt
from clipsim.scoring import encode_background
from tools.stand_in_data import embed_background, embed_classes


def test_the_class_vectors_that_it_ships_are_those_of_its_class_names() -> None:
    head = read_head()
    expected = embed_classes() @ head.whitening
    assert np.abs(expected - head.classes).max() < 2e-3 * np.abs(expected).max()


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_background_captions_that_it_ships_are_those_of_the_list(stand_in: Encoder, prompt: Prompt) -> None:
    """All of them as written; of each longer prompt every ninth, since there are thousands of sentences."""
    every = 1 if prompt == "as-written" else 9
    shipped = encode_background(stand_in, prompt).vectors
    assert np.linalg.norm(shipped, axis=1) == pytest.approx(np.ones(len(shipped)), abs=1e-6)
    assert shipped[::every] == pytest.approx(embed_background(prompt, every), abs=1e-3)
