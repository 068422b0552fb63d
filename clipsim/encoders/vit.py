"""The pictures' towers of transformers' CLIP and SigLIP models, run with less work than their own forward does.

The weights stay in the model's own parameters, unless they are packed, and the results are the same to rounding: query,
key and value are one product instead of three, `quick_gelu(x) = x * sigmoid(1.702 x) = silu(1.702 x) / 1.702` is done
in place, of CLIP's last layer only the class token is computed, and on x86 processors that are not Intel's, where MKL
is slow, oneDNN multiplies, which torch carries too.

A picture's vector depends on what else is in the batch by rounding at most. A product of few rows would be summed in
another order, so that where each picture has one row there are never fewer than `MIN_ROWS` rows, nor queries: on one or
two threads the bits are then the same. On more, the product may be cut between threads by the size of the batch: with
ViT-L/14 the last bits differ on 3, 5, 6 and 12 threads.
"""

from __future__ import annotations

from functools import cache, partial
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn.functional import linear, scaled_dot_product_attention, silu
from torch.nn.functional import pad as pad_with_zeros

from clipsim.encoders.devices import read_capabilities
from clipsim.encoders.packed import Packed, join_parts, pack_layer, pack_patches

MIN_ROWS = 32  # rows; MKL treats 10 and fewer differently
_NEEDED = attrgetter(
    *("layer_norm1", "layer_norm2", "mlp.activation_fn", "mlp.fc1", "mlp.fc2", "self_attn.num_heads"),
    "self_attn.out_proj",
    *(f"self_attn.{part}_proj.{kind}.data" for part in "qkv" for kind in ("weight", "bias")),
)


def can_arrange(model: Any) -> bool:
    """Return whether the model's layers are built as `arrange` needs them."""
    try:
        return all(_NEEDED(layer) for layer in model.vision_model.encoder.layers)
    except AttributeError:
        return False


def arrange(model: Any, packing: type[Packed] | None = None) -> None:
    """Prepare a model, on its device, that `can_arrange`; its own forward works as before, on the same weights.

    With a `packing` the layers that look at pictures are packed, in float32 and on the CPU before, and run here only.
    """
    for tower in (model.vision_model, model.text_model):
        if tower.config.hidden_act == "quick_gelu":
            for layer in tower.encoder.layers:
                del layer.mlp.activation_fn  # a module, whose place only another module could take
                layer.mlp.activation_fn = _quick_gelu
    if packing:
        pack_patches(model.vision_model.embeddings, packing)
    own_forward = not hasattr(model, "text_projection")  # of SigLIP's captions, whose padding is attended to
    for tower in (model.vision_model, *(() if own_forward else (model.text_model,))):
        for layer in tower.encoder.layers:
            join_parts(layer.self_attn)
            if packing and tower is model.vision_model:
                pack_layer(layer, packing, tower.config.hidden_act)
    for part in model.text_model.modules():  # which its own forward runs
        if isinstance(part, torch.nn.Linear):
            part.forward = partial(_multiply_plain, part=part)  # type: ignore[method-assign]


def encode_clip_images(model: Any, pixel_values: torch.Tensor) -> torch.Tensor:
    """Return projected vectors of any length, float32 of shape (n, width), by a CLIP model that was arranged."""
    vectors: torch.Tensor = model.visual_projection(_pool_class_token(model, pixel_values))
    return vectors[: len(pixel_values)]


def pool_clip_images(model: Any, pixel_values: torch.Tensor) -> torch.Tensor:
    """Return what a CLIP model that was arranged projects, float32 of shape (n, hidden width)."""
    return _pool_class_token(model, pixel_values)[: len(pixel_values)]


def _pool_class_token(model: Any, pixel_values: torch.Tensor) -> torch.Tensor:
    """Return the class token after the last layer, for at least `MIN_ROWS` pictures."""
    vision = model.vision_model
    *layers, last = vision.encoder.layers
    tokens = embed_patches(vision, pixel_values)
    for layer in layers:
        tokens = run_layer(layer, tokens)
    tokens = run_layer(last, tokens, only_first=True)
    pooled: torch.Tensor = vision.post_layernorm(tokens[:, 0]).float()
    return pooled


def encode_siglip_images(model: Any, pixel_values: torch.Tensor) -> torch.Tensor:
    """Return pooled vectors of any length, float32 of shape (n, width), by a SigLIP model that was arranged."""
    vision = model.vision_model
    tokens = embed_patches(vision, pixel_values)
    for layer in vision.encoder.layers:
        tokens = run_layer(layer, tokens)
    return _pool(vision.head, vision.post_layernorm(tokens)).float()[: len(pixel_values)]


