"""The choices that shape a score: each name with what it means, and `Options`, which holds one of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from typing import Any, Literal, TypedDict, Unpack, get_args, get_type_hints

from clipsim.errors import ChoiceError

Framing = Literal["crop", "pad", "tiles-best", "tiles-mean"]
Contrast = Literal["as-is", "auto"]
Prompt = Literal["as-written", "photo", "ensemble"]
Precision = Literal["auto", "full", "half", "int8"]

FRAMINGS: Mapping[Framing, str] = {
    "crop": "the model's own way: the middle square for CLIP and the stand-in, all of it squeezed for SigLIP",
    "pad": "all of the picture, small, on a grey square",
    "tiles-best": "overlapping squares at two sizes, of which the best one counts",
    "tiles-mean": "overlapping squares at two sizes, averaged",
}
SEVERAL_VECTORS: frozenset[Framing] = frozenset({"tiles-best"})  # framings that give a picture one for each view
CONTRASTS: Mapping[Contrast, str] = {"as-is": "as it is", "auto": "stretched to the full range (autocontrast)"}
# Each template takes the caption once. "a photo of" is that of CLIP's paper (Radford et al. 2021, section 3.1.4), the
# others name the ways in which photographs differ: distance, light, sharpness, medium.
PROMPTS: Mapping[Prompt, tuple[str, ...]] = {
    "as-written": ("{}",),
    "photo": ("a photo of {}",),
    "ensemble": (
        "a photo of {}",
        "a close-up photo of {}",
        "a photo of {} far away",
        "a bright photo of {}",
        "a dark photo of {}",
        "a blurry photo of {}",
        "a drawing of {}",
    ),
}


def describe_precisions(costs: Mapping[str, Mapping[str, float]]) -> Mapping[Precision, str]:
    """Return each precision with what it means and costs; the first clause says it in short.

    Args:
        costs: by precision, as clipsim/data/precision.json holds it: `speed` and `memory` as multiples of full's,
            `change`, the largest of a cosine, and `swapped`, pairs of pictures that change their order, in percent.
            Nothing is said of one that is missing.
    """
    described: dict[Precision, str] = {"auto": "half on CUDA, else full", "full": "float32"}
    narrow: dict[Precision, str] = {"half": "float16 or bfloat16", "int8": "8-bit whole numbers on a CPU"}
    for name, numbers in narrow.items():
        short, details = numbers, "large JPEGs are decoded at a smaller size"
        if cost := costs.get(name):
            short += f", {cost['speed']:.1f} × as fast as full, cosines move by up to {cost['change']:.4f}"
            order = f"{cost['swapped']:.1f} % of all pairs of pictures change their order"
            details = f"{order}, {cost['memory']:.2f} × the memory, {details} (measured with CLIP ViT-B/32 on a CPU)"
        described[name] = f"{short}: {details}"
    return described


def _read_costs() -> Mapping[str, Mapping[str, float]]:
    """Read clipsim/data/precision.json, which `benchmarks.performance.tables` writes."""
    text = files("clipsim.data").joinpath("precision.json").read_text(encoding="utf-8")
    costs: dict[str, dict[str, float]] = json.loads(text)
    return costs


PRECISIONS: Mapping[Precision, str] = describe_precisions(_read_costs())


class Choices(TypedDict, total=False):
    """The fields of `Options` as keywords, any of them left out."""

    framing: Framing
    contrast: Contrast
    prompt: Prompt
    precision: Precision


_CHOICES: Mapping[str, tuple[str, ...]] = {what: get_args(kind) for what, kind in get_type_hints(Choices).items()}


@dataclass(frozen=True)
class Options:
    """How pictures and captions are put to the model.

    Attributes:
        framing: what of a picture the model sees, a key of `FRAMINGS`.
        contrast: how its contrast is treated, a key of `CONTRASTS`.
        prompt: the sentence in which the model reads the caption, a key of `PROMPTS`.
        precision: what the model calculates in, a key of `PRECISIONS`. It counts where a model is loaded; a result
            says what its model calculated in, "full", "half" or "int8".
    """

    framing: Framing = "crop"
    contrast: Contrast = "as-is"
    prompt: Prompt = "as-written"
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        """Raise a `ChoiceError` that lists the choices unless each field is one of them."""
        for what, choices in _CHOICES.items():
            if getattr(self, what) not in choices:
                raise ChoiceError(what, getattr(self, what), choices)

    def replace(self, **choices: Unpack[Choices]) -> Options:
        """Return these options with other choices."""
        return replace(self, **choices)

    @property
    def treatment(self) -> str:
        """Framing, contrast and prompt, by which calibrations name their rates."""
        return f"{self.framing} {self.contrast} {self.prompt}"

    def to_dict(self) -> dict[str, str]:
        """Return the four choices by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Options:
        """Return the options among the entries of `plain`; those that are missing keep their defaults.

        Raises:
            ChoiceError: one is not known.
        """
        return cls(**{what: plain[what] for what in _CHOICES if what in plain})
