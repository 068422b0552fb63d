"""What a calibration, and a tuning, came to."""

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
from clipsim.tuning.measures import Measures
from clipsim.tuning.rates import Reliability
from clipsim.tuning.settings import TuneOptions

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


@dataclass(frozen=True)
class Comparison:
    """What was measured before and after, on the same pictures; `of` says in words which they are."""

    of: str
    before: Measures
    after: Measures


@dataclass(frozen=True)
class Tuned(Record):
    """A tuned model, or why there is none, and how it does on pictures that it was not tuned on.

    Attributes:
        model: name of the base.
        revision: of the base's weights.
        settings: what was asked for.
        pictures: how many could be read.
        texts: how many captions these had, or how many labels there are.
        labelled: whether they had labels.
        duplicates: pictures that are near duplicates of others, which stay with them in every split.
        counts: pictures learned from, validated on (in turn, of a head) and tested on.
        strength: that was chosen; None where none could be.
        ridge: of a head that was chosen.
        test: before and after on pictures that no choice saw; None where nothing could be chosen.
        elsewhere: the same on general pictures.
        validation: before and after, 0 to 1: accuracy of labels, mean of recall at 1, 5 and 10 of captions.
        cutoffs: of the verdicts, learned from validated pictures; None where these are too few.
        saved: the folder; None where the model was not saved.
        refused: why it was not saved, a sentence; "" where it was.
        versions: of the libraries that took part.
        rejected: pictures that could not be read, and why.
        notes: what else to know.
        seconds: how long it took.
    """

    model: str
    revision: str
    settings: TuneOptions
    pictures: int
    texts: int
    labelled: bool
    duplicates: int
    counts: dict[str, int]
    strength: float | None
    ridge: float | None
    test: Comparison | None
    elsewhere: Comparison | None
    validation: dict[str, float]
    cutoffs: Cutoffs | None
    saved: str | None
    refused: str
    versions: dict[str, str]
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2, allow_nan=False)

    def describe(self) -> str:
        """Return the model card, in Markdown."""
        card: str = _report().model_card(self)
        return card

    def to_html(self) -> str:
        """Return the report as a page that needs nothing else."""
        page: str = _report().tuning_to_html(self)
        return page


def _report() -> Any:
    from clipsim import report  # which knows how a calibration is drawn, and stands above this room

    return report
