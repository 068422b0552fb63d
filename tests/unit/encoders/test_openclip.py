"""Models of open_clip, where that is installed: its own vectors, on a small random checkpoint in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import paint

import clipsim
from clipsim import Encoder, EncoderError
from clipsim.encoders.tokenizer import Tokenizer

open_clip: Any = pytest.importorskip("open_clip")

VISION = {"layers": 2, "width": 32, "head_width": 8, "patch_size": 8, "image_size": 32}
WORDS = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 2}
PROCESSING = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "interpolation": "bilinear"}
SIZES = [(32, 32), (80, 60), (31, 97), (300, 20)]


@pytest.fixture(scope="module", params=["squash", "shortest"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from safetensors.torch import save_model

    place = tmp_path_factory.mktemp("open-clip") / str(request.param)
    place.mkdir()
    causal = request.param == "squash"
    config = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": {**WORDS, "no_causal_mask": not causal}}
    whole = {"model_cfg": config, "preprocess_cfg": {**PROCESSING, "resize_mode": request.param}}
    (place / "open_clip_config.json").write_text(json.dumps(whole))
    torch.manual_seed(1)
    model = open_clip.create_model(f"local-dir:{place}", load_weights=False)
    for weight in model.parameters():
        if weight.dim():
            torch.nn.init.normal_(weight, std=0.2)
    save_model(model, str(place / "open_clip_model.safetensors"))
    return Path(place)


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return clipsim.load(str(folder), "cpu")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Any:
    return open_clip.create_model_from_pretrained(f"local-dir:{folder}")


def unit(vectors: Any) -> np.ndarray:
    import torch

    return np.asarray(torch.nn.functional.normalize(vectors, dim=-1).detach())


def test_pictures_are_encoded_as_by_open_clip(encoder: Encoder, plain: Any) -> None:
    model, processing = plain
    images = [paint(*size, seed=n) for n, size in enumerate(SIZES)]
    vectors = encoder.encode_images(images)
    for image, vector in zip(images, vectors, strict=True):
        assert vector == pytest.approx(unit(model.eval().encode_image(processing(image)[None]))[0], abs=2e-4)
    exact = encoder.encode_images([encoder.view(image) for image in images])
    assert exact == pytest.approx(vectors, abs=2e-5)
    assert np.concatenate([encoder.encode_images([image]) for image in images]) == pytest.approx(vectors, abs=2e-5)


@pytest.mark.parametrize("count", [1, 2, 13, 14, 15, 100, 300])
def test_captions_of_any_length_are_encoded_as_by_open_clip(
    encoder: Encoder, plain: Any, folder: Path, count: int
) -> None:
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    text = " ".join(["cat"] * count)
    wanted = unit(plain[0].eval().encode_text(tokenizer([text])))[0]
    assert encoder.encode_texts(["A Dog!", text])[1] == pytest.approx(wanted, abs=2e-5)
    assert encoder.truncated_text(text) == " ".join(["cat"] * (count - 14))


def test_it_says_what_it_is(encoder: Encoder, folder: Path) -> None:
    assert (encoder.family, encoder.name, encoder.width) == ("open_clip", folder.name, 24)
    assert encoder.input_size == (32, 32)
    assert encoder.logit_scale > 0 and encoder.logit_bias is None
    assert encoder.english_only
    (score,) = clipsim.score_images([paint(64, 32)], "a cat", encoder, heatmap=True)
    assert score.seen == pytest.approx(1.0 if folder.name == "squash" else 0.5)


def test_weights_that_lack_are_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text((folder / "open_clip_config.json").read_text())
    with pytest.raises(EncoderError, match=r"lacks open_clip_model\.safetensors"):
        clipsim.load(str(tmp_path), "cpu").encode_texts(["cat"])


def test_words_are_counted_in_pieces(encoder: Encoder) -> None:
    assert encoder.count_tokens(["cat", "antidisestablishmentarianism"])[0] == 1
    assert isinstance(encoder._tokenizer, Tokenizer)  # type: ignore[attr-defined]
