"""A picture that fits much less in a mirror gets a note; others do not."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps
from support import EXAMPLES, paint

from clipsim import Encoder, score_images
from clipsim.scoring.mirroring import NOTE


class Reader(Encoder):
    """Knows one picture by its left edge: dark there is "dog", as if it read a word that begins there."""

    width, logit_scale = 3, 10.0

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        left = [np.asarray(image.convert("L"), float)[:, : image.width // 4].mean() / 255 for image in images]
        rows = np.array([[1 - light, light, 0.5] for light in left])
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        rows = [[1.0, 0.0, 0.0] if "dog" in text else [0.1, 1.0, 0.2 + len(text) % 7 / 10] for text in texts]
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def written() -> Image.Image:
    picture = Image.new("RGB", (80, 60), "white")
    picture.paste((0, 0, 0), (0, 0, 20, 60))
    return picture


def test_what_is_read_is_noted() -> None:
    (score,) = score_images([written()], "dog", Reader(), checks=True)
    assert score.mirrored is not None and score.mirrored < score.cosine
    assert NOTE in score.notes


def test_left_and_right_are_other_things_in_a_mirror() -> None:
    (score,) = score_images([written()], "dog on the left", Reader(), checks=True)
    assert score.mirrored is not None and NOTE not in score.notes


def test_the_mirrored_cosine_is_that_of_the_mirrored_picture(stand_in: Encoder) -> None:
    picture = paint(80, 60)
    for framing in ("crop", "pad", "tiles-best", "tiles-mean"):
        (score,) = score_images([picture], "a dog", stand_in, checks=True, framing=framing)
        (other,) = score_images([ImageOps.mirror(picture)], "a dog", stand_in, framing=framing)
        assert score.mirrored is not None
        assert abs(score.mirrored - other.cosine) < 0.02


def test_it_is_off_unless_asked_for_and_photographs_get_no_note(stand_in: Encoder) -> None:
    assert all(score.mirrored is None for score in score_images(EXAMPLES[:2], "a dog", stand_in))
    result = score_images(EXAMPLES, "a golden retriever in the snow", stand_in, checks=True)
    assert all(score.mirrored is not None and NOTE not in score.notes for score in result)
    in_parts = score_images(EXAMPLES[:2], "a dog, no snow", stand_in, checks=True)
    assert all(score.mirrored is not None for score in in_parts)
    like = score_images(EXAMPLES[:1], None, stand_in, reference=EXAMPLES[1], checks=True)
    assert like.scores[0].mirrored is None
