"""How networks are trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Literal, get_args

from clipsim.encoders import Encoder
from clipsim.errors import ChoiceError, UsageError

Method = Literal["lora", "full"]
TrainingPrecision = Literal["auto", "full", "half"]  # numbers of 8 bits are too coarse for steps
# LoRA's as CLIP-LoRA found it (arXiv:2405.18541); all weights bear far smaller steps.
LEARNING_RATES: dict[Method, float] = {"lora": 2e-4, "full": 5e-6}
WIDTH = 768  # of ViT-B's, which these rates are for
EPOCHS, STEPS = 20, 200  # the longer of the two, unless a number of epochs is given

Captions = tuple[str, ...]
Validate = Callable[[Encoder], float]


@dataclass(frozen=True)
class TowerSettings:
    """How networks are trained; the defaults are for published checkpoints and some hundred pictures.

    Attributes:
        method: "lora" or "full".
        rank: of LoRA's matrices, which lie beside query, key and value of every layer of both networks.
        alpha: what LoRA's matrices count, times 1 / sqrt(rank).
        dropout: the share of what LoRA's matrices read that is left out, another one at each step.
        learning_rate: at the end of the warm-up; None for the method's own, 2e-4 or 5e-6 for a network of pictures that
            is 768 wide, and in inverse proportion for others.
        epochs: how often each picture is seen at most, each time with one of its captions; None for 20, or as many as
            make 200 steps of few pictures.
        batch: pictures a step. Each is told from all the others, so that a larger one teaches more.
        warm_up: share of the steps in which the rate grows, before it falls as a cosine.
        weight_decay: of AdamW, for matrices.
        patience: how many times in a row validation may be no better before training ends. It comes after an epoch, or
            after several that are 10 steps together, or every 100 steps of a longer one.
        learn_scale: whether `full` also learns what cosines are multiplied with. It is fixed by default, since cosines
            drift with it and cut-offs lose their meaning.
        save_memory: compute the layers' values again on the way back instead of keeping them: about a third slower.
        precision: "full" calculates in float32; else in bfloat16 where the processor or the CUDA device does, which is
            nearly twice as fast. Weights are kept, moved and saved in float32 either way.
        seed: of the order of pictures, the choice of captions, and LoRA's first matrices.
    """

    method: Method = "lora"
    rank: int = 2
    alpha: float = 1.0
    dropout: float = 0.25
    learning_rate: float | None = None
    epochs: int | None = None
    batch: int = 64
    warm_up: float = 0.1
    weight_decay: float = 0.01
    patience: int = 10
    learn_scale: bool = False
    save_memory: bool = True
    precision: TrainingPrecision = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise a `ChoiceError` or `UsageError` for what cannot be."""
        if self.method not in get_args(Method):
            raise ChoiceError("method", self.method, get_args(Method))
        if self.precision not in get_args(TrainingPrecision):
            raise ChoiceError("precision", self.precision, get_args(TrainingPrecision))
        least = {"rank": 1, "epochs": 1, "batch": 2, "patience": 1}
        for name, smallest in least.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise UsageError(f"{name} is {value}: give {smallest} or more.")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise UsageError(f"learning_rate is {self.learning_rate:g}: give a number above 0.")
        if not (0 <= self.dropout < 1 and 0 <= self.warm_up < 1):
            raise UsageError("dropout and warm_up are shares: give numbers from 0 to below 1.")
        if self.learn_scale and self.method == "lora":
            raise UsageError("lora leaves the scale as it is: use full for learn_scale.")

    def count_epochs(self, steps: int) -> int:
        """Return how many epochs there are, where each takes so many steps."""
        return max(EPOCHS, ceil(STEPS / steps)) if self.epochs is None else self.epochs

    def find_rate(self, width: int) -> float:
        """Return the learning rate for a network so wide: Adam's falls with the width (arXiv:2203.03466, table 3)."""
        return LEARNING_RATES[self.method] * WIDTH / width if self.learning_rate is None else self.learning_rate
