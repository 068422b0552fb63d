"""What scoring returns: one `Score` for each picture, gathered in a `Result`, a `CaptionTable` or a `Comparison`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipsim.embedding import Rejected
from clipsim.images import Source
from clipsim.options import Options
from clipsim.scoring.calibration import NOT_SURE, VERDICTS, Calibration
from clipsim.scoring.heatmaps import Heatmap
from clipsim.scoring.parts import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

# Of 480 background captions the uppermost are too few to say more: others in their place move a 99.9 by 0.2.
CEILING = 99.5


@dataclass(frozen=True)
class PartScore:
    """How well one picture fits one part of a caption, as it would if that was all of it.

    Attributes:
        cosine: -1 to 1.
        percentile: 0 to 100, of how many unrelated captions in a hundred this part fits the picture better.
        verdict: "match", "weak", "not recognised" or "no match"; None where the model has no cut-offs. Of a part that
            must not be there "no match" is best.
    """

    cosine: float
    percentile: float
    verdict: str | None


@dataclass(frozen=True)
class Score:
    """How well one picture fits.

    Attributes:
        name: the picture.
        rank: 1 is the best; equal cosines keep the order in which the pictures were given. 0 from `score_each`. Of a
            caption in parts the percentile decides.
        cosine: cosine of the picture's vector and the caption's (or the reference image's), -1 to 1. Of a caption in
            parts, that with the sum of the wanted parts' vectors less the others.
        clipscore: as published, 0 to 2.5: `2.5 * max(cosine, 0)` of the caption behind "A photo depicts ", whatever
            the prompt; None outside the CLIP family and for image-image scores.
        share: of these pictures, which one: softmax over the request, 0 to 1; None if there is only one picture, from
            `score_each`, and for a caption in parts.
        notes: what was done to the picture before the model saw it, in words.
        percentile: of how many unrelated captions in a hundred this one fits the picture better, 0 to 100, corrected
            for captions and pictures that fit everything (`clipsim.scoring.calibration`); None with a reference image.
            Of a caption in parts, what `clipsim.scoring.combining` makes of theirs.
        verdict: "match", "weak", "not recognised" (too low to say so, too high to say no) or "no match"; None where the
            model has no cut-offs, and with a reference image.
        seen: how much of the picture the model saw, 0 to 1.
        words: what each word of `Result.words` adds to the cosine: the cosine less that without the word.
        shuffled: mean cosine of the same words in other orders; None without `words`, and for fewer than three words.
        heatmap: where in the picture the caption finds its support; None unless it was requested.
        thumbnail: what went into the model, a data: address of a JPEG; None unless it was requested.
        probability: the model's own, 0 to 1, that picture and caption belong together, of a SigLIP; small for most true
            pairs, so that a few percent can be a match. None of other families, and with a reference image.
        parts: what each part of the caption comes to, in the order of `Result.parts`; None where it has none.
        mirrored: cosine of the mirrored picture; None unless checks were requested.
        second_opinion: how probable it is, 0 to 1, that the picture shows what the caption says, by `Result.judge`;
            None where that was not asked.
        disagrees: whether the second opinion contradicts the verdict: a match below 0.5, or "no match" above 0.5; None
            without one of the two.
    """

    name: str
    rank: int
    cosine: float
    clipscore: float | None = None
    share: float | None = None
    notes: tuple[str, ...] = ()
    percentile: float | None = None
    verdict: str | None = None
    seen: float = 1.0
    words: tuple[float, ...] | None = None
    shuffled: float | None = None
    heatmap: Heatmap | None = None
    thumbnail: str | None = None
    probability: float | None = None
    parts: tuple[PartScore, ...] | None = None
    mirrored: float | None = None
    second_opinion: float | None = None
    disagrees: bool | None = None


@dataclass(frozen=True)
class Record:
    """What scoring returns, as programs take it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain dicts, lists, strings and numbers: options among them, `Result.pictures` not."""
        kept = {one.name: getattr(self, one.name) for one in fields(self) if one.repr}
        options = kept.pop("options", None)
        text = json.dumps(kept, default=lambda one: one.to_dict() if isinstance(one, Record) else asdict(one))
        plain: dict[str, Any] = json.loads(text)  # which makes lists of tuples
        return plain | options.to_dict() if options else plain


@dataclass(frozen=True)
class Result(Record):
    """The scores of one request, best first; iterating over it gives them one by one.

    Attributes:
        caption: the caption, stripped; None if the pictures were compared with a reference image.
        reference: the reference image's name; None if they were compared with a caption.
        model: name of the encoder.
        device: where it ran.
        scores: best first.
        rejected: pictures that could not be read.
        notes: what a reader of these scores must know: a stand-in model, words cut from the caption.
        seconds: from the call to the answer, loading of the weights included where they were not loaded yet.
        verdict: "match", "not sure" or "nothing here matches"; None where the model has no cut-offs, and with a
            reference image.
        words: the caption's words, in the order of `Score.words`; None unless they were requested.
        swapped: a sentence where the caption fits as well with its two things swapped; None where it does not, and
            unless words were requested.
        parts: the parts of a caption that were scored apart, those first that have to fit; None where it is plain.
        judge: name of the model that gave the second opinions; None where there are none.
        options: how pictures and caption were put to the model; precision is what the model calculated in, never
            "auto".
        pictures: by name what each picture was read from, as it was given. Of an iterator only paths are kept, so that
            pictures in memory can go.
    """

    caption: str | None
    reference: str | None
    model: str
    device: str
    scores: tuple[Score, ...]
    rejected: tuple[Rejected, ...]
    notes: tuple[str, ...]
    seconds: float
    verdict: str | None = None
    words: tuple[str, ...] | None = None
    swapped: str | None = None
    parts: tuple[Part, ...] | None = None
    judge: str | None = None
    options: Options = Options(precision="full")
    pictures: Mapping[str, Source] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        """Return how many pictures were scored."""
        return len(self.scores)

    def __bool__(self) -> bool:
        """Be true: a result without scores is one all the same."""
        return True

    def __iter__(self) -> Iterator[Score]:
        """Iterate over the scores, best first."""
        return iter(self.scores)

    def __repr__(self) -> str:
        """Return a line: what was asked, how it ended, and the best."""
        query = f"caption={self.caption!r}" if self.reference is None else f"reference={self.reference!r}"
        best = f", best={self.best.name!r} ({self.best.cosine:.3f})" if self.best else ""
        left_out = f", {len(self.rejected)} rejected" if self.rejected else ""
        return f"<Result {query}, model={self.model!r}, verdict={self.verdict!r}, {len(self)} scores{best}{left_out}>"

    @property
    def best(self) -> Score | None:
        """The score that the answer is about; None where there is none.

        Of those with the best verdict the first; where the answer is "not sure", the highest percentile.
        """
        if self.verdict == NOT_SURE:
            return max(self.scores, key=lambda score: score.percentile or 0.0, default=None)
        order = (*VERDICTS, None)
        return min(self.scores, key=lambda score: order.index(score.verdict), default=None)

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return str(_report().to_json(self))

    def to_csv(self) -> str:
        """Return a line for each score, best first, below the names of the columns."""
        return str(_report().to_csv(self))

    def to_pandas(self) -> DataFrame:
        """Return a row for each score, best first; figures are float64, one that is not defined is NaN."""
        table: DataFrame = _report().to_pandas(self)
        return table

    def plot(self, *, columns: int | None = None) -> Figure:
        """Draw the pictures in a grid, best first, each above its rank, name, verdict and score.

        There are `columns` pictures in a row, one at least or a `ClipsimError` is raised; None chooses by their number.
        A picture that was not kept, of an iterator, is a blank that says so.
        """
        figure: Figure = _report().draw_grid(self, self.pictures, columns=columns)
        return figure

    def save(self, path: str | Path, *, calibration: Calibration | None = None) -> None:
        """Write a report as HTML that needs nothing else, or the grid of `plot` as PNG, PDF or SVG, by the ending.

        The report says how far to trust the verdicts if it is given the `calibration` they come from, which
        `clipsim.scoring.find_calibration` returns for an encoder.

        Raises:
            ClipsimError: the ending is another one, or the file cannot be written.
        """
        _report().save_result(self, self.pictures, path, calibration)

    def _repr_html_(self) -> str:
        return str(_report().html_grid(self, self.pictures))


@dataclass(frozen=True)
class CaptionTable(Record):
    """Several captions against one gallery. `[i][j]` is caption i with picture j.

    Attributes:
        captions: in the order in which they were given, stripped.
        pictures: names, in the order in which they were given.
        cosines: -1 to 1. Along a row they say which picture; down a column captions that fit everything lead.
        percentiles: 0 to 100, corrected for such captions: to be compared along rows and columns.
        verdicts: for each caption those of the pictures, as in `Score`; None where the model has no cut-offs.
        best_pictures: for each caption the picture with the highest cosine; empty without pictures.
        best_captions: for each picture the first of `tied_captions`.
        answers: for each caption "match", "not sure" or "nothing here matches"; None where the model has no cut-offs.
        model, device, rejected, notes, seconds, options: as in `Result`.
    """

    captions: tuple[str, ...]
    pictures: tuple[str, ...]
    cosines: tuple[tuple[float, ...], ...]
    percentiles: tuple[tuple[float, ...], ...]
    verdicts: tuple[tuple[str, ...], ...] | None
    best_pictures: tuple[str, ...]
    best_captions: tuple[str, ...]
    answers: tuple[str, ...] | None
    model: str
    device: str
    rejected: tuple[Rejected, ...]
    notes: tuple[str, ...]
    seconds: float
    options: Options

    @property
    def tied_captions(self) -> tuple[tuple[str, ...], ...]:
        """For each picture the captions with the highest percentile, as it is told: mostly one.

        Of several the highest cosine comes first.
        """
        columns = zip(zip(*self.percentiles, strict=True), zip(*self.cosines, strict=True), strict=True)
        return tuple(tuple(self.captions[i] for i in find_best(*column)) for column in columns)


def round_percentile(value: float) -> float:
    """Return a percentile, 0 to 100, as it is told: a whole one, and not beyond `CEILING`."""
    return CEILING if value >= CEILING else float(round(value))


def find_best(percentiles: Sequence[float], cosines: Sequence[float]) -> list[int]:
    """Return the places of the highest percentile, as it is told, by cosine from the highest on."""
    told = [round_percentile(value) for value in percentiles]
    return sorted((i for i, value in enumerate(told) if value == max(told)), key=lambda i: -cosines[i])


@dataclass(frozen=True)
class Comparison(Record):
    """The same gallery and caption by several models. Their cosines have different ranges and cannot be compared.

    Attributes:
        results: one for each model, in the order in which they were given.
        pictures: names, by mean rank, best first.
        agreement: Spearman's rank correlation of the first two models, -1 to 1; None with fewer than three pictures.
    """

    results: tuple[Result, ...]
    pictures: tuple[str, ...]
    agreement: float | None


def _report() -> Any:
    from clipsim import report  # the one door upwards: it knows results, and results are drawn and written by it

    return report
