"""How a model is tuned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from clipsim.errors import ChoiceError, UsageError
from clipsim.tuning.towers_settings import TowerSettings

TuneMethod = Literal["head", "lora", "full"]


@dataclass(frozen=True)
class TuneOptions:
    """How a model is tuned.

    Attributes:
        method: "head" adds a map in closed form to any model, in seconds; "lora" and "full" train the networks of a
            CLIP or SigLIP checkpoint (see `clipsim.tuning.towers`).
        strength: how much of the change is kept; None chooses on validation. A head's counts beside the model's own
            vector, 1 being as much; of trained networks it is the share of the way from the base, 0 to 1.
        may_lose: points that general pictures may lose.
        keep_general: a file of general captioned or labelled pictures; None for photographs that come with the
            installed packages.
        seed: of the split of pictures.
        towers: how networks are trained.
    """

    method: TuneMethod = "head"
    strength: float | None = None
    may_lose: float = 1.0
    keep_general: str | None = None
    seed: int = 0
    towers: TowerSettings = field(default_factory=TowerSettings)

    def __post_init__(self) -> None:
        """Raise a `ChoiceError` or `UsageError` for what cannot be."""
        if self.method not in get_args(TuneMethod):
            raise ChoiceError("method", self.method, get_args(TuneMethod))
        most = 10.0 if self.method == "head" else 1.0
        if self.strength is not None and not 0 < self.strength <= most:
            raise UsageError(f"strength is {self.strength:g}: give a number above 0, {most:g} at most, or auto.")
        if not 0 <= self.may_lose <= 100:
            raise UsageError(f"may_lose is {self.may_lose:g}: give points from 0 to 100.")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}: give 0 or more.")

    def replace(self, **choices: Any) -> TuneOptions:
        """Return these options with other choices."""
        return replace(self, **choices)
