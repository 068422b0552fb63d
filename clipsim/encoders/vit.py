"""The towers of transformers' CLIP and SigLIP models, run with less work than their own forward does.

The weights stay in the model's own parameters, and the results are the same to rounding: query, key and value are one
product instead of three, `quick_gelu(x) = x * sigmoid(1.702 x) = silu(1.702 x) / 1.702` is done in place, of CLIP's
last layers only the class token and the end token are computed and of its captions nothing behind the end, and on x86
processors that are not Intel's, where MKL is slow, oneDNN multiplies, which torch carries too.

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


def arrange(model: Any) -> None:
    """Prepare a model, on its device, that `can_arrange`; its own forward works as before, on the same weights."""
    for tower in (model.vision_model, model.text_model):
        if tower.config.hidden_act == "quick_gelu":
            for layer in tower.encoder.layers:
                del layer.mlp.activation_fn  # a module, whose place only another module could take
                layer.mlp.activation_fn = _quick_gelu
    own_forward = not hasattr(model, "text_projection")  # of SigLIP's captions, whose padding is attended to
    for layer in (*model.vision_model.encoder.layers, *(() if own_forward else model.text_model.encoder.layers)):
        block = layer.self_attn
        parts = (block.q_proj, block.k_proj, block.v_proj)
        block.joined = SimpleNamespace()
        for kind in ("weight", "bias"):
            joined = torch.cat([getattr(part, kind).data for part in parts])
            setattr(block.joined, kind, joined)
            for part, own in zip(parts, joined.chunk(3), strict=True):
                getattr(part, kind).data = own
    for part in model.text_model.modules():  # which its own forward runs
        if isinstance(part, torch.nn.Linear):
            part.forward = partial(_linear, part=part)  # type: ignore[method-assign]


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
        tokens = _run_layer(layer, tokens)
    tokens = _run_layer(last, tokens, only_first=True)
    pooled: torch.Tensor = vision.post_layernorm(tokens[:, 0]).float()
    return pooled


def encode_siglip_images(model: Any, pixel_values: torch.Tensor) -> torch.Tensor:
    """Return pooled vectors of any length, float32 of shape (n, width), by a SigLIP model that was arranged."""
    vision = model.vision_model
    tokens = embed_patches(vision, pixel_values)
    for layer in vision.encoder.layers:
        tokens = _run_layer(layer, tokens)
    return _pool(vision.head, vision.post_layernorm(tokens)).float()[: len(pixel_values)]


def encode_clip_texts(model: Any, input_ids: torch.Tensor) -> torch.Tensor:
    """Return projected vectors of any length, shape (n, width), by a CLIP model, arranged or not."""
    arranged = hasattr(model.text_model.encoder.layers[0].self_attn, "joined")
    pooled = _pool_end_token(model, input_ids) if arranged else _fill_rows(model.text_model(input_ids).pooler_output)
    vectors: torch.Tensor = model.text_projection(pooled)
    return vectors[: len(input_ids)]


def _pool_end_token(model: Any, input_ids: torch.Tensor) -> torch.Tensor:
    """Return the end token of each caption after the last layer, by `_fill_rows`; what stands behind it is left out."""
    text = model.text_model
    # where transformers finds it: configurations of early checkpoints name another token, and the end has the highest
    early = text.eos_token_id == 2 and model.config.model_type == "clip"
    ends = (input_ids if early else (input_ids == text.eos_token_id).int()).argmax(dim=-1, keepdim=True)
    places = torch.arange(input_ids.shape[1], device=input_ids.device)
    read = places <= ends
    tokens = _fill_rows(text.embeddings(input_ids=input_ids)[read])
    for layer in text.encoder.layers[:-1]:
        tokens = _run_causal_layer(layer, tokens, read, read)
    tokens = _run_causal_layer(text.encoder.layers[-1], tokens, read, places == ends)
    pooled: torch.Tensor = text.final_layer_norm(tokens)
    return pooled


def encode_siglip_texts(model: Any, input_ids: torch.Tensor) -> torch.Tensor:
    """Return projected vectors of any length, shape (n, width), of the last of a SigLIP model's padded tokens."""
    vectors: torch.Tensor = model.text_model.head(_fill_rows(model.text_model(input_ids).last_hidden_state[:, -1]))
    return vectors[: len(input_ids)]


