"""LeGrad: where in a picture a vision transformer of transformers finds what a vector stands for.

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

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LAST_LAYERS = 2  # how many of the last layers take part, as in the authors' code
GRADIENT_SCALE = 1024.0  # keeps gradients in half precision from becoming zero; it is taken out again


def legrad(model: Any, pixel_values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Relevance of each patch, float32 of shape (n, rows, columns), not below 0 and of no fixed scale.

    The patches tile the picture, but for a rest of less than one patch right and below where its size is no multiple.

    Args:
        model: a CLIPModel or SiglipModel that is evaluated and has no trainable weights. It is not changed: other
            threads may use it meanwhile.
        pixel_values: shape (n, 3, height, width), on the model's device.
        target: unit vector of shape (width,), on the same device.
    """
    import torch

    # a caller's inference mode would forbid gradients; without any, layers that take no part keep nothing for them
    with torch.inference_mode(False), torch.no_grad():
        pixels = pixel_values.clone().to(model.vision_model.dtype)
        relevance = (_siglip if hasattr(model.vision_model, "head") else _clip)(model, pixels, target.clone().float())
    rows = pixel_values.shape[-2] // model.vision_model.config.patch_size
    return relevance.reshape(len(relevance), rows, -1)


def _clip(model: Any, pixels: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Shape (n, patches)."""
    import torch

    vision = model.vision_model
    early, late = _split(vision.encoder.layers)
    tokens = vision.pre_layrnorm(vision.embeddings(pixels))
    for layer in early:
        tokens = layer(tokens, None)
    relevances = []
    for layer in late:
        attention, after = _layer(layer, tokens)
        with torch.enable_grad():
            pooled = model.visual_projection(
                vision.post_layernorm(after[:, 0]).to(model.visual_projection.weight.dtype)
            )
        relevances.append(_relevance(pooled, target, attention)[:, 1:])  # the class token is no place
        tokens = after.detach()
    return torch.stack(relevances).mean(dim=0)


def _siglip(model: Any, pixels: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Shape (n, patches)."""
    import torch

    vision = model.vision_model
    early, late = _split(vision.encoder.layers)
    tokens = vision.embeddings(pixels)
    for layer in early:
        tokens = layer(tokens, None)
    relevances = []
    for layer in late:
        tokens = layer(tokens, None)
        attention, pooled = _pool(vision.head, vision.post_layernorm(tokens))
        relevances.append(_relevance(pooled, target, attention))
    return torch.stack(relevances).mean(dim=0)


def _split(layers: Any) -> tuple[Any, Any]:
    first = max(0, len(layers) - LAST_LAYERS)
    return layers[:first], layers[first:]


def _relevance(pooled: torch.Tensor, target: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
    """By how much attention to each token would raise the cosine: shape (n, tokens)."""
    import torch
    from torch.nn.functional import normalize

    with torch.enable_grad():
        # pictures of a batch do not mix, so that the sum's gradient is each one's own
        cosines = normalize(pooled.float(), dim=-1) @ target
        (gradient,) = torch.autograd.grad(cosines.sum() * GRADIENT_SCALE, attention)
    return gradient.float().relu().mean(dim=(1, 2)) / GRADIENT_SCALE


def _layer(layer: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The layer's attention (n, heads, tokens, tokens), and its result as a function of nothing but that."""
    import torch

    block = layer.self_attn
    normed = layer.layer_norm1(tokens)
    query, key, value = (_heads(part(normed), block.num_heads) for part in (block.q_proj, block.k_proj, block.v_proj))
    attention = (query @ key.mT * block.scale).softmax(dim=-1).requires_grad_()
    with torch.enable_grad():
        mixed = tokens + block.out_proj(_joined(attention @ value))
        return attention, mixed + layer.mlp(layer.layer_norm2(mixed))


def _pool(head: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """SigLIP's pooling: its attention (n, heads, 1, tokens), and its result (n, width) as a function of only that."""
    import torch
    from torch.nn.functional import linear

    block = head.attention
    parts = zip((head.probe, tokens, tokens), block.in_proj_weight.chunk(3), block.in_proj_bias.chunk(3), strict=True)
    query, key, value = (_heads(linear(x, weight, bias), block.num_heads) for x, weight, bias in parts)
    attention = (query @ key.mT * block.head_dim**-0.5).softmax(dim=-1).requires_grad_()
    with torch.enable_grad():
        mixed = block.out_proj(_joined(attention @ value))
        return attention, (mixed + head.mlp(head.layernorm(mixed)))[:, 0]


def _heads(tokens: torch.Tensor, count: int) -> torch.Tensor:
    """(n, tokens, width) as (n, heads, tokens, width of a head)."""
    return tokens.reshape(*tokens.shape[:2], count, -1).transpose(1, 2)


def _joined(heads: torch.Tensor) -> torch.Tensor:
    """(n, heads, tokens, width of a head) as (n, tokens, width)."""
    return heads.transpose(1, 2).flatten(2)
