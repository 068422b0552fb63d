"""Random weights in the shape of a published CLIP, for timing where the real ones cannot be had.

`python -m benchmarks.performance.checkpoint FOLDER [--model clip-vit-b-32]` saves a whole checkpoint (weights,
tokenizer, processor) that clipsim and others load as any other; a caption is spelled letter by letter, since the
vocabulary has no words. Speed does not depend on what the weights are.

What a narrow number format costs does. Trained networks have a few channels that are far larger than the others
(Dettmers et al. 2022, arXiv:2208.07339), which random ones have not: `spread_outliers` gives them some.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

# Sizes of the published checkpoints, from their config.json; all else is the default of transformers' CLIPConfig.
SHAPES: dict[str, dict[str, Any]] = {
    "clip-vit-b-32": {},
    "clip-vit-b-16": {"vision": {"patch_size": 16}},
    "clip-vit-l-14": {
        "vision": {
            "patch_size": 14,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
        },
        "text": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
        "projection_dim": 768,
    },
}

OUTLIERS, LARGER = 4, 20.0  # channels of each layer, and how many times as large


def spread_outliers(model: Any) -> None:
    """Make a few channels of each layer that looks at pictures `LARGER` times as large, in place.

    They are `OUTLIERS` channels, the same in all layers, of the gains of both layer norms, which all that is multiplied
    then reads; and as many rows of `fc1` and `v_proj`, weights and biases, whose results `fc2` and `out_proj` read.
    """
    import torch

    chosen = torch.Generator().manual_seed(2)
    layers = model.vision_model.encoder.layers
    width, hidden = layers[0].mlp.fc1.in_features, layers[0].mlp.fc1.out_features
    channels, rows = (torch.randperm(size, generator=chosen)[:OUTLIERS] for size in (width, hidden))
    with torch.no_grad():
        for layer in layers:
            for norm in (layer.layer_norm1, layer.layer_norm2):
                norm.weight[channels] *= LARGER
            for part, places in ((layer.mlp.fc1, rows), (layer.self_attn.v_proj, channels)):
                part.weight[places] *= LARGER
                part.bias[places] *= LARGER


def save(folder: Path, shape: str = "clip-vit-b-32") -> Path:
    """Write a checkpoint of one of `SHAPES` with random weights, the same at each call; returns `folder`."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    spelled = [*letters, *(f"{letter}</w>" for letter in letters)]
    unused = [f"<unused{number}>" for number in range(49406 - len(spelled))]
    tokens = [*spelled, *unused, "<|startoftext|>", "<|endoftext|>"]
    sizes = SHAPES[shape]
    torch.manual_seed(1)
    config = CLIPConfig(
        vision_config=sizes.get("vision", {}),
        text_config=sizes.get("text", {}),
        projection_dim=sizes.get("projection_dim", 512),
    )
    CLIPModel(config).save_pretrained(folder)
    vocabulary = {token: place for place, token in enumerate(tokens)}
    CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77).save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    return folder


def in_hub_cache(folder: Path, hub_id: str, commit: str, shape: str = "clip-vit-b-32") -> Path:
    """The same where the hub's cache in `folder` (HF_HUB_CACHE) would have the model, so that its name finds it."""
    repository = folder / f"models--{hub_id.replace('/', '--')}"
    return save(repository / "snapshots" / commit, shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="clip-vit-b-32", choices=SHAPES)
    chosen = parser.parse_args()
    print(save(chosen.folder, chosen.model))


if __name__ == "__main__":
    main()
