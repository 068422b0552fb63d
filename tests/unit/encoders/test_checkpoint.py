"""Checkpoints in folders: whole ones are read late and once, and no other is taken for one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import transformers
from safetensors.torch import load_file, save_file
from support import paint
from support.encoders import CLASSES

import clipsim
from clipsim import Encoder, EncoderError


def failure(folder: Path) -> str:
    """The sentence with which the checkpoint in `folder` is refused, on loading or at the first call."""
    with pytest.raises(EncoderError) as caught:
        clipsim.load(str(folder), "cpu").encode_texts(["the cat"])
    message = str(caught.value)
    assert "\n" not in message
    assert folder.name in message
    return message


def test_weights_are_read_at_the_first_call_and_kept(copy: Path, encoder: Encoder) -> None:
    lazy = clipsim.load(str(copy), "cpu")
    aside = copy.rename(copy.with_name("aside"))
    with pytest.raises(EncoderError):
        lazy.encode_texts(["the cat"])
    aside.rename(copy)
    first = lazy.encode_texts(["the cat"])
    shutil.rmtree(copy)
    assert np.array_equal(lazy.encode_texts(["the cat"]), first)
    assert first == pytest.approx(encoder.encode_texts(["the cat"]), abs=1e-6)


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_damaged_or_missing_weights_are_an_error(copy: Path, content: bytes | None) -> None:
    weights = copy / "model.safetensors"
    if content is None:
        weights.unlink()
    else:
        weights.write_bytes(content)
    failure(copy)


def test_weights_that_are_cut_short_are_an_error(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    failure(copy)


@pytest.mark.filterwarnings("ignore")
def test_weights_that_are_not_this_models_are_an_error(
    copy: Path, family: str, tiny_clip: Path, tiny_siglip: Path
) -> None:
    other = {"clip": tiny_siglip, "siglip": tiny_clip}[family]
    shutil.copy(other / "model.safetensors", copy)
    failure(copy)


@pytest.mark.parametrize("lost", ["text_model.encoder.layers.1.", "vision_model.embeddings.", "logit_scale"])
def test_weights_that_lack_a_part_are_an_error(copy: Path, lost: str) -> None:
    """Filled up with random numbers, as transformers does, they would give made-up scores."""
    weights = load_file(copy / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if not k.startswith(lost)}, copy / "model.safetensors", {"format": "pt"}
    )
    failure(copy)


def test_weights_that_are_not_numbers_are_an_error(copy: Path, family: str) -> None:
    model = CLASSES[family][0].from_pretrained(copy)
    model.text_model.final_layer_norm.weight.data.fill_(float("nan"))
    model.save_pretrained(copy)
    assert "damaged" in failure(copy)


def test_a_missing_tokenizer_is_an_error(copy: Path) -> None:
    for file in copy.glob("tokenizer*"):
        file.unlink()
    failure(copy)


def test_a_tokenizer_without_a_vocabulary_is_an_error(tiny_clip: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_clip, tmp_path / "checkpoint"))
    (copy / "tokenizer.json").unlink()
    assert "lacks tokenizer.json" in failure(copy)
    (copy / "vocab.json").write_text("{}")
    (copy / "merges.txt").write_text("#version: 0.2\n")
    assert "vocabulary" in failure(copy)


def test_a_checkpoint_with_its_processor_saved_as_one_is_read_alike(copy: Path, encoder: Encoder) -> None:
    whole = transformers.AutoProcessor.from_pretrained(copy, backend="pil")
    for file in copy.glob("*processor*"):
        file.unlink()
    whole.save_pretrained(copy)
    assert not (copy / "preprocessor_config.json").exists()
    vectors = clipsim.load(str(copy), "cpu").encode_images([paint(40, 30)])
    assert vectors == pytest.approx(encoder.encode_images([paint(40, 30)]), abs=1e-6)


def test_a_missing_processor_is_an_error(copy: Path) -> None:
    for file in copy.glob("*processor*"):
        file.unlink()
    failure(copy)


def test_a_model_of_another_family_is_refused_by_its_name(tmp_path: Path) -> None:
    transformers.BertConfig().save_pretrained(tmp_path)
    message = failure(tmp_path)
    assert "bert" in message
    assert "SigLIP" in message


@pytest.mark.parametrize("content", [None, "", "{", "[]", '"clip"', "{}"])
def test_a_folder_that_is_not_a_checkpoint_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    failure(tmp_path)


def test_an_extra_file_beside_the_weights_does_no_harm(copy: Path, encoder: Encoder) -> None:
    (copy / "notes.json").write_text(json.dumps({"trained": "never"}))
    assert clipsim.load(str(copy), "cpu").encode_texts(["cat"]) == pytest.approx(encoder.encode_texts(["cat"]))
