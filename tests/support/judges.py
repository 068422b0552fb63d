"""Small judges that are real in every part, and what transformers alone makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.pre_tokenizers import ByteLevel

from clipsim.judges import Judge

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
MARKS = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


class Counting(Judge):
    """Says that a picture is as probable as it is bright, and keeps what it was asked."""

    name = "counting"
    revision = "1"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def rate(self, views: list[Image.Image], captions: list[str]) -> np.ndarray:
        self.asked += captions
        return np.array([np.asarray(view).mean() / 255 for view in views], np.float32)


def save_blip(folder: Path, seed: int = 3) -> Path:
    """Save a small random BLIP with a matching head, whose tokenizer is that of BERT, and return its folder."""
    torch.manual_seed(seed)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,'"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "dog", "the", "snow", "a"]
    tokens += [one for one in (*letters, *(f"##{letter}" for letter in letters)) if one not in tokens]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    text = {**TOWER, "vocab_size": len(tokens), "max_position_embeddings": 40, "encoder_hidden_size": 32}
    text |= {"bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
    config = transformers.BlipConfig(
        text_config=text,
        vision_config={**TOWER, "image_size": 32, "patch_size": 8},
        image_text_hidden_size=16,
    )
    model = transformers.BlipForImageTextRetrieval(config)
    for weights in model.parameters():  # far from zero, or all probabilities are a half
        weights.data += 0.3 * torch.randn_like(weights)
    model.save_pretrained(folder)
    transformers.BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    transformers.BlipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_qwen(folder: Path, seed: int = 4) -> Path:
    """Save a small random Qwen3-VL, whose tokenizer is of bytes and a few words, and return its folder."""
    torch.manual_seed(seed)
    merges: dict[tuple[str, str], None] = {}
    for word in ("yes", "no", "Ġthe", "Ġcat", "Ġdog", ":a"):
        merges |= dict.fromkeys((word[:i], word[i]) for i in range(1, len(word)))
    tokens = dict.fromkeys([*sorted(ByteLevel.alphabet()), *(a + b for a, b in merges)])
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, list(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>")
    fast.add_special_tokens({"additional_special_tokens": list(MARKS)})
    ids = {name: fast.convert_tokens_to_ids(f"<|{name}|>") for name in ("vision_start", "vision_end")}
    pads = {name: fast.convert_tokens_to_ids(f"<|{name}_pad|>") for name in ("image", "video")}
    text: dict[str, Any] = {**TOWER, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": len(fast)}
    text["rope_parameters"] = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10_000.0}
    vision: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "depth": 2,
        "num_heads": 2,
        "out_hidden_size": 32,
    }
    vision |= {"patch_size": 4, "num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    config = transformers.Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        tie_word_embeddings=True,
        **{f"{name}_token_id": i for name, i in (ids | pads).items()},
    )
    model = transformers.Qwen3VLForConditionalGeneration(config)
    for weights in model.parameters():
        weights.data += 0.2 * torch.randn_like(weights)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    processor = transformers.Qwen2VLImageProcessorPil(
        patch_size=4, size={"shortest_edge": 256, "longest_edge": 115_200}
    )
    processor.save_pretrained(folder)
    return folder


def match_plainly(folder: Path, image: Image.Image, caption: str) -> float:
    """P(match) by transformers' own forward of a BLIP."""
    model = transformers.BlipForImageTextRetrieval.from_pretrained(folder).eval()
    processor = transformers.BlipImageProcessorPil.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    words = tokenizer(caption, truncation=True, max_length=40, return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        scores = model(**words, pixel_values=processor(image, return_tensors="pt")["pixel_values"]).itm_score
    return float(scores.softmax(dim=-1)[0, 1])


def answer_plainly(folder: Path, image: Image.Image, prompt: str) -> float:
    """P(yes | yes or no) by transformers' own forward of a Qwen3-VL, with "<picture>" in a prompt that is one text."""
    model = transformers.Qwen3VLForConditionalGeneration.from_pretrained(folder).eval()
    processor = transformers.Qwen2VLImageProcessorPil.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    seen = processor(image, return_tensors="pt")
    picture = "<|image_pad|>" * (int(seen["image_grid_thw"].prod()) // 4)
    ids = tokenizer(prompt.replace("<picture>", picture), return_tensors="pt")["input_ids"]
    pad = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    with torch.inference_mode():
        logits = model(input_ids=ids, mm_token_type_ids=(ids == pad).int(), **seen).logits[0, -1]
    yes, no = (logits[tokenizer.convert_tokens_to_ids(word)] for word in ("yes", "no"))
    return float(torch.stack([yes, no]).softmax(dim=0)[0])
