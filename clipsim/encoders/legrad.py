"""LeGrad: where in a picture a vision transformer finds what a vector stands for.

Bousselham et al., "LeGrad: An Explainability Method for Vision Transformers via Feature Formation Sensitivity",
ICCV 2025, arXiv:2404.03214. For layer l with tokens Z (behind the layer) and an attention A (heads x queries x keys)
that mixed them, and the unit vector c of a caption:

    s = cos(head(pool(Z)), c)
    E_l = mean over heads and queries of max(0, ds / dA)      one number for each key, that is for each token
    E = mean of E_l over the last layers

CLIP: `pool` takes the class token and `head` is the final norm and projection; A is the layer's own self-attention, and
the class token's number is dropped. SigLIP: `pool` is the model's attention pooling, of tokens that the final norm has
not seen, there is no `head`, and A is that pooling's attention to the tokens.

This follows the authors' released code (github.com/WalBouss/LeGrad, `legrad/wrapper.py`) but for this:

- CLIP: they pool the mean over all tokens. With the class token s is the model's own similarity at the last layer.
- SigLIP: they then set to zero the cells that the caption "a photo of a" lights up (above 0.8 of its range), here none.
- They enlarge pictures (to 448 pixels in their examples), here the model's own size and framing stay.
- They scale each map to [0, 1] and enlarge it bilinearly, which here is left to who draws it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch.nn.functional import linear, normalize

from clipsim.encoders.vit import embed_patches, project_tokens, run_layer, split_heads

LAST_LAYERS = 2  # how many of the last layers take part, as in the authors' code
GRADIENT_SCALE = 1024.0  # keeps gradients in half precision from becoming zero; it is taken out again
# of a model, one of its layers, and the tokens before it: A, pool(Z) with head, as a function of A, and Z
Step: TypeAlias = Callable[[Any, Any, torch.Tensor], tuple[torch.Tensor, torch.Tensor, torch.Tensor]]


def explain(
    step: Step, model: Any, pixel_values: torch.Tensor, target: torch.Tensor, last_layers: int = LAST_LAYERS
) -> torch.Tensor:
    """Return the relevance of each patch, float32 of shape (n, rows, columns), not below 0 and of no fixed scale.

    The patches tile the picture, but for a rest of less than one patch right and below where its size is no multiple.

    Args:
        step: `run_clip_layer` or `run_siglip_layer`.
        model: a CLIPModel or SiglipModel in evaluation that has no trainable weights. It is not changed: other threads
            may use it meanwhile.
        pixel_values: shape (n, 3, height, width), on the model's device.
        target: unit vector of shape (width,), on the same device.
        last_layers: how many layers take part.
    """
    vision = model.vision_model
    relevances = []
    # a caller's inference mode would forbid gradients; without any, layers that take no part keep nothing for them
    with torch.inference_mode(False), torch.no_grad():
        target = target.clone().float()
        tokens = embed_patches(vision, pixel_values.clone().to(vision.dtype))
        for layer in vision.encoder.layers[:-last_layers]:
            tokens = run_layer(layer, tokens)
        for layer in vision.encoder.layers[-last_layers:]:
            attention, pooled, tokens = step(model, layer, tokens)
            relevances.append(_differentiate(pooled, target, attention))
    rows, columns = (side // vision.config.patch_size for side in pixel_values.shape[-2:])
    relevance = torch.stack(relevances).mean(dim=0)
    return relevance[:, -rows * columns :].reshape(-1, rows, columns)  # CLIP's class token comes first, and is no place


def run_clip_layer(model: Any, layer: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return a layer's self-attention, CLIP's vector if it were the last, and its output."""
    block = layer.self_attn
    query, key, value = (split_heads(part, block.num_heads) for part in project_tokens(layer, tokens))
    attention = (query @ key.mT * block.scale).softmax(dim=-1).requires_grad_()
    with torch.enable_grad():
        mixed = tokens + block.out_proj((attention @ value).transpose(1, 2).flatten(2))
        after = mixed + layer.mlp(layer.layer_norm2(mixed))
        first = model.vision_model.post_layernorm(after[:, 0]).to(model.visual_projection.weight.dtype)
        return attention, model.visual_projection(first), after.detach()


def run_siglip_layer(model: Any, layer: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the attention of SigLIP's pooling behind a layer, the vector that it pools, and the layer's output."""
    after = run_layer(layer, tokens)
    head = model.vision_model.head
    block = head.attention
    parts = zip((head.probe, after, after), block.in_proj_weight.chunk(3), block.in_proj_bias.chunk(3), strict=True)
    query, key, value = (split_heads(linear(x, weight, bias), block.num_heads) for x, weight, bias in parts)
    attention = (query @ key.mT * block.head_dim**-0.5).softmax(dim=-1).requires_grad_()
    with torch.enable_grad():
        mixed = block.out_proj((attention @ value).transpose(1, 2).flatten(2))
        return attention, (mixed + head.mlp(head.layernorm(mixed)))[:, 0], after


def _differentiate(pooled: torch.Tensor, target: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
    """Return by how much attention to each token would raise the cosine: shape (n, tokens)."""
    with torch.enable_grad():
        # pictures of a batch do not mix, so that the sum's gradient is each one's own
        cosines = normalize(pooled.float(), dim=-1) @ target
        (gradient,) = torch.autograd.grad(cosines.sum() * GRADIENT_SCALE, attention)
    return gradient.float().relu().mean(dim=(1, 2)) / GRADIENT_SCALE
