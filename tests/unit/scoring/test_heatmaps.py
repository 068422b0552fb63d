"""Heatmaps: LeGrad against its equations, grids laid over pictures, and whether peaks are where they should be."""

from __future__ import annotations

import csv
import json
import math
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from support import ROOT, Bright, Counting, paint

import clipsim
from benchmarks.quality import pointing
from clipsim import Encoder, EncoderError, ImageError, Options
from clipsim.embedding import PictureInfo, View, embed
from clipsim.encoders import Box, legrad, torch_encoder, vit
from clipsim.encoders.torch_encoder import stack
from clipsim.options import Framing
from clipsim.scoring import STRENGTHS, Heatmap, draw_layer, find_scale, map_picture, overlay
from clipsim.scoring.heatmaps import compute_heatmaps, find_peak


class Reference:
    """LeGrad straight from its equations on the checkpoint's weights: one picture, one head, one product at a time.

    Nothing is cut out of the graph: s is differentiated with respect to A within the whole network.
    """

    def __init__(self, model: Any, last: int = 2, double: bool = False) -> None:
        import torch

        self.last = last

        self.dtype = torch.float64 if double else torch.float32
        self.config = model.config.vision_config
        self.weights = {
            name.removeprefix("vision_model."): weight.detach().to(self.dtype, copy=True).requires_grad_()
            for name, weight in model.state_dict().items()
        }
        self.clip = "visual_projection.weight" in self.weights

    def map(self, pixels: Any, target: Any) -> np.ndarray:
        import torch

        tokens = self.embedded(pixels.to(self.dtype))
        relevances = []
        for number in range(self.config.num_hidden_layers):
            attention, tokens = self.layer(tokens, f"encoder.layers.{number}.")
            if number >= self.config.num_hidden_layers - self.last:
                if self.clip:
                    pooled = self.norm(tokens[0], "post_layernorm") @ self.weights["visual_projection.weight"].T
                else:
                    attention, pooled = self.pool(tokens)  # not normalised, as in the authors' released code
                cosine = pooled @ target.to(self.dtype) / pooled.norm()
                relevances.append(self.relevance(cosine, attention)[int(self.clip) :])
        side = pixels.shape[1] // self.config.patch_size
        return np.asarray(torch.stack(relevances).mean(0).reshape(side, -1))

    def relevance(self, cosine: Any, attention: list[Any]) -> Any:
        import torch

        gradients = [torch.autograd.grad(cosine, head, retain_graph=True)[0] for head in attention]
        return sum(gradient.clamp(min=0).mean(dim=0) for gradient in gradients) / len(gradients)

    def embedded(self, pixels: Any) -> Any:
        import torch

        size, weights = self.config.patch_size, self.weights
        kernel = weights["embeddings.patch_embedding.weight"].flatten(1)
        starts = range(0, pixels.shape[1], size)
        patches = [pixels[:, y : y + size, x : x + size].flatten() for y in starts for x in starts]
        tokens = torch.stack(patches) @ kernel.T + weights.get("embeddings.patch_embedding.bias", 0)
        if not self.clip:
            return tokens + weights["embeddings.position_embedding.weight"]
        tokens = torch.cat([weights["embeddings.class_embedding"][None], tokens])
        return self.norm(tokens + weights["embeddings.position_embedding.weight"], "pre_layrnorm")

    def layer(self, tokens: Any, name: str) -> tuple[list[Any], Any]:
        normed = self.norm(tokens, name + "layer_norm1")
        parts = (self.affine(normed, f"{name}self_attn.{part}_proj") for part in "qkv")
        attention, mixed = self.attend(*parts)
        tokens = tokens + self.affine(mixed, name + "self_attn.out_proj")
        return attention, tokens + self.mlp(self.norm(tokens, name + "layer_norm2"), name + "mlp.")

    def pool(self, tokens: Any) -> tuple[list[Any], Any]:
        matrices = self.weights["head.attention.in_proj_weight"].chunk(3)
        biases = self.weights["head.attention.in_proj_bias"].chunk(3)
        inputs = (self.weights["head.probe"][0], tokens, tokens)
        attention, mixed = self.attend(*(x @ m.T + b for x, m, b in zip(inputs, matrices, biases, strict=True)))
        pooled = self.affine(mixed, "head.attention.out_proj")
        return attention, (pooled + self.mlp(self.norm(pooled, "head.layernorm"), "head.mlp."))[0]

    def attend(self, query: Any, key: Any, value: Any) -> tuple[list[Any], Any]:
        import torch

        width = query.shape[-1] // self.config.num_attention_heads
        attention, mixed = [], []
        for start in range(0, query.shape[-1], width):
            head = slice(start, start + width)
            raised = torch.exp(query[:, head] @ key[:, head].T / math.sqrt(width))
            attention.append(raised / raised.sum(dim=1, keepdim=True))
            mixed.append(attention[-1] @ value[:, head])
        return attention, torch.cat(mixed, dim=1)

    def norm(self, x: Any, name: str) -> Any:
        x = x - x.mean(-1, keepdim=True)
        x = x / (x.square().mean(-1, keepdim=True) + self.config.layer_norm_eps).sqrt()
        return x * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def affine(self, x: Any, name: str) -> Any:
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def mlp(self, x: Any, name: str) -> Any:
        x = self.affine(x, name + "fc1")
        if self.config.hidden_act == "quick_gelu":
            x = x / (1 + (-1.702 * x).exp())
        else:
            assert self.config.hidden_act == "gelu_pytorch_tanh"
            x = x / 2 * (1 + (math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)).tanh())
        return self.affine(x, name + "fc2")


