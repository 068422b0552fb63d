"""The towers arranged for speed: transformers' own vectors, on one thread with the same bits in every batch."""

from __future__ import annotations

import copy
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

IDS = torch.randint(4, 90, (9, 16), generator=torch.Generator().manual_seed(1))
IDS[:, 11:] = 2  # where CLIP's captions end


@pytest.mark.parametrize(("family", "hidden_act"), KINDS)
def test_vectors_are_those_of_transformers(family: str, hidden_act: str) -> None:
    plain = model(family, hidden_act)
    arranged = copy.deepcopy(plain)
    vit.arrange(arranged)
    with torch.inference_mode():
        for pair in (
            (FAMILIES[family].image_vectors(arranged, pixels()), plain.get_image_features(pixels()).pooler_output),
            (FAMILIES[family].text_vectors(arranged, IDS), plain.get_text_features(IDS).pooler_output),
        ):
            ours, theirs = (normalize(vectors, dim=-1) for vectors in pair)
            assert (ours - theirs).abs().max() < 1e-5
            assert (theirs[0] - theirs[1]).abs().max() > 1e-3  # they could have been told apart


@pytest.mark.parametrize("threads", [3, 5])
def test_on_more_threads_a_batch_changes_a_vector_by_rounding_at_most(threads: int) -> None:
    arranged, before = model("clip"), torch.get_num_threads()
    vit.arrange(arranged)
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            whole = normalize(FAMILIES["clip"].image_vectors(arranged, pixels(4)), dim=-1)
            alone = [FAMILIES["clip"].image_vectors(arranged, one[None]) for one in pixels(4)]
    finally:
        torch.set_num_threads(before)
    assert (normalize(torch.cat(alone), dim=-1) - whole).abs().max() < 1e-6


@pytest.mark.parametrize(("family", "hidden_act"), KINDS)
def test_a_vector_has_the_same_bits_whatever_else_is_in_the_batch(family: str, hidden_act: str) -> None:
    arranged = model(family, hidden_act)
    vit.arrange(arranged)
    with torch.inference_mode():
        for encode, items in ((FAMILIES[family].image_vectors, pixels(17)), (FAMILIES[family].text_vectors, IDS)):
            whole = encode(arranged, items)
            for size in (1, 2, 3, 5, 16):
                parts = [encode(arranged, items[start : start + size]) for start in range(0, len(items), size)]
                assert torch.equal(torch.cat(parts), whole), size


@pytest.mark.parametrize(("family", "hidden_act"), KINDS)
def test_the_models_own_forward_works_as_before_on_the_same_weights(family: str, hidden_act: str) -> None:
    plain = model(family, hidden_act)
    arranged = copy.deepcopy(plain)
    vit.arrange(arranged)
    with torch.inference_mode():
        ours, theirs = (one.get_image_features(pixels()).pooler_output for one in (arranged, plain))
    assert ours.numpy() == pytest.approx(theirs.numpy(), abs=1e-4)
    assert {name: weight.tolist() for name, weight in arranged.state_dict().items()} == {
        name: weight.tolist() for name, weight in plain.state_dict().items()
    }


def test_there_is_no_second_copy_of_the_weights() -> None:
    arranged = model("clip")
    vit.arrange(arranged)
    for layer in arranged.vision_model.encoder.layers:
        block = layer.self_attn
        storage = block.joined.weight.untyped_storage().data_ptr()
        assert {part.weight.untyped_storage().data_ptr() for part in (block.q_proj, block.k_proj, block.v_proj)} == {
            storage
        }


def test_a_model_that_is_built_in_another_way_is_left_to_its_own_forward(
    tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual: Any = clipsim.load(str(tiny_clip), "cpu")
    other: Any = clipsim.load(str(tiny_clip), "cpu")
    stranger = model("clip")
    del stranger.vision_model.encoder.layers[1].self_attn.q_proj
    assert not vit.can_arrange(stranger)
    monkeypatch.setattr("clipsim.encoders.vit.can_arrange", lambda _: False)
    other.ensure_loaded()
    assert not hasattr(other._model.vision_model.encoder.layers[0].self_attn, "joined")
    monkeypatch.undo()
    usual.ensure_loaded()
    assert hasattr(usual._model.vision_model.encoder.layers[0].self_attn, "joined")
    views = [usual.view(paint(48, 40, seed=seed)) for seed in range(3)]
    assert other.encode_views(views) == pytest.approx(usual.encode_views(views), abs=1e-5)


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_narrow_towers_come_close(family: str) -> None:
    """In bfloat16, which every processor knows if only slowly; projection and length stay in float32."""
    wide = model(family, "gelu")
    narrow = copy.deepcopy(wide)
    narrow.vision_model.to(torch.bfloat16)
    for one in (wide, narrow):
        vit.arrange(one)
    with torch.inference_mode():
        exact = normalize(FAMILIES[family].image_vectors(wide, pixels()), dim=-1)
        rough = FAMILIES[family].image_vectors(narrow, pixels().bfloat16())
    assert rough.dtype == torch.float32
    off = np.abs(normalize(rough, dim=-1).numpy() - exact.numpy()).max()
    assert 1e-6 < off < 0.02
