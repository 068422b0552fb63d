"""What only the real CLIP ViT-B/32 can show: `pytest tests/checkpoint`, where the hub or its cache is at hand."""

from pathlib import Path

import pytest
from support import ROOT

import clipsim
from clipsim import Encoder

CAPTION = "a golden retriever standing in the snow"
PUBLISHED_ORDER = ["hiking-golden-retriever", "cat-in-rucksack", "children-playing-in-snow", "snowy-street-at-night"]


@pytest.fixture(scope="module")
def vit_b_32() -> Encoder:
    try:
        return clipsim.load("clip-vit-b-32")
    except clipsim.EncoderError as error:
        pytest.skip(str(error))


def order(result: clipsim.Result) -> list[str]:
    return [Path(score.name).stem for score in result.scores]


def test_the_published_order_comes_out_of_the_caption(vit_b_32: Encoder) -> None:
    pictures = [ROOT / "examples" / f"{name}.jpg" for name in reversed(PUBLISHED_ORDER)]
    assert order(clipsim.score_images(pictures, CAPTION, vit_b_32)) == PUBLISHED_ORDER


def test_the_published_order_comes_out_of_the_reference_image(vit_b_32: Encoder) -> None:
    pictures = [ROOT / "examples" / f"{name}.jpg" for name in reversed(PUBLISHED_ORDER)]
    reference = ROOT / "examples" / "golden-retriever-in-snow.jpg"
    assert order(clipsim.score_images(pictures, None, vit_b_32, reference=reference)) == PUBLISHED_ORDER


def test_matching_and_unrelated_captions_lie_where_the_page_says(vit_b_32: Encoder) -> None:
    picture = ROOT / "examples" / "cat-in-rucksack.jpg"
    fits, unrelated = (
        clipsim.score_images([picture], caption, vit_b_32).scores[0].cosine
        for caption in ("a cat looking out of a backpack", "a page of a tax form")
    )
    assert vit_b_32.width == 512
    assert vit_b_32.logit_scale == pytest.approx(100, abs=0.01)
    assert 0.22 < fits < 0.40
    assert 0.05 < unrelated < 0.22
