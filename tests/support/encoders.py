"""What transformers alone makes of a checkpoint, to compare with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from torch.nn.functional import normalize

CLASSES = {
    "clip": (transformers.CLIPModel, transformers.CLIPImageProcessorPil),
    "siglip": (transformers.SiglipModel, transformers.SiglipImageProcessorPil),
}
EVEN = [(32, 32), (40, 32), (32, 52), (64, 80), (128, 96), (300, 200), (97, 97), (20, 25)]  # margins of the crop
TEXTS = [
    "cat",
    "the dog",
    "x",
    "the dog in the snow",
    "a photo, with more",
    "the cat's dog",
    "!",
    "snow snow snow",
    "é",
]
LETTERS = list("abcdefghijklmnopqrstuvwxyz")


class Plain:
    """What transformers alone makes of one picture or one caption, no batch and no padding but SigLIP's own."""

    def __init__(self, family: str, folder: Path) -> None:
        model_class, processor_class = CLASSES[family]
        self.model = model_class.from_pretrained(folder).eval()
        self.processor = processor_class.from_pretrained(folder)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.family = family

    def pixels(self, values: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            vector = self.model.get_image_features(torch.as_tensor(values)).pooler_output
        return np.asarray(normalize(vector, dim=-1)[0])

    def image(self, image: Image.Image) -> np.ndarray:
        return self.pixels(self.processor(image, return_tensors="np")["pixel_values"])

    def ids(self, ids: list[int]) -> np.ndarray:
        with torch.inference_mode():
            vector = self.model.get_text_features(torch.as_tensor([ids])).pooler_output
        return np.asarray(normalize(vector, dim=-1)[0])

    def text(self, text: str) -> np.ndarray:
        ids = self.tokenizer(text.lower()).input_ids
        if self.family == "siglip":
            ids += [self.tokenizer.pad_token_id] * (16 - len(ids))
        return self.ids(ids)
