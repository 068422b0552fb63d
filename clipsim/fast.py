"""The towers of transformers' CLIP and SigLIP models, run with less work than their own forward does.

The weights stay in the model's own parameters, and the results are the same to rounding. A model that is built in
another way is left to its own forward. Saved are:

1. Query, key and value are one product instead of three: `arrange` joins their weights.
2. `quick_gelu(x) = x * sigmoid(1.702 x)` is `silu(1.702 x) / 1.702`, which is done in place.
3. Of CLIP's last layer only the class token is used, so that the others are not computed there.

And a picture's vector has the same bits whatever else is in the batch. A product of few rows would be summed in another
order, so that where each picture has one row there are never fewer than `STEADY` rows, nor queries.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

STEADY = 32  # rows; MKL treats 10 and fewer differently
_NEEDED = attrgetter(
    *("layer_norm1", "layer_norm2", "mlp.activation_fn", "self_attn.num_heads", "self_attn.out_proj"),
    *(f"self_attn.{part}_proj.{kind}.data" for part in "qkv" for kind in ("weight", "bias")),
)


def knows(model: Any) -> bool:
    """Whether the model's layers are built as they have to be."""
    try:
        return all(_NEEDED(layer) for layer in model.vision_model.encoder.layers)
    except AttributeError:
        return False


def arrange(model: Any) -> None:
    """Prepare a model that `knows` and that is on its device; its own forward works as before, on the same weights."""
    import torch

    for tower in (model.vision_model, model.text_model):
        if tower.config.hidden_act == "quick_gelu":
            for layer in tower.encoder.layers:
                del layer.mlp.activation_fn  # a module, whose place only another module could take
                layer.mlp.activation_fn = _quick_gelu
    for layer in model.vision_model.encoder.layers:
        block = layer.self_attn
        parts = (block.q_proj, block.k_proj, block.v_proj)
        block.joined = [torch.cat([getattr(part, kind).data for part in parts]) for kind in ("weight", "bias")]
        for kind, joined in zip(("weight", "bias"), block.joined, strict=True):
            for part, own in zip(parts, joined.chunk(3), strict=True):
                getattr(part, kind).data = own


def image_vectors(model: Any, pixel_values: torch.Tensor) -> torch.Tensor:
    """Projected vectors of any length, float32 of shape (n, width), by a model that was arranged."""
    vision, count = model.vision_model, len(pixel_values)
    tokens = vision.embeddings(pixel_values)
    *layers, last = vision.encoder.layers
    if hasattr(vision, "head"):  # SigLIP
        for layer in (*layers, last):
            tokens = _layer(layer, tokens)
        vectors: torch.Tensor = _pooled(vision.head, vision.post_layernorm(tokens)).float()
    else:
        tokens = vision.pre_layrnorm(tokens)
        for layer in layers:
            tokens = _layer(layer, tokens)
        tokens = _layer(last, tokens, only_first=True)
        vectors = model.visual_projection(vision.post_layernorm(tokens[:, 0]).float())
    return vectors[:count]


def text_vectors(model: Any, input_ids: torch.Tensor) -> torch.Tensor:
    """Projected vectors of any length, shape (n, width), by the model's own text tower."""
    read = model.text_model(input_ids)
    if hasattr(model.text_model, "head"):  # SigLIP reads the last of its padded tokens
        vectors: torch.Tensor = model.text_model.head(_steady(read.last_hidden_state[:, -1]))
    else:
        vectors = model.text_projection(_steady(read.pooler_output))
    return vectors[: len(input_ids)]


def _steady(rows: torch.Tensor) -> torch.Tensor:
    """The rows along the first dimension, and rows of zeros up to `STEADY`."""
    from torch.nn.functional import pad

    return pad(rows, (0, 0) * (rows.dim() - 1) + (0, max(0, STEADY - len(rows))))


def _layer(layer: Any, tokens: torch.Tensor, only_first: bool = False) -> torch.Tensor:
    """What the layer makes of tokens of shape (n, count, width): all of them, or the first one (`_steady`)."""
    from torch.nn.functional import linear

    block = layer.self_attn
    mixed = _mixed(*linear(layer.layer_norm1(tokens), *block.joined).chunk(3, dim=-1), block.num_heads)
    if only_first:
        mixed, tokens = _steady(mixed[:, :1]), _steady(tokens[:, :1])
    tokens = block.out_proj(mixed).add_(tokens)
    after: torch.Tensor = layer.mlp(layer.layer_norm2(tokens)).add_(tokens)
    return after


def _pooled(head: Any, tokens: torch.Tensor) -> torch.Tensor:
    """SigLIP's attention pooling of tokens (n, count, width): shape (n, width), but `_steady`."""
    from torch.nn.functional import linear

    block, sizes = head.attention, (tokens.shape[-1], 2 * tokens.shape[-1])
    of_query, of_others = zip(block.in_proj_weight.split(sizes), block.in_proj_bias.split(sizes), strict=True)
    query = linear(head.probe, *of_query).expand(len(tokens), STEADY, -1)
    mixed = _mixed(query, *linear(tokens, *of_others).chunk(2, dim=-1), block.num_heads)
    mixed = block.out_proj(_steady(mixed[:, :1]))
    pooled: torch.Tensor = (head.mlp(head.layernorm(mixed)) + mixed)[:, 0]
    return pooled


def _mixed(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int) -> torch.Tensor:
    """Values of shape (n, count, width) mixed by attention: shape (n, queries, width)."""
    from torch.nn.functional import scaled_dot_product_attention as attention

    parts = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (query, key, value))
    return attention(*parts).transpose(1, 2).flatten(2)


def _quick_gelu(values: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import silu

    return silu(values.mul_(1.702), inplace=True).mul_(1 / 1.702)
