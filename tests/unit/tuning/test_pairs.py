"""Which pairs belong together, which are random, and which are neither."""

from __future__ import annotations

import numpy as np
from support.captioned import Subjects, make_gallery

from clipsim.scoring import encode_background
from clipsim.tuning import make_pairs


def test_a_picture_with_a_caption_that_it_has_too_is_no_random_pair() -> None:
    encoder = Subjects()
    captions = ["a dog", "A  dog .", "a cat", "two dogs"]
    owner = np.array([0, 1, 1, 2])
    vectors = encoder.vectors("caption", captions)
    gallery = make_gallery(encoder.vectors("picture", ["a", "b", "c"]))
    pairs = make_pairs(gallery, captions, vectors, owner, encode_background(encoder))
    assert pairs.text.tolist() == [0, 0, 1, 2]
    assert pairs.true.tolist() == [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    assert pairs.random.tolist() == [[0, 0, 1, 1], [0, 0, 0, 1], [1, 1, 1, 0]]
    assert pairs.text_part.tolist() == [pairs.part[row] for row in (0, 0, 1, 2)]
