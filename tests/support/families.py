"""Small random checkpoints of the families beside CLIP and SigLIP, and what transformers alone makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from torch.nn.functional import normalize

TEXT = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
READS = 64  # tokens


def randomize(model: Any) -> Any:
    """Draw weights wide enough that no two inputs come out alike."""
    torch.manual_seed(7)
    for weight in model.parameters():
        if weight.dim():  # the scale of a cosine stays
            torch.nn.init.normal_(weight, std=0.25 if weight.dim() > 1 else 0.1)
    return model


def save_naflex(folder: Path, tokenizer: Any) -> Path:
    text = {**TEXT, "vocab_size": len(tokenizer), "max_position_embeddings": READS, "projection_size": 32}
    vision = {**TEXT, "patch_size": 8, "num_patches": 16}
    config = transformers.Siglip2Config(text_config=text, vision_config=vision)
    return _save(folder, transformers.Siglip2Model(config), tokenizer, patch_size=8, max_num_patches=20)


def save_metaclip(folder: Path, tokenizer: Any) -> Path:
    special = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    text = {**TEXT, **special, "vocab_size": len(tokenizer), "max_position_embeddings": READS}
    vision = {**TEXT, "image_size": 32, "patch_size": 8}
    config = transformers.MetaClip2Config(text_config=text, vision_config=vision, projection_dim=24)
    crop = {"height": 32, "width": 32}
    return _save(folder, transformers.MetaClip2Model(config), tokenizer, size={"shortest_edge": 32}, crop_size=crop)


def save_tips(folder: Path, tokenizer: Any) -> Path:
    text = {**TEXT, "vocab_size": len(tokenizer), "max_position_embeddings": READS}
    vision = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 42, "patch_size": 14}
    config = transformers.Tipsv2Config(text_config=text, vision_config=vision)
    model = transformers.Tipsv2Model(config)
    _save(folder, model, tokenizer, size={"height": 42, "width": 42}, resample=2, do_normalize=False)
    return folder


def _save(folder: Path, model: Any, tokenizer: Any, **processor: Any) -> Path:
    randomize(model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    kinds = {"siglip2": transformers.Siglip2ImageProcessorPil, "metaclip_2": transformers.CLIPImageProcessorPil}
    kinds |= {"tipsv2": transformers.SiglipImageProcessorPil}  # its own needs torchvision, and writes the same fields
    kinds[model.config.model_type](**processor).save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Alone:
    """A family as transformers alone runs it: one picture, one caption at a time."""

    save: Callable[[Path, Any], Path]
    model: Any
    image: Callable[[Any, Path, Image.Image], Any]
    pads: bool  # captions to their full length
    masks: bool  # what fills them up

    def encode_image(self, folder: Path, image: Image.Image) -> np.ndarray:
        model = self.model.from_pretrained(folder).eval()
        with torch.inference_mode():
            return np.asarray(normalize(self.image(model, folder, image).pooler_output, dim=-1)[0])

    def encode_text(self, folder: Path, text: str) -> np.ndarray:
        model = self.model.from_pretrained(folder).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        padding = "max_length" if self.pads else False
        read = tokenizer([text.lower()], padding=padding, truncation=True, max_length=READS, return_tensors="pt")
        mask = {"attention_mask": read["attention_mask"]} if self.masks else {}
        with torch.inference_mode():
            vector = model.get_text_features(read["input_ids"], **mask).pooler_output
        return np.asarray(normalize(vector, dim=-1)[0])


def _by_processor(kind: Any) -> Callable[[Any, Path, Image.Image], Any]:
    def encode(model: Any, folder: Path, image: Image.Image) -> Any:
        return model.get_image_features(**kind.from_pretrained(folder)(image, return_tensors="pt"))

    return encode


def _by_hand(model: Any, _: Path, image: Image.Image) -> Any:
    values = np.asarray(image.resize((42, 42), Image.Resampling.BILINEAR), np.float32) / 255
    return model.get_image_features(torch.from_numpy(values).permute(2, 0, 1)[None])


ALONE: Mapping[str, Alone] = {
    "siglip2": Alone(
        save_naflex,
        transformers.Siglip2Model,
        _by_processor(transformers.Siglip2ImageProcessorPil),
        pads=True,
        masks=False,
    ),
    "metaclip_2": Alone(
        save_metaclip,
        transformers.MetaClip2Model,
        _by_processor(transformers.CLIPImageProcessorPil),
        pads=False,
        masks=False,
    ),
    "tipsv2": Alone(save_tips, transformers.Tipsv2Model, _by_hand, pads=False, masks=True),
}
