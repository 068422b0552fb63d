"""SigLIP's own probability: a field and a column of that family alone, with how to read it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from support import paint

import clipsim
from clipsim import Encoder
from clipsim.report import to_blocks, to_csv, to_json_line, to_pandas

HOW_TO_READ = "small for most true pairs"
PICTURES = [paint(40, 32), paint(40, 32, seed=1), paint(60, 20, seed=2)]


def test_it_is_the_sigmoid_of_scaled_cosine_and_bias(siglip: Encoder) -> None:
    assert siglip.logit_bias is not None
    result = clipsim.score_images(PICTURES, "the cat", siglip)
    for score in result:
        logit = siglip.logit_scale * score.cosine + siglip.logit_bias
        assert score.probability == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-6)
    assert HOW_TO_READ in "\n".join(map(str, to_blocks(result)))


def test_it_is_that_of_plain_transformers(siglip: Encoder, tiny_siglip: object) -> None:
    import torch
    import transformers

    model = transformers.SiglipModel.from_pretrained(tiny_siglip).eval()
    views = [siglip.view(picture) for picture in PICTURES]
    pixels = transformers.SiglipImageProcessorPil.from_pretrained(tiny_siglip)(views, return_tensors="pt")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_siglip)
    ids = tokenizer(["the cat"], padding="max_length", max_length=16, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        wanted = torch.sigmoid(model(input_ids=ids, **pixels).logits_per_image)[:, 0].tolist()
    found = {score.name: score.probability for score in clipsim.score_images(PICTURES, "the cat", siglip)}
    assert [found[f"image {n}"] for n in (1, 2, 3)] == pytest.approx(wanted, rel=1e-4)


class Extreme(Encoder):
    logit_scale, logit_bias = 1e4, -1e3

    def encode_images(self, images: list[Image.Image]) -> np.ndarray:
        return np.ones((len(images), 1), np.float32)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        return np.ones((len(texts), 1), np.float32)


def test_extreme_scales_do_not_overflow() -> None:
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        found = Extreme().probabilities(np.array([-1.0, 0.0, 1.0]))
    assert found is not None
    assert found.tolist() == pytest.approx([0.0, 0.0, 1.0])


def test_other_families_and_reference_images_have_none(clip: Encoder, siglip: Encoder) -> None:
    by_clip = clipsim.score_images(PICTURES, "the cat", clip)
    by_picture = clipsim.score_images(PICTURES, None, siglip, reference=PICTURES[0])
    for result in (by_clip, by_picture):
        assert all(score.probability is None for score in result)
        assert HOW_TO_READ not in "\n".join(map(str, to_blocks(result)))
        assert "probability" not in to_csv(result).splitlines()[0]
        assert "probability" not in to_pandas(result).columns


def test_tables_of_the_family_have_the_column(siglip: Encoder) -> None:
    result = clipsim.score_images(PICTURES, "the cat", siglip)
    assert "probability" in to_csv(result).splitlines()[0].split(",")
    assert str(to_pandas(result)["probability"].dtype) == "float64"
    assert '"probability": ' in to_json_line(result.scores[0], siglip.name)
    (one, *_) = clipsim.score_each(PICTURES, "the cat", siglip)
    assert isinstance(one, clipsim.Score) and one.probability is not None
