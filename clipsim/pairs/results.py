"""What comes of scoring pairs: a `PairScore` for each row, and a `PairSummary` of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from clipsim.evaluation import Estimate
from clipsim.images import Source

FIGURES = ("cosine", "clipscore", "refclipscore", "percentile", "verdict", "rank", "among")
COLUMNS = (*FIGURES, "better_caption", "better_percentile", "unread", "rejected")  # which a scored list has as well

BINS = 20  # of percentiles, each five wide
WORST = 20  # rows that are shown
LISTED = 100  # rows that cannot be scored, which are listed


@dataclass(frozen=True)
class PairScore:
    """How well one caption fits its own picture; figures are None where the row could not be scored.

    Attributes:
        row: its place in the list, from 1.
        name: the picture.
        caption: without white space around it.
        cosine, clipscore, percentile, verdict: as `clipsim.score_images` gives them for this picture alone.
        refclipscore: as `clipsim.refclipscore`, where the row has references and the model is of the CLIP family.
        rank: of the caption among `among` others of the list that are most like it and not of this picture, by how well
            they fit the picture: 1 is the best. None where there are no others.
        among: how many others these are.
        better_caption: the caption of the list that fits the picture best, if it fits better than its own even when it
            is held against it that it is the best of many; "" if there is none.
        better_percentile: the percentile of that caption, as of one among many: p^n of the best of n (Šidák).
        unread: the end of the caption that the model does not read; mostly "".
        picture: a digest of what the picture holds, in hexadecimal digits; "" where it could not be read.
        rejected: why the row could not be scored, a clause that reads on from `name`; "" if it was.
    """

    row: int
    name: str
    caption: str
    cosine: float | None = None
    clipscore: float | None = None
    refclipscore: float | None = None
    percentile: float | None = None
    verdict: str | None = None
    rank: int | None = None
    among: int = 0
    better_caption: str = ""
    better_percentile: float | None = None
    unread: str = ""
    picture: str = ""
    rejected: str = ""


@dataclass(frozen=True)
class Duplicates:
    """What comes more than once.

    Attributes:
        rows: that repeat another one: the same picture, and the same caption but for case, spaces and a full stop.
        pictures: that have several captions.
        captions: that stand with several pictures.
    """

    rows: int
    pictures: int
    captions: int


@dataclass(frozen=True)
class PairSummary:
    """All rows of a list.

    Attributes:
        rows: in all.
        scored: those of them that could be.
        kept: those of them that were written out; None where nothing was cut off.
        pictures: different ones, by what they hold.
        cosine, clipscore, refclipscore, percentile: means with 95 % intervals; None where the figure is not defined.
        verdicts: how often each was given; empty where the model has no cut-offs.
        matches: share of rows that are a match, 0 to 1; None where the model has no cut-offs.
        first: share of rows whose caption stands before all others that it was ranked among, 0 to 1; None without any.
        better: rows for which the list has a better caption.
        unread: rows whose caption is longer than the model reads.
        histogram: rows with a percentile of 0 to 5, 5 to 10, and so on.
        duplicates: what comes more than once.
        worst: the `WORST` lowest percentiles, the lowest first.
        bad: the first `LISTED` rows that could not be scored.
        model: that scored them.
        notes: what a reader must know: a stand-in model, work that was started anew.
    """

    rows: int
    scored: int
    kept: int | None
    pictures: int
    cosine: Estimate | None
    clipscore: Estimate | None
    refclipscore: Estimate | None
    percentile: Estimate | None
    verdicts: dict[str, int]
    matches: float | None
    first: float | None
    better: int
    unread: int
    histogram: tuple[int, ...]
    duplicates: Duplicates
    worst: tuple[PairScore, ...]
    bad: tuple[PairScore, ...]
    model: str
    notes: tuple[str, ...]
    sources: Mapping[int, Source] = field(default_factory=dict, compare=False, repr=False)  # of the worst, by row

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain dicts, lists, strings and numbers."""
        return asdict(replace(self, sources={}))

    def to_html(self) -> str:
        """Return a report as HTML that needs nothing else, with the worst rows and their pictures."""
        return str(_report().pairs_to_html(self))

    def save(self, path: str | Path) -> None:
        """Write the report as HTML, or the histogram as PNG, PDF or SVG, by the ending.

        Raises:
            ClipsimError: the ending is another one, or the file cannot be written.
        """
        _report().save_pairs(self, path)


def _report() -> Any:
    from clipsim import report  # the one door upwards: it knows summaries, and they are drawn and written by it

    return report
