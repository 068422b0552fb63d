"""Random CLIP and SigLIP models, and pixels for them."""

from __future__ import annotations

from typing import Any

import torch
import transformers

SIZES = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4}


def model(family: str, hidden_act: str = "quick_gelu") -> Any:
    """Random, of many enough patches (14 x 14) and wide enough that products are split and summed in blocks."""
    text = {**SIZES, "vocab_size": 99, "max_position_embeddings": 16, "hidden_act": hidden_act}
    vision = {**SIZES, "image_size": 112, "patch_size": 8, "hidden_act": hidden_act}
    torch.manual_seed(5)
    if family == "clip":
        whole: Any = transformers.CLIPModel(
            transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=48, initializer_factor=3.0)
        )
    else:
        text |= {"projection_size": 128}
        whole = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision))
        for weight in whole.parameters():
            if weight.dim() > 1:
                torch.nn.init.normal_(weight, std=0.08)
    return whole.eval().requires_grad_(False)


def pixels(count: int = 9) -> torch.Tensor:
    return torch.randn(count, 3, 112, 112, generator=torch.Generator().manual_seed(2))


KINDS = [("clip", "quick_gelu"), ("clip", "gelu"), ("siglip", "gelu_pytorch_tanh")]