def embed_patches(vision: Any, pixel_values: torch.Tensor) -> torch.Tensor:
    """Return the tokens before the first layer, shape (n, count, width)."""
    tokens: torch.Tensor = vision.embeddings(pixel_values)
    return vision.pre_layrnorm(tokens) if hasattr(vision, "pre_layrnorm") else tokens  # which CLIP has, and SigLIP not


def _fill_rows(rows: torch.Tensor) -> torch.Tensor:
    """Append rows of zeros, along the first dimension, up to `MIN_ROWS`."""
    return pad_with_zeros(rows, (0, 0) * (rows.dim() - 1) + (0, max(0, MIN_ROWS - len(rows))))


def _run_layer(layer: Any, tokens: torch.Tensor, only_first: bool = False) -> torch.Tensor:
    """Return the layer's output for tokens of shape (n, count, width): for all, or for the first (by `_fill_rows`)."""
    block = layer.self_attn
    mixed = _attend(block.num_heads, *_linear(layer.layer_norm1(tokens), block.joined).chunk(3, dim=-1))
    if only_first:
        mixed, tokens = _fill_rows(mixed[:, :1]), _fill_rows(tokens[:, :1])
    return _finish_layer(layer, mixed, tokens)


def _run_causal_layer(layer: Any, tokens: torch.Tensor, read: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the layer's output for tokens, by `_fill_rows` of shape (count, width), that attend to earlier ones.

    `read` is where they stand in their captions, shape (n, length), bool, and `wanted` of which there is an output.
    """
    block, count = layer.self_attn, int(read.sum())
    joined = _linear(layer.layer_norm1(tokens), block.joined)[:count]
    padded = joined.new_zeros(*read.shape, joined.shape[-1])
    padded[read] = joined
    mixed = _attend(block.num_heads, *padded.chunk(3, dim=-1), is_causal=True)
    return _finish_layer(layer, _fill_rows(mixed[wanted]), _fill_rows(tokens[:count][wanted[read]]))


def _finish_layer(layer: Any, mixed: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Return what a layer makes of its input, and of what attention made of it."""
    block, mlp = layer.self_attn, layer.mlp
    tokens = _linear(mixed, block.out_proj).add_(tokens)
    hidden = mlp.activation_fn(_linear(layer.layer_norm2(tokens), mlp.fc1))
    return _linear(hidden, mlp.fc2).add_(tokens)


def _linear(values: torch.Tensor, part: Any) -> torch.Tensor:
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
    """Return SigLIP's attention pooling of tokens (n, count, width): shape (n, width), by `_fill_rows`."""
    block, sizes = head.attention, (tokens.shape[-1], 2 * tokens.shape[-1])
    joined = zip(block.in_proj_weight.split(sizes), block.in_proj_bias.split(sizes), strict=True)
    of_query, of_others = (SimpleNamespace(weight=weight, bias=bias) for weight, bias in joined)
    query = _linear(head.probe, of_query).expand(len(tokens), MIN_ROWS, -1)
    mixed = _attend(block.num_heads, query, *_linear(tokens, of_others).chunk(2, dim=-1))
    mixed = block.out_proj(_fill_rows(mixed[:, :1]))
    pooled: torch.Tensor = (head.mlp(head.layernorm(mixed)) + mixed)[:, 0]
    return pooled


def _attend(heads: int, *query_key_value: Any, is_causal: bool = False) -> torch.Tensor:
    """Mix values of shape (n, count, width) by attention: shape (n, queries, width)."""
    query, key, value = (split_heads(part, heads) for part in query_key_value)
    return scaled_dot_product_attention(query, key, value, is_causal=is_causal).transpose(1, 2).flatten(2)


def split_heads(tokens: torch.Tensor, count: int) -> torch.Tensor:
    """Return tokens of shape (n, tokens, width) as (n, heads, tokens, width of a head)."""
    return tokens.reshape(*tokens.shape[:2], count, -1).transpose(1, 2)


def _quick_gelu(values: torch.Tensor) -> torch.Tensor:
    return silu(values.mul_(1.702), inplace=True).mul_(1 / 1.702)
