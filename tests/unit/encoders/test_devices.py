"""Devices and precisions: what can be chosen, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import paint
from support.encoders import EVEN, LETTERS, TEXTS

import clipsim
from clipsim import ChoiceError, Encoder, EncoderError
from clipsim.encoders.checkpoint import CheckpointEncoder
from clipsim.encoders.conse import ConseEncoder
from clipsim.options import Precision


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:", "cpu:0", "mps:0", "", "CUDA"])
def test_an_unknown_device_is_answered_with_the_known_ones(tiny_clip: Path, device: str) -> None:
    with pytest.raises(ChoiceError, match="auto, cpu, cuda, cuda:N, mps") as caught:
        clipsim.load(str(tiny_clip), device)
    assert repr(device) in str(caught.value)


@pytest.mark.parametrize("device", ["cuda:99", "mps", "cuda", "cuda:0"])
def test_a_device_that_is_not_there_is_refused_with_what_to_do(tiny_clip: Path, device: str) -> None:
    there: dict[str, Callable[[], bool]] = {"mps": torch.backends.mps.is_available, "cuda:99": lambda: False}
    if there.get(device, torch.cuda.is_available)():
        pytest.skip(f"{device} is on this machine")
    with pytest.raises(EncoderError, match=f"'{device}' is not on this machine.*use auto or cpu"):
        clipsim.load(str(tiny_clip), device)


def test_auto_takes_the_best_device_that_is_there(tiny_clip: Path) -> None:
    device = clipsim.load(str(tiny_clip)).device
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert device.partition(":")[0] == best


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_half_and_full_precision_agree(folder: Path) -> None:
    half, full = (clipsim.load(str(folder), device) for device in ("cuda", "cpu"))
    images = [paint(*size, seed=n) for n, size in enumerate(EVEN)]
    cosines = [encoder.encode_images(images) @ encoder.encode_texts(TEXTS).T for encoder in (half, full)]
    assert cosines[0] == pytest.approx(cosines[1], abs=0.005)


def test_full_precision_has_the_same_bits_whatever_the_batch(encoder: Encoder) -> None:
    images = [paint(*EVEN[n % len(EVEN)], seed=n) for n in range(37)]
    works: list[tuple[Callable[[Any], np.ndarray], list[Any]]] = [
        (encoder.encode_images, images),
        (encoder.encode_texts, [*TEXTS, *LETTERS]),
    ]
    for encode, items in works:
        whole = encode(items)
        for size in (1, 3, 16):
            parts = [encode(items[start : start + size]) for start in range(0, len(items), size)]
            assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize(("precision", "comes_to"), [("auto", "full"), ("full", "full"), ("half", "half")])
def test_an_encoder_says_its_precision(folder: Path, precision: Precision, comes_to: str) -> None:
    assert clipsim.load(str(folder), "cpu", precision).precision == comes_to


def test_an_unknown_precision_is_answered_with_the_known_ones(tiny_clip: Path) -> None:
    with pytest.raises(ChoiceError, match="'double' is not known: use auto, full, half, int8"):
        clipsim.load(str(tiny_clip), "cpu", "double")  # type: ignore[arg-type]


def test_half_precision_says_so_where_the_processor_has_no_narrow_numbers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    plain = CheckpointEncoder("tiny", folder, "cpu", precision="half")
    assert ["does not calculate in bfloat16" in note for note in plain.notes] == [True]
    plain.ensure_loaded()
    assert plain._model.vision_model.dtype == torch.float32


def test_half_precision_is_bfloat16_where_the_processor_has_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every processor can do it, if slowly; the vectors are nearly those of full precision."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    half = CheckpointEncoder("tiny", folder, "cpu", precision="half")
    full = clipsim.load(str(folder), "cpu", "full")
    images = [paint(*size, seed=n) for n, size in enumerate(EVEN)]
    narrow, wide = half.encode_images(images), full.encode_images(images)
    assert half.notes == ()
    assert half._model.vision_model.dtype == torch.bfloat16
    assert narrow.dtype == np.float32
    assert np.linalg.norm(narrow, axis=1) == pytest.approx(np.ones(len(images)), abs=1e-6)
    assert 1e-6 < np.abs(narrow - wide).max() < 0.05
    assert np.array_equal(half.encode_texts(TEXTS), full.encode_texts(TEXTS))  # captions are always exact
    assert half.maps([half.view(images[0])], wide[0]).shape == (1, 4, 4)


@pytest.mark.parametrize(("precision", "abilities"), [("half", {"avx2": True}), ("int8", {"amx_bf16": True})])
def test_the_stand_in_says_so_where_it_calculates_in_full_all_the_same(
    precision: str, abilities: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    asked = ConseEncoder("stand-in", "cpu", ("A note.",), precision)
    assert asked.precision == "full"
    assert [note for note in asked.notes if f"no {precision}" in note] == [asked.notes[1]]
    assert ConseEncoder("stand-in", "cpu", ("A note.",)).notes == ("A note.",)


def test_half_of_the_stand_in_is_its_network_in_bfloat16(monkeypatch: pytest.MonkeyPatch, stand_in: Encoder) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    half = clipsim.load("stand-in", "cpu", "half")
    images = [paint(*size, seed=n) for n, size in enumerate(EVEN)]
    narrow, wide = half.encode_images(images), stand_in.encode_images(images)
    assert (half.precision, stand_in.precision) == ("half", "full")
    assert half.notes == stand_in.notes
    assert np.linalg.norm(narrow, axis=1) == pytest.approx(np.ones(len(images)), abs=1e-6)
    assert 1e-6 < np.abs(narrow - wide).max() < 0.05
    assert np.array_equal(half.encode_texts(TEXTS), stand_in.encode_texts(TEXTS))  # captions are always exact
    views = [half.view(image) for image in images]
    assert half.encode_features(views).dtype == np.float32
    assert half.maps(views, wide[0]).shape == stand_in.maps(views, wide[0]).shape
