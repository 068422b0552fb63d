"""Random weights in the shape of each model of the menu, for timing where the real ones cannot be had.

Sizes are those of the published config.json; all else is the default of transformers' configurations. A caption is
spelled letter by letter, since the vocabularies have no words.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from benchmarks.performance import checkpoint

_LARGE = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
_SO400M = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}
_TINY = {"hidden_size": 256, "intermediate_size": 1024, "num_attention_heads": 4}
GEMMA, XLM_V = 256_000, 901_629  # tokens
_ENGLISH = {"vocab_size": 32_000, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}

SIGLIP: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # of the networks for captions and for pictures
    "siglip-b-16-224": (_ENGLISH, {}),
    "siglip-so400m-14-384": (_ENGLISH | _SO400M, _SO400M | {"image_size": 384, "patch_size": 14}),
    "siglip2-b-32-256": ({}, {"image_size": 256, "patch_size": 32}),
    "siglip2-b-16-224": ({}, {}),
    "siglip2-l-16-256": (_LARGE, _LARGE | {"image_size": 256}),
    "siglip2-so400m-384": (_SO400M, _SO400M | {"image_size": 384}),
}
CLIP = {**checkpoint.SHAPES, "laion2b-vit-b-32": {"text": {"hidden_act": "gelu"}, "vision": {"hidden_act": "gelu"}}}
CLIP["tinyclip-8m"] = {
    "text": _TINY | {"num_hidden_layers": 3},
    "vision": _TINY | {"num_hidden_layers": 10, "patch_size": 16},
}
OPEN_CLIP = {"pe-core-b-16": "PE-Core-B-16", "mobileclip2-s2": "MobileCLIP2-S2"}


def can_save(name: str) -> bool:
    """Return whether what a model of the menu needs is installed."""
    return name not in OPEN_CLIP or importlib.util.find_spec("open_clip") is not None


def save(folder: Path, name: str) -> Path:
    """Write a checkpoint in the shape of a model of the menu with random weights; returns `folder`."""
    if name in CLIP:
        return _save_clip(folder, CLIP[name])
    if name in OPEN_CLIP:
        return _save_open_clip(folder, OPEN_CLIP[name])
    import transformers as t

    if name in SIGLIP:
        text, vision = SIGLIP[name]
        config = t.SiglipConfig(text_config={"vocab_size": GEMMA, **text}, vision_config=vision)
        side = config.vision_config.image_size
        processor = t.SiglipImageProcessorPil(size={"height": side, "width": side})
        return _save(folder, t.SiglipModel(config), processor)
    if name == "siglip2-b-16-naflex":
        naflex = t.Siglip2Config(text_config={"vocab_size": GEMMA}, vision_config={})
        return _save(folder, t.Siglip2Model(naflex), t.Siglip2ImageProcessorPil())
    if name == "metaclip2-b-32":
        text = {"vocab_size": XLM_V, "eos_token_id": 2, "pad_token_id": 1, "bos_token_id": 0}
        return _save(folder, t.MetaClip2Model(t.MetaClip2Config(text_config=text)), t.CLIPImageProcessorPil())
    assert name == "tipsv2-b-14", name
    processor = t.SiglipImageProcessorPil(size={"height": 448, "width": 448}, resample=2, do_normalize=False)
    return _save(folder, t.Tipsv2Model(t.Tipsv2Config()), processor)


def _save(folder: Path, model: Any, processor: Any) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = {
        token: place for place, token in enumerate(["<bos>", "<pad>", "<eos>", "<unk>", *map(chr, range(33, 127))])
    }
    spelling = Tokenizer(models.BPE(letters, [], unk_token="<unk>"))
    spelling.pre_tokenizer = pre_tokenizers.Whitespace()
    spelling.post_processor = processors.TemplateProcessing("$A <eos>", special_tokens=[("<eos>", 2)])
    names = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=spelling, **names).save_pretrained(folder)
    model.save_pretrained(folder, max_shard_size="20GB")
    processor.save_pretrained(folder)
    return folder


def _save_clip(folder: Path, sizes: dict[str, Any]) -> Path:
    import transformers as t

    parts = {"vision_config": sizes.get("vision", {}), "text_config": sizes.get("text", {})}
    config = t.CLIPConfig(**parts, projection_dim=sizes.get("projection_dim", 512))
    return _save(folder, t.CLIPModel(config), t.CLIPImageProcessorPil())


def _save_open_clip(folder: Path, architecture: str) -> Path:
    import open_clip
    from safetensors.torch import save_model

    model = open_clip.create_model(architecture)
    processing = open_clip.get_pretrained_cfg(architecture, open_clip.list_pretrained_tags_by_model(architecture)[0])
    known = {name: processing[name] for name in ("mean", "std", "interpolation", "resize_mode")}
    whole = {"model_cfg": open_clip.get_model_config(architecture), "preprocess_cfg": known}
    (folder / "open_clip_config.json").write_text(json.dumps(whole), encoding="utf-8")
    save_model(model, str(folder / "open_clip_model.safetensors"))
    return folder
