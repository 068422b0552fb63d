"""CLIPScore and RefCLIPScore, against the authors' definition worked out beside the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import Bright, Counting, paint

from clipsim import CaptionError, Encoder, ImageError, Options, UsageError, refclipscore, score_images
from clipsim.embedding import embed
from clipsim.options import Prompt
from clipsim.scoring.clipscore import clipscore

PICTURES = [paint(40, 32, seed) for seed in range(8)]
NEAR, FAR = "z z", "cat"  # on this side of a right angle to all pictures, and on that
TILES = Options("tiles-best")


def depict(caption: str, encoder: Encoder) -> np.ndarray:
    vector: np.ndarray = encoder.encode_texts([f"A photo depicts {caption}"])[0]
    return vector


@pytest.mark.parametrize(("cosine", "expected"), [(1, 2.5), (0.312, 0.78), (0, 0), (-0.4, 0), (-1, 0)])
def test_clipscore_is_two_and_a_half_times_the_cosine_above_zero(cosine: float, expected: float) -> None:
    assert clipscore(cosine) == pytest.approx(expected)


@pytest.mark.parametrize("prompt", ["as-written", "photo", "ensemble"])
def test_clipscore_reads_the_caption_behind_its_own_prompt_whatever_the_other(clip: Encoder, prompt: Prompt) -> None:
    for caption, sign in ((NEAR, 1), (FAR, -1)):
        result = score_images([(picture, str(i)) for i, picture in enumerate(PICTURES)], caption, clip, prompt=prompt)
        cosines = clip.encode_images(PICTURES) @ depict(caption, clip)
        assert (sign * cosines > 0.02).all()
        found = {score.name: score.clipscore for score in result}
        assert [found[str(i)] for i in range(8)] == pytest.approx((2.5 * cosines.clip(0)).tolist(), abs=1e-5)


def test_of_several_views_the_best_one_counts_for_clipscore_too(clip: Encoder) -> None:
    picture = paint(100, 32)
    plain, tiles = (score_images([picture], NEAR, clip, options=options).scores[0] for options in (Options(), TILES))
    views = embed([picture], clip, TILES).vectors
    assert tiles.clipscore == pytest.approx(2.5 * float((views @ depict(NEAR, clip)).max()), abs=1e-5)
    assert tiles.clipscore != plain.clipscore


def test_a_caption_is_encoded_once_for_cosine_and_once_for_clipscore(clip: Encoder) -> None:
    counting = Counting(clip)
    score_images(PICTURES, "cat", counting)  # the background captions too
    before = counting.captions
    score_images(PICTURES, "dog", counting)
    assert counting.captions == before + 2


def test_refclipscore_is_the_harmonic_mean_with_the_nearest_reference(clip: Encoder) -> None:
    picture = PICTURES[0]
    own, snow, dog = (depict(caption, clip) for caption in (NEAR, "snow", "the dog"))
    of_picture, of_text = 2.5 * float(clip.encode_images([picture])[0] @ own), max(float(own @ snow), float(own @ dog))
    assert of_picture > 0 and of_text > 0
    expected = 2 / (1 / of_picture + 1 / of_text)
    assert refclipscore(picture, NEAR, ["snow", " the dog "], clip) == pytest.approx(expected, abs=1e-5)
    assert refclipscore(picture, NEAR, NEAR, clip) == pytest.approx(2 / (1 / of_picture + 1), abs=1e-5)


def test_refclipscore_is_zero_where_the_picture_is_turned_away(clip: Encoder) -> None:
    assert refclipscore(PICTURES[0], FAR, [FAR], clip) == 0


def test_refclipscore_says_what_is_wrong(clip: Encoder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="CLIP family"):
        refclipscore(PICTURES[0], "cat", ["dog"], Bright())
    with pytest.raises(CaptionError, match="no references"):
        refclipscore(PICTURES[0], "cat", [], clip)
    with pytest.raises(CaptionError, match="empty"):
        refclipscore(PICTURES[0], "cat", ["dog", " "], clip)
    with pytest.raises(ImageError, match=r"none\.png"):
        refclipscore(tmp_path / "none.png", "cat", ["dog"], clip)
