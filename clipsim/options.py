"""The choices that shape a score: each name with what it means, and `Options`, which holds one of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
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
PRECISIONS: Mapping[Precision, str] = {
    "auto": "half on CUDA, else full",
    "full": "float32",
    "half": "float16 or bfloat16, and large JPEGs at a smaller size: faster, and cosines move in the third decimal",
    "int8": "8 bits on a CPU, and large JPEGs at a smaller size: fastest, and cosines move in the third decimal",
}


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
