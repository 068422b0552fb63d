"""What the judges on torch share: loading at first use, forward passes in turn, probabilities that are ones."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from PIL import Image

from clipsim.encoders import explain_failure
from clipsim.encoders.devices import borrow_gpu, resolve_device
from clipsim.encoders.torch_encoder import LOADING
from clipsim.encoders.weights import hide_loading_bar, read_weights
from clipsim.errors import EncoderError
from clipsim.judges.base import Judge

# On a ZeroGPU Space the borrowed GPU belongs to another process, a fork of this one: a judge goes there by its id.
_JUDGES: WeakValueDictionary[int, TorchJudge] = WeakValueDictionary()


class TorchJudge(Judge):
    """A judge in a folder, as `save_pretrained` writes it and the hub serves it.

    Attributes:
        model_class: of its model in transformers.
        half: its number format on CUDA, unless it is to calculate in full, or in int8, which judges do not.
    """

    ready = False
    model_class: Any
    half: torch.dtype = torch.float16

    def __init__(self, name: str, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        """Choose the device and read no weights; see `clipsim.judges.load_judge` for the arguments.

        Raises:
            EncoderError: the device is not on this machine, or the folder has no weights as safetensors.
        """
        self.name, self.folder = name, folder
        self.device = resolve_device(device)
        halved = self.device.startswith("cuda") and precision in ("auto", "half")
        self.precision, self._dtype = ("half", self.half) if halved else ("full", torch.float32)
        weights = sorted(folder.glob("model*.safetensors"))
        if not weights:
            raise EncoderError(f"{name} is not complete: its folder lacks model*.safetensors, fetch it again")
        # the hub's cache keeps each commit in a folder of its own; other folders may be written over
        self.revision = folder.name if folder.parent.name == "snapshots" else _digest_state(weights)
        _JUDGES[id(self)] = self

    def __reduce__(self) -> tuple[Callable[[int], TorchJudge], tuple[int]]:
        """Pickle as the id by which this process, and forks of it, find the judge."""
        return _find_judge, (id(self),)

    @abstractmethod
    def _prepare(self) -> None:
        """Read what goes with `self._model`: its processor and tokenizer."""

    @abstractmethod
    def _rate(self, views: list[Image.Image], captions: list[str]) -> torch.Tensor:
        """Return probabilities, shape (n,), of at most `batch` pairs."""

    def ensure_loaded(self) -> None:
        """Read the weights if nobody has yet.

        Raises:
            EncoderError: the files do not hold a model that can be used.
        """
        if self.ready:
            return
        with LOADING:
            if not self.ready:
                self._model = self._read_model().to(self.device).eval().requires_grad_(False)
                with self._explain_failure():
                    self._prepare()
                self.ready = True

    def rate(self, views: list[Image.Image], captions: list[str]) -> np.ndarray:
        """Return how probable it is that picture i shows what caption i says: float32, 0 to 1, shape (n,)."""
        self.ensure_loaded()
        starts = range(0, len(views), self.batch)
        rated = [self._rate(views[i : i + self.batch], captions[i : i + self.batch]) for i in starts]
        probabilities = torch.cat([torch.empty(0), *rated])
        if not probabilities.isfinite().all():
            raise EncoderError(f"{self.name} gave what is no probability: its files are damaged, fetch them again")
        return probabilities.numpy()

    def _read_model(self) -> Any:
        with self._explain_failure():
            return read_weights(self.model_class, self.name, self.folder, dtype=self._dtype, use_safetensors=True)

    def _run(self, calculate: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> torch.Tensor:
        """Return on the CPU, in float32, what a method makes of inputs on its device, when it is its turn.

        Raises:
            EncoderError: there is no memory for it, or the model cannot do it.
        """
        try:
            with self.turn:
                return _compute(calculate, self.device, *inputs)
        except RuntimeError as error:  # which an OutOfMemoryError of torch is too
            raise EncoderError(f"{self.name} could not be asked: {explain_failure(error)}") from error

    @contextmanager
    def _explain_failure(self) -> Iterator[None]:
        """Load parts of a checkpoint quietly; missing, damaged and foreign files raise a dozen types of error."""
        try:
            with hide_loading_bar():
                yield
        except EncoderError:
            raise
        except Exception as error:
            raise EncoderError(f"{self.name} could not be loaded: {explain_failure(error)}") from error


def _find_judge(key: int) -> TorchJudge:
    return _JUDGES[key]


@borrow_gpu
def _compute(calculate: Callable[..., torch.Tensor], device: str, *inputs: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return calculate(*(tensor.to(device) for tensor in inputs)).float().cpu()


def _digest_state(files: list[Path]) -> str:
    """Return a digest that changes when the files are written: of their names, sizes and times."""
    listing = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(listing).encode()).hexdigest()
