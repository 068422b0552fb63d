"""The captions' towers of transformers' CLIP and SigLIP models, run with less work than their own forward does.

Of CLIP's captions only what stands before the end is read, and of its last layer only the end token is computed.
"""

from __future__ import annotations

from typing import Any

import torch

from clipsim.encoders.vit import attend, fill_rows, finish_layer, multiply


def encode_clip_texts(model: Any, input_ids: torch.Tensor) -> torch.Tensor:
    """Return projected vectors of any length, shape (n, width), by a CLIP model, arranged or not."""
    arranged = hasattr(model.text_model.encoder.layers[0].self_attn, "joined")
    pooled = _pool_end_token(model, input_ids) if arranged else fill_rows(model.text_model(input_ids).pooler_output)
    vectors: torch.Tensor = model.text_projection(pooled)
    return vectors[: len(input_ids)]


def _pool_end_token(model: Any, input_ids: torch.Tensor) -> torch.Tensor:
    """Return the end token of each caption after the last layer, by `fill_rows`; what stands behind it is left out."""
    text = model.text_model
    # where transformers finds it: configurations of early checkpoints name another token, and the end has the highest
    early = text.eos_token_id == 2 and model.config.model_type == "clip"
    ends = (input_ids if early else (input_ids == text.eos_token_id).int()).argmax(dim=-1, keepdim=True)
    places = torch.arange(input_ids.shape[1], device=input_ids.device)
    read = places <= ends
    tokens = fill_rows(text.embeddings(input_ids=input_ids)[read])
    for layer in text.encoder.layers[:-1]:
        tokens = _run_causal_layer(layer, tokens, read, read)
    tokens = _run_causal_layer(text.encoder.layers[-1], tokens, read, places == ends)
    pooled: torch.Tensor = text.final_layer_norm(tokens)
    return pooled


def encode_siglip_texts(model: Any, input_ids: torch.Tensor) -> torch.Tensor:
    """Return projected vectors of any length, shape (n, width), of the last of a SigLIP model's padded tokens."""
    vectors: torch.Tensor = model.text_model.head(fill_rows(model.text_model(input_ids).last_hidden_state[:, -1]))
    return vectors[: len(input_ids)]


def _run_causal_layer(layer: Any, tokens: torch.Tensor, read: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the layer's output for tokens, by `fill_rows` of shape (count, width), that attend to earlier ones.

    `read` is where they stand in their captions, shape (n, length), bool, and `wanted` of which there is an output.
    """
    block, count = layer.self_attn, int(read.sum())
    joined = multiply(layer.layer_norm1(tokens), block.joined)[:count]
    padded = joined.new_zeros(*read.shape, joined.shape[-1])
    padded[read] = joined
    mixed = attend(block.num_heads, *padded.chunk(3, dim=-1), is_causal=True)
    return finish_layer(layer, fill_rows(mixed[wanted]), fill_rows(tokens[:count][wanted[read]]))
