"""What a calibration came to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipsim.embedding import Rejected
from clipsim.evaluation import Estimate
from clipsim.options import Options
from clipsim.scoring import Calibration
from clipsim.scoring.calibration import Cutoffs
from clipsim.scoring.results import Record
from clipsim.tuning.learning import Aims
from clipsim.tuning.rates import Reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Calibrated(Record):
    """A model's cut-offs, learned from captioned pictures, and how often they are right and wrong.

    All rates are of pictures and captions that the cut-offs behind them were not learned from.

    Attributes:
        model: its name.
        options: how pictures and captions were put to it.
        pictures: how many could be read.
        captions: how many these had.
        aims: the shares of false alarms that were asked for.
        cutoffs: of the verdicts.
        rates: how often verdicts are right and wrong, each with its 95 % interval over pictures and captions.
        areas: area under the ROC curve of true against random pairs, 0 to 1, by percentile and by cosine.
        reliability: promised shares of false alarms against those seen.
        rejected: pictures that could not be read, and why.
        notes: what else to know.
        kept: the JSON file in which the calibration is kept, beside an NPZ file of the same name; deleting both undoes
            it. None where it is not kept.
        seconds: how long it took.
        calibration: what is used from now on.
    """

    model: str
    options: Options
    pictures: int
    captions: int
    aims: Aims
    cutoffs: Cutoffs
    rates: dict[str, Estimate]
    areas: dict[str, float]
    reliability: tuple[Reliability, ...]
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()
    kept: str | None = None
    seconds: float = 0.0
    calibration: Calibration | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)

    def plot(self) -> Figure:
        """Draw the reliability plot: promised shares of false alarms, those seen, and the true pairs found."""
        figure: Figure = _report().draw_reliability(self)
        return figure

    def save(self, path: str | Path) -> None:
        """Write a report: HTML with all figures, or the plot as PNG, PDF or SVG, by the ending of the name.

        Raises:
            ClipsimError: the ending is another one, or the file cannot be written.
        """
        _report().save_calibration(self, path)


def _report() -> Any:
    from clipsim import report  # which knows how a calibration is drawn, and stands above this room

    return report