def embed_patches(vision: Any, pixel_values: torch.Tensor) -> torch.Tensor:
    """Return the tokens before the first layer, shape (n, count, width)."""
    tokens: torch.Tensor = vision.embeddings(pixel_values)
    return vision.pre_layrnorm(tokens) if hasattr(vision, "pre_layrnorm") else tokens  # which CLIP has, and SigLIP not


def fill_rows(rows: torch.Tensor) -> torch.Tensor:
    """Append rows of zeros, along the first dimension, up to `MIN_ROWS`."""
    return pad_with_zeros(rows, (0, 0) * (rows.dim() - 1) + (0, max(0, MIN_ROWS - len(rows))))


def run_layer(layer: Any, tokens: torch.Tensor, only_first: bool = False) -> torch.Tensor:
    """Return the layer's output for tokens of shape (n, count, width): for all, or for the first (by `fill_rows`)."""
    mixed = attend(layer.self_attn.num_heads, *project_tokens(layer, tokens))
    if only_first:
        mixed, tokens = fill_rows(mixed[:, :1]), fill_rows(tokens[:, :1])
    return finish_layer(layer, mixed, tokens)


def project_tokens(layer: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return query, key and value, each of the shape of the tokens."""
    return multiply(layer.layer_norm1(tokens), layer.self_attn.joined).chunk(3, dim=-1)


def finish_layer(layer: Any, mixed: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Return what a layer makes of its input, and of what attention made of it."""
    block, mlp = layer.self_attn, layer.mlp
    tokens = multiply(mixed, block.out_proj, tokens)
    hidden = mlp.activation_fn(multiply(layer.layer_norm2(tokens), mlp.fc1))
    return multiply(hidden, mlp.fc2, tokens)


def multiply(values: torch.Tensor, part: Any, added: torch.Tensor | None = None) -> torch.Tensor:
    """Return the output of a linear layer, packed or not, and `added` to it."""
    if isinstance(part, Packed):
        return part.forward(values, added)
    product = _multiply_plain(values, part)
    return product if added is None else product.add_(added)


def _multiply_plain(values: torch.Tensor, part: Any) -> torch.Tensor:
    if values.device.type == "cpu" and values.dtype == torch.float32 and _is_mkl_slow():
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(values, part.weight, part.bias, "none", [], "")
        return product
    return linear(values, part.weight, part.bias)


@cache
def _is_mkl_slow() -> bool:
    known = read_capabilities()
    x86 = known.get("architecture") == "x86_64" and "Intel" not in known["cpu_name"]
    mkldnn: Any = torch.backends.mkldnn
    return x86 and mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _pool(head: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Return SigLIP's attention pooling of tokens (n, count, width): shape (n, width), by `fill_rows`."""
    block, sizes = head.attention, (tokens.shape[-1], 2 * tokens.shape[-1])
    joined = zip(block.in_proj_weight.split(sizes), block.in_proj_bias.split(sizes), strict=True)
    of_query, of_others = (SimpleNamespace(weight=weight, bias=bias) for weight, bias in joined)
    query = multiply(head.probe, of_query).expand(len(tokens), MIN_ROWS, -1)
    mixed = attend(block.num_heads, query, *multiply(tokens, of_others).chunk(2, dim=-1))
    mixed = block.out_proj(fill_rows(mixed[:, :1]))
    pooled: torch.Tensor = (head.mlp(head.layernorm(mixed)) + mixed)[:, 0]
    return pooled


def attend(heads: int, *query_key_value: Any, is_causal: bool = False) -> torch.Tensor:
    """Mix values of shape (n, count, width) by attention: shape (n, queries, width)."""
    given = query_key_value[0]
    wide = given.dtype == torch.bfloat16  # in which this takes longer than in float32, on a processor
    query, key, value = (split_heads(part.float() if wide else part, heads) for part in query_key_value)
    mixed = scaled_dot_product_attention(query, key, value, is_causal=is_causal).transpose(1, 2).flatten(2)
    return mixed.to(given.dtype)


def split_heads(tokens: torch.Tensor, count: int) -> torch.Tensor:
    """Return tokens of shape (n, tokens, width) as (n, heads, tokens, width of a head)."""
    return tokens.reshape(*tokens.shape[:2], count, -1).transpose(1, 2)


def _quick_gelu(values: torch.Tensor) -> torch.Tensor:
    return silu(values.mul_(1.702), inplace=True).mul_(1 / 1.702)
