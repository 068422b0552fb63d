"""The towers of transformers' CLIP and SigLIP models, run with less work than their own forward does.

The weights stay in the model's own parameters, and the results are the same to rounding. A model that is built in
another way is left to its own forward. Saved are:

1. Query, key and value are one product instead of three: `arrange` joins their weights.
2. `quick_gelu(x) = x * sigmoid(1.702 x)` is `silu(1.702 x) / 1.702`, which is done in place.
3. Of CLIP's last layer only the class token is used, so that the others are not computed there.
4. On x86 processors that are not Intel's, oneDNN multiplies, which torch carries too; MKL is slow on them.

And a picture's vector has the same bits whatever else is in the batch. A product of few rows would be summed in another
order, so that where each picture has one row there are never fewer than `STEADY` rows, nor queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from operator import attrgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

STEADY = 32  # rows; MKL treats 10 and fewer differently
_NEEDED = attrgetter(
    *("layer_norm1", "layer_norm2", "mlp.activation_fn", "mlp.fc1", "mlp.fc2", "self_attn.num_heads"),
    "self_attn.out_proj",
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
        block.joined = SimpleNamespace()
        for kind in ("weight", "bias"):
            joined = torch.cat([getattr(part, kind).data for part in parts])
            setattr(block.joined, kind, joined)
            for part, own in zip(parts, joined.chunk(3), strict=True):
                getattr(part, kind).data = own
    for part in model.text_model.modules():  # which its own forward runs
        if isinstance(part, torch.nn.Linear):
            part.forward = partial(_linear, part=part)  # type: ignore[method-assign]


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
    block, mlp = layer.self_attn, layer.mlp
    mixed = _mixed(block.num_heads, *_linear(layer.layer_norm1(tokens), block.joined).chunk(3, dim=-1))
    if only_first:
        mixed, tokens = _steady(mixed[:, :1]), _steady(tokens[:, :1])
    tokens = _linear(mixed, block.out_proj).add_(tokens)
    hidden = mlp.activation_fn(_linear(layer.layer_norm2(tokens), mlp.fc1))
    return _linear(hidden, mlp.fc2).add_(tokens)


def _linear(values: torch.Tensor, part: Any) -> torch.Tensor:
    """Values times the part's weight, plus its bias."""
    import torch

    if values.device.type == "cpu" and values.dtype == torch.float32 and _mkl_is_slow():
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(values, part.weight, part.bias, "none", [], "")
        return product
    return torch.nn.functional.linear(values, part.weight, part.bias)


@cache
def _mkl_is_slow() -> bool:
    import torch

    x86 = capabilities().get("architecture") == "x86_64" and "Intel" not in capabilities()["cpu_name"]
    mkldnn: Any = torch.backends.mkldnn
    return x86 and mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def capabilities() -> Mapping[str, Any]:
    """What torch knows of the processor; of older releases of torch nothing."""
    import torch

    known: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return known


def _pooled(head: Any, tokens: torch.Tensor) -> torch.Tensor:
    """SigLIP's attention pooling of tokens (n, count, width): shape (n, width), but `_steady`."""
    block, sizes = head.attention, (tokens.shape[-1], 2 * tokens.shape[-1])
    joined = zip(block.in_proj_weight.split(sizes), block.in_proj_bias.split(sizes), strict=True)
    of_query, of_others = (SimpleNamespace(weight=weight, bias=bias) for weight, bias in joined)
    query = _linear(head.probe, of_query).expand(len(tokens), STEADY, -1)
    mixed = _mixed(block.num_heads, query, *_linear(tokens, of_others).chunk(2, dim=-1))
    mixed = block.out_proj(_steady(mixed[:, :1]))
    pooled: torch.Tensor = (head.mlp(head.layernorm(mixed)) + mixed)[:, 0]
    return pooled


def _mixed(heads: int, *query_key_value: Any) -> torch.Tensor:
    """Values of shape (n, count, width) mixed by attention: shape (n, queries, width)."""
    from torch.nn.functional import scaled_dot_product_attention as attention

    parts = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in query_key_value)
    mixed: torch.Tensor = attention(*parts)
    return mixed.transpose(1, 2).flatten(2)


def _quick_gelu(values: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import silu

    return silu(values.mul_(1.702), inplace=True).mul_(1 / 1.702)
