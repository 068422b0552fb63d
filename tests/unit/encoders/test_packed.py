"""Towers whose layers are packed in fewer bits: nearly the vectors of float32, whatever else is in the batch."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import paint
from support.vits import KINDS, model, pixels
from torch.nn.functional import normalize

import clipsim
from clipsim.encoders import vit
from clipsim.encoders.checkpoint import FAMILIES
from clipsim.encoders.devices import find_half_format, has_int8
from clipsim.encoders.int8 import Int8Linear
from clipsim.encoders.packed import HalfLinear, Packed, forget

needs_half = pytest.mark.skipif(find_half_format("cpu") is None, reason="needs a processor with bfloat16")
needs_int8 = pytest.mark.skipif(not has_int8(), reason="needs a processor that multiplies bytes")
PACKINGS = [pytest.param(HalfLinear, marks=needs_half), pytest.param(Int8Linear, marks=needs_int8)]
every_packing = pytest.mark.parametrize("packing", PACKINGS)


def encode(family: str, packed: Any, values: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return normalize(FAMILIES[family].image_vectors(packed, values.to(packed.vision_model.dtype)).float(), dim=-1)


@every_packing
@pytest.mark.parametrize(("family", "hidden_act"), [*KINDS, ("clip", "gelu_new")])
def test_packed_towers_come_close(family: str, hidden_act: str, packing: type[Packed]) -> None:
    wide = model(family, hidden_act)
    narrow = copy.deepcopy(wide)
    vit.arrange(narrow, packing)
    if packing is HalfLinear:
        narrow.vision_model.to(torch.bfloat16)
    with torch.inference_mode():
        exact = normalize(wide.get_image_features(pixels()).pooler_output, dim=-1)
    off = (encode(family, narrow, pixels()) - exact).abs().max()
    assert 1e-6 < off < (exact[0] - exact[1]).abs().max() / 2  # by which two pictures differ


@every_packing
@pytest.mark.parametrize(("family", "hidden_act"), KINDS)
def test_a_vector_has_the_same_bits_whatever_else_is_in_the_batch(
    family: str, hidden_act: str, packing: type[Packed]
) -> None:
    narrow = model(family, hidden_act)
    vit.arrange(narrow, packing)
    narrow.vision_model.to(torch.bfloat16 if packing is HalfLinear else None)
    whole = encode(family, narrow, pixels(17))
    for size in (1, 2, 5, 16):
        parts = [encode(family, narrow, pixels(17)[start : start + size]) for start in range(0, 17, size)]
        assert torch.equal(torch.cat(parts), whole), size


@every_packing
def test_weights_are_unpacked_as_they_were_rounded(packing: type[Packed]) -> None:
    chance = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(48, 64, generator=chance), torch.randn(48, generator=chance)
    part = packing(weight, bias)
    unpacked = part.unpack().float()
    assert unpacked.shape == weight.shape
    assert 0 < (unpacked - weight).abs().max() < 0.02
    values = torch.randn(5, 64, generator=chance)
    values = values.bfloat16() if packing is HalfLinear else values
    with torch.no_grad():
        direct = part(values.clone()).float()
    assert direct.numpy() == pytest.approx((values.float() @ unpacked.T + bias).numpy(), abs=0.3)


@every_packing
def test_a_gradient_goes_through_to_the_values(packing: type[Packed]) -> None:
    chance = torch.Generator().manual_seed(0)
    part = packing(torch.randn(48, 64, generator=chance), torch.zeros(48), torch.nn.functional.silu, "silu")
    values = torch.randn(5, 64, generator=chance).to(torch.bfloat16 if packing is HalfLinear else torch.float32)
    output = part(values.requires_grad_())
    output.sum().backward()
    assert values.grad is not None
    assert values.grad.abs().min() > 0
    with torch.no_grad():
        assert part(values.detach().clone()).float().numpy() == pytest.approx(output.detach().float().numpy(), abs=0.3)


@needs_int8
def test_channels_that_reach_far_cost_the_others_little() -> None:
    """Real checkpoints have such channels; each weight has a scale for its output, each token one for all channels."""
    wide = model("clip")
    for layer in wide.vision_model.encoder.layers:
        for weight in (layer.layer_norm1.weight, layer.layer_norm2.weight, layer.mlp.fc1.weight):
            weight[3:6] *= 20
        layer.self_attn.v_proj.weight[7:9] *= 20
    with torch.inference_mode():
        exact = normalize(wide.get_image_features(pixels()).pooler_output, dim=-1)
    off = {}
    for prepare in (Int8Linear.prepare, Packed.prepare):
        kind = type("Tried", (Int8Linear,), {"prepare": staticmethod(prepare)})
        narrow = copy.deepcopy(wide)
        vit.arrange(narrow, kind)
        off[prepare] = float((encode("clip", narrow, pixels()) - exact).norm(dim=-1).mean())
    assert off[Int8Linear.prepare] < 0.7 * off[Packed.prepare]


@every_packing
def test_the_float_weights_are_gone(packing: type[Packed]) -> None:
    narrow = model("clip")
    before = sum(weight.numel() for weight in narrow.vision_model.encoder.parameters())
    vit.arrange(narrow, packing)
    assert sum(weight.numel() for weight in narrow.vision_model.encoder.parameters()) < 0.02 * before


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for its pages")
def test_a_forgotten_weight_is_read_again_from_the_file_that_is_mapped(tmp_path: Path) -> None:
    values = np.arange(100_000, dtype=np.float32)
    values.tofile(tmp_path / "weights")
    storage = torch.UntypedStorage.from_file(str(tmp_path / "weights"), shared=False, nbytes=values.nbytes)
    weight = torch.tensor([]).set_(storage, 0, (100_000,))  # type: ignore[call-overload]
    assert weight.sum() > 0
    forget(weight)
    assert np.array_equal(weight.numpy(), values)


@needs_int8
def test_int8_says_so_and_is_close_to_full(tiny_clip: Path) -> None:
    narrow, wide = (clipsim.load(str(tiny_clip), "cpu", precision) for precision in ("int8", "full"))
    images = [paint(60, 50, seed=seed) for seed in range(3)]
    assert narrow.encode_images(images) == pytest.approx(wide.encode_images(images), abs=0.03)
    assert not np.array_equal(narrow.encode_images(images), wide.encode_images(images))
    assert np.array_equal(narrow.encode_texts(["a dog"]), wide.encode_texts(["a dog"]))  # captions are always exact
    assert (narrow.precision, narrow.notes) == ("int8", ())
    target = wide.encode_images(images)[0]
    ours, theirs = (encoder.maps([encoder.view(images[0])], target) for encoder in (narrow, wide))
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.99


def test_where_bytes_are_not_multiplied_in_one_step_it_says_so_and_calculates_in_full(
    tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", dict)
    plain = clipsim.load(str(tiny_clip), "cpu", "int8")
    assert plain.precision == "full"
    assert "calculates in full" in plain.notes[0]
