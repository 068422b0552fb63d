"""The towers of transformers' CLIP and SigLIP models, run with less work than their own forward does.

The weights stay where they are in the model, and the results are the same to rounding (tests/test_fast.py). Saved are:

1. Query, key and value are one product instead of three: `arrange` joins their weights.
2. `quick_gelu(x) = x * sigmoid(1.702 x)` is `silu(1.702 x) / 1.702`, which is done in place.
3. Of CLIP's last layer only the class token is used, so that the others are not computed there.

And a picture's vector has the same bits whatever else is in the batch. A product of few rows would be summed in another
order, so that where each picture has one row there are never fewer than `STEADY` rows, nor queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

STEADY = 32  # rows; MKL treats 10 and fewer differently


def arrange(model: Any) -> None:
    """Prepare a model that is on its device already. Its own forward works as before, with views of joined weights."""
    import torch

    for tower in (model.vision_model, model.text_model):
        for layer in tower.encoder.layers:
            if tower.config.hidden_act == "quick_gelu":
                layer.mlp.activation_fn = _quick_gelu()
    for layer in model.vision_model.encoder.layers:
        block = layer.self_attn
        parts = (block.q_proj, block.k_proj, block.v_proj)
        block.joined = []
        for kind in ("weight", "bias"):
            block.joined.append(torch.cat([getattr(part, kind).data for part in parts]))
            for part, own in zip(parts, block.joined[-1].chunk(3), strict=True):
                getattr(part, kind).data = own


def image_vectors(model: Any, pixel_values: torch.Tensor) -> torch.Tensor:
    """Projected vectors of any length, float32 of shape (n, width), by a CLIPModel or SiglipModel that was arranged."""
    vision, count = model.vision_model, len(pixel_values)
    tokens = vision.embeddings(pixel_values)
    if hasattr(vision, "head"):  # SigLIP
        for layer in vision.encoder.layers:
            tokens = _layer(layer, tokens)
        return _attention_pool(vision.head, vision.post_layernorm(tokens)).float()[:count]
    tokens = vision.pre_layrnorm(tokens)
    *layers, last = vision.encoder.layers
    for layer in layers:
        tokens = _layer(layer, tokens)
    pooled = vision.post_layernorm(_layer(last, tokens, only_first=True)[:, 0])
    vectors: torch.Tensor = model.visual_projection(pooled.float())[:count]
    return vectors


def text_vectors(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Projected vectors of any length, shape (n, width), by the model's own text tower."""
    read, count = model.text_model(**inputs), len(inputs["input_ids"])
    if hasattr(model.text_model, "head"):  # SigLIP reads the last of its padded tokens
        vectors: torch.Tensor = model.text_model.head(steady(read.last_hidden_state[:, -1]))[:count]
    else:
        vectors = model.text_projection(steady(read.pooler_output))[:count]
    return vectors


def steady(rows: torch.Tensor) -> torch.Tensor:
    """The rows along the first dimension, and rows of zeros up to `STEADY`."""
    from torch.nn.functional import pad

    return pad(rows, (0, 0) * (rows.dim() - 1) + (0, max(0, STEADY - len(rows))))


def _layer(layer: Any, tokens: torch.Tensor, only_first: bool = False) -> torch.Tensor:
    """What the layer makes of tokens of shape (n, count, width): all of them, or the first one (`steady`)."""
    from torch.nn.functional import linear

    block = layer.self_attn
    joined = linear(layer.layer_norm1(tokens), *block.joined)
    query, key, value = (_heads(part, block.num_heads) for part in joined.chunk(3, dim=-1))
    mixed = _attended(query, key, value)
    if only_first:
        mixed, tokens = steady(mixed[:, :1]), steady(tokens[:, :1])
    tokens = block.out_proj(mixed).add_(tokens)
    after: torch.Tensor = layer.mlp(layer.layer_norm2(tokens)).add_(tokens)
    return after


def _attention_pool(head: Any, tokens: torch.Tensor) -> torch.Tensor:
    """SigLIP's pooling of tokens (n, count, width): shape (n, width), but `steady`."""
    from torch.nn.functional import linear

    block = head.attention
    (to_query, to_others), (of_query, of_others) = (
        part.split([tokens.shape[-1], 2 * tokens.shape[-1]]) for part in (block.in_proj_weight, block.in_proj_bias)
    )
    query = _heads(linear(head.probe, to_query, of_query), block.num_heads).expand(len(tokens), -1, STEADY, -1)
    key, value = (_heads(part, block.num_heads) for part in linear(tokens, to_others, of_others).chunk(2, dim=-1))
    mixed = block.out_proj(steady(_attended(query, key, value)[:, :1]))
    pooled: torch.Tensor = (head.mlp(head.layernorm(mixed)) + mixed)[:, 0]
    return pooled


def _heads(tokens: torch.Tensor, count: int) -> torch.Tensor:
    """(n, tokens, width) as (n, heads, tokens, width of a head)."""
    return tokens.unflatten(-1, (count, -1)).transpose(1, 2)


def _attended(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Values mixed by attention, shape (n, queries, width)."""
    from torch.nn.functional import scaled_dot_product_attention

    return scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


def _quick_gelu() -> torch.nn.Module:
    import torch

    class QuickGelu(torch.nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.silu(values.mul_(1.702), inplace=True).mul_(1 / 1.702)

    return QuickGelu()