class Mapped(Bright):
    """Its map of a view is the view itself, by brightness, at 8 x 8 cells."""

    map_method = "as it is"
    input_size = (64, 64)

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def maps(self, views: list[Image.Image], target: np.ndarray) -> np.ndarray:  # noqa: ARG002
        self.calls.append(len(views))
        small = [view.convert("L").resize((8, 8), Image.Resampling.BOX) for view in views]
        return np.stack([np.asarray(view, np.float32) / 10 for view in small])


@pytest.fixture(params=["clip", "siglip"])
def encoder(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def views_of(encoder: Any, count: int) -> list[Image.Image]:
    return [encoder.view(paint(50, 40, seed=n)) for n in range(count)]


def target_of(encoder: Encoder, caption: str = "a cat in the snow") -> np.ndarray:
    target: np.ndarray = encoder.encode_texts([caption])[0]
    return target


def flat(grey: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    return Image.new("RGB", size, (grey, grey, grey))


def seen(size: tuple[int, int], looks: list[tuple[Image.Image, Box]]) -> PictureInfo:
    return PictureInfo("picture", (), size, 1.0, tuple(View(image, box) for image, box in looks))


def only(encoder: Any, picture: PictureInfo) -> Heatmap:
    return compute_heatmaps([picture], encoder, encoder.encode_texts(["bright"])[0])[0]


def with_patch(size: tuple[int, int], patch: tuple[int, int, int, int]) -> Image.Image:
    picture = flat(20, size)
    ImageDraw.Draw(picture).rectangle(patch, fill="white")
    return picture


def scaled(maps: np.ndarray) -> np.ndarray:
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    result: np.ndarray = (maps - low) / (high - low)
    return result


# LeGrad


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("last", [1, 2])  # of the two that the tiny models have
def test_legrad_is_what_its_equations_say(encoder: Any, last: int, double: bool) -> None:
    import torch

    views, target = views_of(encoder, 3), target_of(encoder)
    pixels = encoder._pixel_values(stack(views))
    maps = legrad.explain(encoder._family.step, encoder._model, pixels, torch.tensor(target), last).numpy()
    if last == legrad.LAST_LAYERS:
        assert np.array_equal(encoder.maps(views, target), maps)
    reference = Reference(encoder._model, last, double)
    expected = np.stack([reference.map(picture, torch.from_numpy(target)) for picture in pixels])
    assert maps.shape == (3, 4, 4) and maps.dtype == np.float32
    assert encoder.map_method == "legrad"
    assert np.ptp(expected, axis=(1, 2)).min() > 0
    assert maps == pytest.approx(expected, abs=2e-6 * float(expected.max()))
    assert scaled(maps) == pytest.approx(scaled(expected), abs=1e-5)


def test_the_reference_itself_gives_the_models_own_cosine(siglip: Any) -> None:
    import torch

    views, target = views_of(siglip, 1), target_of(siglip)
    reference = Reference(siglip._model, double=True)
    tokens = reference.embedded(siglip._pixel_values(stack(views))[0].to(torch.float64))
    for number in range(reference.config.num_hidden_layers):
        tokens = reference.layer(tokens, f"encoder.layers.{number}.")[1]
    pooled = reference.pool(reference.norm(tokens, "post_layernorm"))[1].detach()
    cosine = float(pooled @ torch.from_numpy(target).double() / pooled.norm())
    assert cosine == pytest.approx(float(siglip.encode_views(views)[0] @ target), abs=1e-5)


@pytest.mark.parametrize("which", ["clip", "siglip", "stand_in"])
def test_a_batch_gives_what_each_picture_gives_alone(which: str, request: pytest.FixtureRequest) -> None:
    encoder: Any = request.getfixturevalue(which)
    views, target = views_of(encoder, 18), target_of(encoder)  # more than one batch
    alone = np.concatenate([encoder.maps([view], target) for view in views])
    together = encoder.maps(views, target)
    assert together == pytest.approx(alone, abs=1e-5 * float(np.abs(alone).max()))
    assert not np.allclose(together[0], together[1])


def test_the_target_matters(encoder: Any) -> None:
    views = views_of(encoder, 1)
    cat, dog = (scaled(encoder.maps(views, target_of(encoder, word))) for word in ("cat", "dog"))
    assert np.abs(cat - dog).max() > 0.01


@pytest.mark.parametrize("which", ["clip", "siglip", "stand_in"])
def test_no_views_give_no_maps(which: str, request: pytest.FixtureRequest) -> None:
    encoder: Any = request.getfixturevalue(which)
    assert len(encoder.maps([], target_of(encoder))) == 0


def test_maps_leave_the_model_as_it_was(encoder: Any) -> None:
    views, target = views_of(encoder, 2), target_of(encoder)
    before = encoder.encode_views(views)
    ways = [module.config._attn_implementation for module in encoder._model.modules() if hasattr(module, "config")]
    encoder.maps(views, target)
    assert (encoder.encode_views(views) == before).all()
    assert [m.config._attn_implementation for m in encoder._model.modules() if hasattr(m, "config")] == ways
    assert not any(weight.requires_grad or weight.grad is not None for weight in encoder._model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in encoder._model.modules())


def test_threads_do_not_disturb_each_other(encoder: Any) -> None:
    views, targets = views_of(encoder, 4), [target_of(encoder, word) for word in ("cat", "dog", "snow", "photo")]
    alone, vectors = [encoder.maps(views, target) for target in targets], encoder.encode_views(views)
    with ThreadPoolExecutor(4) as pool:
        maps = [pool.submit(encoder.maps, views, target) for target in targets * 5]
        encoded = [pool.submit(encoder.encode_views, views) for _ in range(10)]
    for i, future in enumerate(maps):
        assert future.result() == pytest.approx(alone[i % 4], abs=1e-5 * float(alone[i % 4].max()))
    assert all(future.result() == pytest.approx(vectors, abs=1e-6) for future in encoded)


def test_maps_can_be_had_where_gradients_are_off(encoder: Any) -> None:
    import torch

    views, target = views_of(encoder, 1), target_of(encoder)
    expected = encoder.maps(views, target)
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            assert (encoder.maps(views, target) == expected).all()


def test_a_borrowed_gpu_gets_and_gives_plain_tensors(encoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On ZeroGPU arguments and results go between processes, by pickle."""
    original, shared = torch_encoder._compute, []

    def elsewhere(*arguments: Any) -> Any:
        shared.append(arguments)
        result = original(*pickle.loads(pickle.dumps(arguments)))
        assert (result.device.type, result.requires_grad) == ("cpu", False)
        return pickle.loads(pickle.dumps(result))

    views, target = views_of(encoder, 2), target_of(encoder)
    expected = encoder.maps(views, target)
    monkeypatch.setattr("clipsim.encoders.torch_encoder._compute", elsewhere)
    assert (encoder.maps(views, target) == expected).all()
    assert pickle.loads(pickle.dumps(shared[0][0])).__self__ is encoder


def test_half_precision_gives_nearly_the_same_map(encoder: Any) -> None:
    import copy

    import torch

    pixels, target = (
        encoder._pixel_values(stack(views_of(encoder, 3))),
        torch.tensor(target_of(encoder)),
    )
    step = encoder._family.step
    halved = copy.deepcopy(encoder._model).half()
    vit.arrange(halved)
    half = legrad.explain(step, halved, pixels, target)
    assert half.dtype == torch.float32
    full = legrad.explain(step, encoder._model, pixels, target)
    assert scaled(half.numpy()) == pytest.approx(scaled(full.numpy()), abs=0.02)


def test_a_damaged_model_is_said_to_be_one(tiny_clip: Path) -> None:
    import torch

    encoder: Any = clipsim.load(str(tiny_clip), "cpu")
    views, target = views_of(encoder, 1), target_of(encoder)
    with torch.no_grad():
        encoder._model.vision_model.post_layernorm.weight.fill_(float("nan"))
    with pytest.raises(EncoderError, match="maps that are not numbers"):
        encoder.maps(views, target)


# From views to pictures


def test_a_view_within_the_picture_keeps_its_grid() -> None:
    view = with_patch((64, 64), (32, 16, 63, 23))
    heatmap = only(Mapped(), seen((200, 100), [(view, (50.0, 0.0, 150.0, 100.0))]))
    assert heatmap.box == (0.25, 0.0, 0.75, 1.0)
    assert heatmap.method == "as it is"
    assert (heatmap.low, heatmap.high) == (2.0, 25.5)
    expected = np.zeros((8, 8))
    expected[2, 4:] = 1
    assert (np.array(heatmap.values) == expected).all()


@pytest.mark.parametrize(("size", "cells"), [((100, 50), (8, 4)), ((40, 80), (4, 8)), ((60, 60), (8, 8))])
def test_padding_is_cut_off(size: tuple[int, int], cells: tuple[int, int]) -> None:
    picture = Image.linear_gradient("L").resize(size).convert("RGB")
    gallery = embed(picture, Mapped(), Options("pad"), keep_views=True)
    heatmap = only(Mapped(), gallery.pictures[0])
    values = np.array(heatmap.values)
    assert heatmap.box == (0, 0, 1, 1)
    assert values.shape == cells[::-1]
    # without the grey of the padding each row is lighter than the one above
    assert values[0] == pytest.approx(np.zeros(cells[0]), abs=0.1)
    assert (np.diff(values, axis=0) > 0).all()


def test_a_sliver_that_was_padded_keeps_one_cell() -> None:
    gallery = embed(paint(400, 2), Mapped(), Options("pad"), keep_views=True)
    heatmap = only(Mapped(), gallery.pictures[0])
    assert len(heatmap.values) == 1 and len(heatmap.values[0]) == 8


def test_tiles_are_joined_to_one_grid_of_their_maxima() -> None:
    tiles = [
        (flat(100), (0.0, 0.0, 60.0, 60.0)),
        (flat(200), (30.0, 0.0, 90.0, 60.0)),
        (flat(50), (60.0, 0.0, 120.0, 60.0)),
    ]
    heatmap = only(Mapped(), seen((120, 60), tiles))
    values = np.array(heatmap.values)
    assert heatmap.box == (0, 0, 1, 1)
    assert values.shape == (12, 24)
    assert (heatmap.low, heatmap.high) == (5.0, 20.0)
    expected = np.repeat([100, 200, 50], [6, 12, 6])
    assert values == pytest.approx(np.tile((expected - 50) / 150, (12, 1)), abs=1e-4)


def test_tiles_show_what_the_whole_picture_would() -> None:
    picture = with_patch((300, 200), (200, 100, 239, 139))
    gallery = embed(picture, Mapped(), Options("tiles-best"), keep_views=True)
    heatmap = only(Mapped(), gallery.pictures[0])
    values = np.array(heatmap.values)
    assert values.shape == (16, 24)
    assert values[9:10, 17:18].min() > 0.9
    assert values[:6].max() < 0.05 and values[:, :13].max() < 0.05
    assert find_peak(heatmap) == pytest.approx((220 / 300, 120 / 200), abs=0.05)


@pytest.mark.parametrize("size", [(3000, 40), (40, 3000)])
def test_gaps_between_the_tiles_of_a_strip_are_cold(size: tuple[int, int]) -> None:
    gallery = embed(paint(*size), Mapped(), Options("tiles-best"), keep_views=True)
    values = np.array(only(Mapped(), gallery.pictures[0]).values)
    assert sorted(values.shape) == [1, 24]
    assert values.max() == 1 and values.min() == 0 and np.isfinite(values).all()


def test_a_flat_map_is_all_nothing() -> None:
    heatmap = only(Mapped(), seen((64, 64), [(flat(80), (0.0, 0.0, 64.0, 64.0))]))
    assert heatmap.low == heatmap.high == 8.0
    assert not np.any(heatmap.values)
    assert find_peak(heatmap) == (0.5, 0.5)


def test_rounding_does_not_become_a_pattern() -> None:
    class Noisy(Mapped):
        def maps(self, views: list[Image.Image], target: np.ndarray) -> np.ndarray:
            grids = super().maps(views, target)
            return np.asarray(
                np.nextafter(grids, np.float32(np.inf) * np.random.default_rng(0).choice([-1, 1], grids.shape))
            )

    heatmap = only(Noisy(), seen((64, 64), [(flat(80), (0.0, 0.0, 64.0, 64.0))]))
    assert heatmap.low == heatmap.high
    assert not np.any(heatmap.values)


def test_all_looks_go_in_at_once_and_come_back_to_their_pictures() -> None:
    encoder = Mapped()
    one = [seen((64, 64), [(with_patch((64, 64), (8 * n, 0, 8 * n + 7, 7)), (0.0, 0.0, 64.0, 64.0))]) for n in range(3)]
    tiled = seen((120, 60), [(flat(9), (0.0, 0.0, 60.0, 60.0)), (flat(8), (60.0, 0.0, 120.0, 60.0))])
    found = compute_heatmaps([one[0], tiled, one[1], one[2]], encoder, np.array([1, 0], np.float32))
    assert encoder.calls == [5]
    assert [int(np.argmax(found[i].values)) for i in (0, 2, 3)] == [0, 1, 2]
    assert [len(heatmap.values) for heatmap in found] == [8, 12, 8, 8]
    assert compute_heatmaps([], encoder, np.array([1, 0], np.float32)) == []


def test_looks_that_were_not_kept_are_asked_for() -> None:
    with pytest.raises(ValueError, match="keep_views"):
        compute_heatmaps([PictureInfo("cat.jpg", (), (9, 9), 1.0)], Mapped(), np.array([1, 0], np.float32))


@pytest.mark.parametrize("framing", ["crop", "pad", "tiles-best", "tiles-mean"])
@pytest.mark.parametrize("which", ["clip", "siglip", "stand_in"])
def test_every_model_and_framing_gives_maps_of_the_promised_form(
    which: str, framing: Framing, request: pytest.FixtureRequest
) -> None:
    encoder: Any = request.getfixturevalue(which)
    gallery = embed([paint(90, 60), paint(40, 70, seed=1)], encoder, Options(framing), keep_views=True)
    found = compute_heatmaps(gallery.pictures, encoder, target_of(encoder))
    assert len(found) == 2
    for heatmap in found:
        left, top, right, bottom = heatmap.box
        assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1
        assert {value for row in heatmap.values for value in row} >= {0.0, 1.0}
        assert heatmap.low < heatmap.high
        assert len({len(row) for row in heatmap.values}) == 1
        assert all(0 <= value <= 1 and value == round(value, 4) for row in heatmap.values for value in row)
        assert json.loads(json.dumps([heatmap.box, heatmap.low])) == [list(heatmap.box), heatmap.low]


# Where an encoder has no map of its own


@pytest.mark.parametrize("corner", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_windows_find_a_bright_patch(corner: tuple[int, int]) -> None:
    column, row = corner
    picture = with_patch((160, 80), (20 + 80 * column, 10 + 40 * row, 59 + 80 * column, 29 + 40 * row))
    gallery = embed(picture, Bright(), keep_views=True)
    heatmap = only(Bright(), gallery.pictures[0])
    assert heatmap.method == "windows"
    assert np.shape(heatmap.values) == (8, 8)
    x, y = find_peak(heatmap)
    assert (int(x >= 0.5), int(y >= 0.5)) == corner
    assert -1 <= heatmap.low < heatmap.high <= 1


def test_windows_are_averaged_where_they_overlap() -> None:
    class Places(Bright):
        """Gives the windows, by their order, cosines of 0 to 0.24 with the target."""

        def encode_images(self, images: list[Image.Image]) -> np.ndarray:
            assert {image.size for image in images} == {(40, 40)}
            first, self.done = self.done, self.done + len(images)
            return np.array([[place / 100, 0] for place in range(first, self.done)], np.float32)

        done = 0

    heatmap = only(Places(), seen((40, 40), [(flat(9, (40, 40)), (0.0, 0.0, 40.0, 40.0))]))
    assert heatmap.low == pytest.approx(0) and heatmap.high == pytest.approx(0.24)
    # cell (3, 4) is held by windows 0 to 3 of the rows and 1 to 4 of the columns
    assert heatmap.values[3][4] == pytest.approx((1.5 * 5 + 2.5) / 24, abs=1e-3)


def test_windows_have_the_size_that_the_network_takes(clip: Any) -> None:
    class Hidden(Counting):
        """The tiny CLIP without its maps."""

    views = views_of(clip, 2)
    pictures = [seen((32, 32), [(view, (0.0, 0.0, 32.0, 32.0))]) for view in views]
    found = compute_heatmaps(pictures, Hidden(clip), target_of(clip))
    assert [heatmap.method for heatmap in found] == ["windows"] * 2
    corner = views[1].resize((32, 32), Image.Resampling.BICUBIC, (0.0, 0.0, 16.0, 16.0))
    cosine = float(clip.encode_views([corner])[0] @ target_of(clip))
    raw = found[1].low + found[1].values[0][0] * (found[1].high - found[1].low)  # only one window holds the corner cell
    assert raw == pytest.approx(cosine, abs=1e-3)


# Overlays


def heated(box: Box, values: list[list[float]]) -> Heatmap:
    return Heatmap(box, tuple(tuple(row) for row in values), 0.0, 1.0, "legrad")


@pytest.mark.parametrize(
    ("size", "shown"), [((800, 400), (480, 240)), ((300, 600), (240, 480)), ((90, 60), (90, 60)), ((2000, 1), (480, 1))]
)
def test_an_overlay_has_the_pictures_shape(size: tuple[int, int], shown: tuple[int, int]) -> None:
    picture = paint(*size)
    result = overlay(picture, heated((0, 0, 1, 1), [[0, 1], [0.5, 0]]))
    assert (result.size, result.mode) == (shown, "RGB")
    assert picture.size == size and (np.asarray(picture) == np.asarray(paint(*size))).all()


def test_what_was_not_seen_is_grey_and_dark() -> None:
    picture = Image.new("RGB", (200, 100), (200, 120, 60))
    pixels = np.asarray(overlay(picture, heated((0.25, 0, 0.75, 1), [[0, 1]]))).astype(int)
    unseen = np.concatenate([pixels[:, :50], pixels[:, 150:]], axis=1)
    assert np.ptp(unseen, axis=-1).max() == 0
    assert unseen.max() < pixels[:, 50:150].sum(axis=-1).min() / 3


def test_hotter_is_lighter_and_cold_parts_stay_readable() -> None:
    ramp = [[n / 20 for n in range(21)]]
    light = np.asarray(overlay(flat(60, (210, 10)), heated((0, 0, 1, 1), ramp)).convert("L")).astype(int)[5]
    assert (np.diff(light) >= -1).all() and light[-1] - light[0] > 80
    stripes = Image.fromarray(np.tile(np.array([[40, 200]], np.uint8), (40, 20))).convert("RGB")
    cold, hot = (np.asarray(overlay(stripes, heated((0, 0, 1, 1), [[v]])).convert("L")).astype(int) for v in (0, 1))
    assert np.abs(np.diff(cold[0])).min() > 0.6 * 160
    assert np.abs(np.diff(hot[0])).min() > 0.25 * 160


@pytest.mark.parametrize("box", [(0.999, 0.0, 1.0, 1.0), (0.0, 0.5, 1.0, 0.5001)])
def test_a_box_thinner_than_a_pixel_is_still_drawn(box: Box) -> None:
    pixels = np.asarray(overlay(flat(120, (30, 20)), heated(box, [[1.0]]))).astype(int)
    assert np.ptp(pixels, axis=-1).max() > 50


# One scale for several maps


def of_cosines(low: float, high: float, values: list[list[float]], method: str = "windows") -> Heatmap:
    return replace(heated((0, 0, 1, 1), values), low=low, high=high, method=method)


def test_a_scale_reaches_from_the_least_to_the_most_of_all_maps() -> None:
    maps = [of_cosines(0.1, 0.3, [[0, 1]]), of_cosines(-0.1, 0.2, [[0, 1]], "feature grid")]
    assert find_scale(maps) == (-0.1, 0.3)
    assert find_scale([]) is None
    assert find_scale([*maps, heated((0, 0, 1, 1), [[0, 1]])]) is None  # LeGrad's numbers have no scale


def test_on_one_scale_the_same_cosine_has_the_same_colour() -> None:
    low, high = of_cosines(0.0, 0.2, [[1.0] * 4]), of_cosines(0.0, 0.4, [[0.5] * 4])
    drawn = [np.asarray(overlay(flat(90), one, scale=(0.0, 0.4))) for one in (low, high)]
    assert (drawn[0] == drawn[1]).all()
    assert not (np.asarray(overlay(flat(90), low)) == drawn[0]).all()
    assert overlay(flat(90), low, scale=(0.0, 0.0)).size == (64, 64)  # where nothing differs in any of them


def test_where_nothing_fits_the_best_place_does_not_glow() -> None:
    hot = of_cosines(0.0, 0.4, [[0.0, 1.0]])
    glow = {
        name: np.ptp(np.asarray(overlay(flat(90), hot, strength=by)), axis=-1).max() for name, by in STRENGTHS.items()
    }
    assert glow["match"] > glow["weak"] > glow["not recognised"] > glow["no match"] > 0
    assert glow["no match"] < 0.5 * glow["match"]


def test_a_layer_covers_most_where_it_is_hottest() -> None:
    layer = np.asarray(draw_layer(of_cosines(0.0, 0.4, [[0.0, 0.5, 1.0]])))
    assert layer.shape == (32, 96, 4)
    assert (np.diff(layer[16, ::12, 3].astype(int)) >= 0).all() and layer[..., 3].max() < 0.7 * 255


# One picture, word by word


def test_each_word_of_a_picture_has_a_map_of_its_own(stand_in: Encoder) -> None:
    picture, caption = ROOT / "examples" / "cat-in-rucksack.jpg", "a cat and a rucksack"
    maps = map_picture(picture, caption, stand_in, words=caption.split())
    assert maps.whole == clipsim.score_images([picture], caption, stand_in, heatmap=True).scores[0].heatmap
    assert len(maps.words) == 5 and maps.words[0] == maps.words[3] != maps.words[1]
    by_cat = clipsim.score_images([picture], "cat", stand_in, heatmap=True).scores[0].heatmap
    assert maps.words[1] == by_cat


def test_words_that_change_most_come_first_where_time_is_short() -> None:
    encoder = Mapped()
    maps = map_picture(paint(64, 64), "a b c", encoder, words=["a", "b", "c"], added=[0.1, -0.3, 0.0], seconds=-1)
    assert [one is None for one in maps.words] == [True, False, True]
    assert encoder.calls == [1, 1]  # the caption, and one word


def test_a_reference_image_takes_the_captions_place(tmp_path: Path) -> None:
    picture, reference = paint(64, 64), paint(64, 64, seed=1)
    maps = map_picture(picture, None, Bright(), reference=reference)
    found = clipsim.score_images([picture], None, Bright(), reference=reference, heatmap=True)
    assert maps.whole == found.scores[0].heatmap and maps.words == ()
    with pytest.raises(ImageError, match=r"gone\.jpg"):
        map_picture(tmp_path / "gone.jpg", "a cat", Bright())


# Peaks


def test_the_peak_is_told_in_shares_of_the_picture() -> None:
    assert find_peak(heated((0.5, 0, 1, 0.5), [[0, 0.2], [0, 1]])) == (0.875, 0.375)


def skimage_pictures() -> list[tuple[Path, str]]:
    data = pytest.importorskip("skimage.data")
    folder = Path(data.__file__).parent
    return [
        (folder / "chelsea.png", "a cat"),
        (folder / "rocket.jpg", "a rocket"),
        (folder / "coffee.png", "a cup of coffee"),
        (folder / "motorcycle_right.png", "a motorcycle"),
    ]


def test_the_stand_in_points_at_the_photograph_that_was_asked_for(stand_in: Encoder) -> None:
    photographs = skimage_pictures()
    squares = {str(path): pointing.square(path) for path, _ in photographs}
    mosaics, captions = [], []
    for turn in range(4):  # each photograph in each quarter
        order = photographs[turn:] + photographs[:turn]
        mosaics += [pointing.Mosaic(tuple(str(p) for p, _ in order), i, order[i][1]) for i in range(4)]
        captions += [caption for _, caption in order]
    tally, method = pointing.pointing(stand_in, mosaics, squares, stand_in.encode_texts(captions), Options())
    assert method == "feature grid"
    assert (tally.total, tally.right >= 12) == (16, True), tally  # 4 by chance


def test_the_stand_ins_map_lies_where_the_picture_does(stand_in: Any) -> None:
    folder = ROOT / "examples"
    snow, dog = (Image.open(folder / f"{name}.jpg") for name in ("snowy-street-at-night", "hiking-golden-retriever"))
    target = target_of(stand_in, "a golden retriever")
    for left in (True, False):
        both = Image.new("RGB", (520, 260))
        for picture, x in ((dog, 0 if left else 260), (snow, 260 if left else 0)):
            both.paste(picture.convert("RGB").resize((260, 260)), (x, 0))
        heatmap = compute_heatmaps(embed(both, stand_in, Options("pad"), keep_views=True).pictures, stand_in, target)[0]
        values = np.array(heatmap.values)
        halves = values[:, :10].mean(), values[:, 10:].mean()
        assert (halves[0] > halves[1]) == left
        assert (find_peak(heatmap)[0] < 0.5) == left


def test_the_stand_ins_cosines_are_cosines(stand_in: Any) -> None:
    maps = stand_in.maps(views_of(stand_in, 2), target_of(stand_in))
    assert maps.shape == (2, 20, 20) and maps.dtype == np.float32
    assert np.abs(maps).max() <= 1 + 1e-6


# The benchmark


@pytest.fixture
def labelled(tmp_path: Path, picture_file: Callable[..., Path]) -> Path:
    with (tmp_path / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label"])
        for n in range(8):
            rows.writerow([picture_file(f"{n}.png", seed=n, size=(60 + n, 50)).name, f"thing {n // 2}"])
    return tmp_path


def test_the_benchmark_counts(labelled: Path, tiny_clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(labelled), "--model", str(tiny_clip), "--mosaics", "5", "--template", "a photo of a {}"]
    pointing.main([*arguments, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["method"], told["pointing"]["total"], told["apart"]["total"]) == ("legrad", 5, 5)
    pointing.main(arguments)
    printed = capsys.readouterr().out
    assert f"{told['pointing']['right']} of 5" in printed and "chance is 25 %" in printed


def test_the_benchmark_draws_what_it_says(labelled: Path) -> None:
    labels = pointing.read_labels(labelled)
    mosaics = list(pointing.drawn(labels, 50, "my {}", seed=3))
    assert mosaics == list(pointing.drawn(labels, 50, "my {}", seed=3))
    assert {mosaic.asked for mosaic in mosaics} == {0, 1, 2, 3}
    for mosaic in mosaics:
        assert len({int(Path(name).stem) // 2 for name in mosaic.files}) == 4
        assert mosaic.caption == f"my thing {int(Path(mosaic.files[mosaic.asked]).stem) // 2}"


def test_the_benchmark_wants_four_labels(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,label\na.png,cat\nb.png,dog\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="2 labels"):
        pointing.main([str(tmp_path)])


def test_wilsons_interval() -> None:
    assert pointing.Tally(95, 100).interval() == pytest.approx((0.8882, 0.9785), abs=1e-4)
    assert pointing.Tally(10, 10).interval() == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert pointing.Tally(0, 10).interval()[0] == pytest.approx(0)
