"""LeGrad: where in a picture a vision transformer finds what a vector stands for.

Bousselham et al., "LeGrad: An Explainability Method for Vision Transformers via Feature Formation Sensitivity",
ICCV 2025, arXiv:2404.03214. For layer l with tokens Z (behind the layer) and an attention A (heads x queries x keys)
that mixed them, and the unit vector c of a caption:

    s = cos(head(pool(Z)), c)
    E_l = mean over heads and queries of max(0, ds / dA)      one number for each key, that is for each token
    E = mean of E_l over the last layers

CLIP: `pool` takes the class token and `head` is the final norm and projection, so that s is the model's own similarity
at the last layer (the authors' released code takes the mean over all tokens); A is the layer's own self-attention, and
the class token's number is dropped. SigLIP: `pool` is the final norm and the model's attention pooling, there is no
`head`, and A is that pooling's attention to the tokens. What the authors' code adds for SigLIP, cells taken out that an
empty prompt lights up, is left out here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch.nn.functional import linear, normalize

LAST_LAYERS = 2  # how many of the last layers take part, as in the authors' code
GRADIENT_SCALE = 1024.0  # keeps gradients in half precision from becoming zero; it is taken out again
Relevance: TypeAlias = Callable[[Any, torch.Tensor, torch.Tensor, int], torch.Tensor]


def explain(
    relevance: Relevance, model: Any, pixel_values: torch.Tensor, target: torch.Tensor, last_layers: int = LAST_LAYERS
) -> torch.Tensor:
    """Return the relevance of each patch, float32 of shape (n, rows, columns), not below 0 and of no fixed scale.

    The patches tile the picture, but for a rest of less than one patch right and below where its size is no multiple.

    Args:
        relevance: `explain_clip` or `explain_siglip`.
        model: a CLIPModel or SiglipModel in evaluation that has no trainable weights. It is not changed: other threads
            may use it meanwhile.
        pixel_values: shape (n, 3, height, width), on the model's device.
        target: unit vector of shape (width,), on the same device.
        last_layers: how many layers take part.
    """
    # a caller's inference mode would forbid gradients; without any, layers that take no part keep nothing for them
    with torch.inference_mode(False), torch.no_grad():
        pixels = pixel_values.clone().to(model.vision_model.dtype)
        patches = relevance(model, pixels, target.clone().float(), last_layers)
    rows = pixel_values.shape[-2] // model.vision_model.config.patch_size
    return patches.reshape(len(patches), rows, -1)


def explain_clip(model: Any, pixels: torch.Tensor, target: torch.Tensor, last_layers: int) -> torch.Tensor:
    """Return the relevance of each patch by CLIP's self-attention, shape (n, patches)."""
    vision = model.vision_model
    tokens, late = _run_early(vision.encoder.layers, vision.pre_layrnorm(vision.embeddings(pixels)), last_layers)
    relevances = []
    for layer in late:
        attention, after = _run_layer(layer, tokens)
        with torch.enable_grad():
            first = vision.post_layernorm(after[:, 0]).to(model.visual_projection.weight.dtype)
            pooled = model.visual_projection(first)
        relevances.append(_differentiate(pooled, target, attention)[:, 1:])  # the class token is no place
        tokens = after.detach()
    return torch.stack(relevances).mean(dim=0)


def explain_siglip(model: Any, pixels: torch.Tensor, target: torch.Tensor, last_layers: int) -> torch.Tensor:
    """Return the relevance of each patch by the attention of SigLIP's pooling, shape (n, patches)."""
    vision = model.vision_model
    tokens, late = _run_early(vision.encoder.layers, vision.embeddings(pixels), last_layers)
    relevances = []
    for layer in late:
        tokens = layer(tokens, None)
        attention, pooled = _pool(vision.head, vision.post_layernorm(tokens))
        relevances.append(_differentiate(pooled, target, attention))
    return torch.stack(relevances).mean(dim=0)


def _run_early(layers: Any, tokens: torch.Tensor, last: int) -> tuple[torch.Tensor, Any]:
    """Return the tokens before the `last` layers, and those layers."""
    first = max(0, len(layers) - last)
    for layer in layers[:first]:
        tokens = layer(tokens, None)
    return tokens, layers[first:]


def _differentiate(pooled: torch.Tensor, target: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
    """Return by how much attention to each token would raise the cosine: shape (n, tokens)."""
    with torch.enable_grad():
        # pictures of a batch do not mix, so that the sum's gradient is each one's own
        cosines = normalize(pooled.float(), dim=-1) @ target
        (gradient,) = torch.autograd.grad(cosines.sum() * GRADIENT_SCALE, attention)
    return gradient.float().relu().mean(dim=(1, 2)) / GRADIENT_SCALE


def _run_layer(layer: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the layer's attention (n, heads, tokens, tokens), and its output as a function of nothing but that."""
    block = layer.self_attn
    normed = layer.layer_norm1(tokens)
    query, key, value = (
        _split_heads(part(normed), block.num_heads) for part in (block.q_proj, block.k_proj, block.v_proj)
    )
    attention = (query @ key.mT * block.scale).softmax(dim=-1).requires_grad_()
    with torch.enable_grad():
        mixed = tokens + block.out_proj(_join_heads(attention @ value))
        return attention, mixed + layer.mlp(layer.layer_norm2(mixed))


def _pool(head: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the attention of SigLIP's pooling (n, heads, 1, tokens), and its output (n, width) as a function of it."""
    block = head.attention
    parts = zip((head.probe, tokens, tokens), block.in_proj_weight.chunk(3), block.in_proj_bias.chunk(3), strict=True)
    query, key, value = (_split_heads(linear(x, weight, bias), block.num_heads) for x, weight, bias in parts)
    attention = (query @ key.mT * block.head_dim**-0.5).softmax(dim=-1).requires_grad_()
    with torch.enable_grad():
        mixed = block.out_proj(_join_heads(attention @ value))
        return attention, (mixed + head.mlp(head.layernorm(mixed)))[:, 0]


def _split_heads(tokens: torch.Tensor, count: int) -> torch.Tensor:
    """Return (n, tokens, width) as (n, heads, tokens, width of a head)."""
    return tokens.reshape(*tokens.shape[:2], count, -1).transpose(1, 2)


def _join_heads(heads: torch.Tensor) -> torch.Tensor:
    """Return (n, heads, tokens, width of a head) as (n, tokens, width)."""
    return heads.transpose(1, 2).flatten(2)
