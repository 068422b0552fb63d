"""Calibrations as text, as a reliability plot, and as a report in HTML."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from clipsim.evaluation import Estimate
from clipsim.report.numbers import percent
from clipsim.report.sentences import GALLERIES, NAMED, treatment_of
from clipsim.report.text import Block, TextTable, printable
from clipsim.report.writing import ENDINGS, fill, write_file
from clipsim.scoring import MATCH, NO_MATCH, NOT_RECOGNISED, NOT_SURE, NOTHING, WEAK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clipsim.tuning import Calibrated

SIZE = (9.0, 4.4)  # inches
DPI = 150.0
FALSE, FOUND = "#a03000", "#005a9c"


def calibration_to_blocks(found: Calibrated) -> list[Block]:
    """Return what was learned from what, the cut-offs, and how often verdicts are right and wrong, with intervals."""
    head = [
        ("model", found.model),
        ("learned", f"from {found.pictures} pictures and {found.captions} captions, {found.seconds:.1f} s"),
        ("treated", treatment_of(found.options, only_unusual=True)),
        ("cut-offs", describe_cutoffs(found)),
        ("kept", found.kept or "nowhere: this was a trial"),
    ]
    lines = "\n".join(f"{name:9}  {printable(text)}" for name, text in head if text)
    columns = ["", "promised", "measured", "95 % interval"]
    pairs = TextTable(columns, [list(row) for row in tabulate_pairs(found)], "<>><")
    blocks: list[Block] = [lines, "Of pairs of a picture and a caption:", pairs]
    rows = tabulate_galleries(found)
    if rows:
        blocks += [
            "Of galleries of so many pictures:",
            TextTable(GALLERY_COLUMNS, [list(row) for row in rows], "<<>>>>"),
        ]
    return blocks


GALLERY_COLUMNS = ("pictures", "one fits", MATCH, NOT_SURE, NOTHING, "the right one named")


def describe_cutoffs(found: Calibrated) -> str:
    """Return the percentiles from which a picture is a match, weak, and not recognised."""
    match, weak = (
        f"{name} from percentile {cut:.3f}" if cut <= 100 else f"no picture is called {name}: the pictures are too few"
        for name, cut in ((MATCH, found.cutoffs.match), (WEAK, found.cutoffs.weak))
    )
    low = found.cutoffs.no_match
    return f"{match}, {weak}" + (f", {NOT_RECOGNISED} from percentile {low:.1f}" if low < found.cutoffs.weak else "")


def tabulate_pairs(found: Calibrated) -> list[tuple[str, str, str, str]]:
    """Return a row for each rate of pairs: what it is of, what was promised, what was measured, its interval."""
    either, aims = f"{MATCH} or {WEAK}", found.aims
    promised = {
        ("random", MATCH): aims.false_matches,
        ("random", either): aims.false_weak,
        ("random", NO_MATCH): None,
        ("true", MATCH): None,
        ("true", either): None,
        ("true", NO_MATCH): aims.missed,
    }
    rows = []
    for (kind, verdict), share in promised.items():
        name = f"{kind} pairs called {verdict}"
        rows.append((name, "" if share is None else f"{percent(share)} at most", *_show(found.rates[name])))
    return rows


def tabulate_galleries(found: Calibrated) -> list[tuple[str, ...]]:
    """Return two rows for each size of gallery: without and with a fitting picture, how often each answer is given."""
    sizes = [size for size in range(2, 100) if GALLERIES.format(size, "without", MATCH) in found.rates]
    rows = []
    for size in sizes:
        for kind in ("without", "with"):
            answers = [found.rates[GALLERIES.format(size, kind, answer)] for answer in (MATCH, NOT_SURE, NOTHING)]
            named = [found.rates[NAMED.format(size)]] if kind == "with" else []
            cells = [f"{percent(one.value)} ({_range(one)})" for one in (*answers, *named)]
            rows.append((str(size), "yes" if kind == "with" else "no", *cells, *[""] * (4 - len(cells))))
    return rows


def _show(rate: Estimate) -> tuple[str, str]:
    return percent(rate.value), f"{_range(rate)} %"


def _range(rate: Estimate) -> str:
    return f"{100 * rate.low:.1f} to {100 * rate.high:.1f}"


def remark_calibration(found: Calibrated) -> list[str]:
    """Return what a reader should know beside the figures, a sentence each."""
    return [*found.notes, *(f"{rejected.name} {rejected.reason}." for rejected in found.rejected)]


def draw_reliability(found: Calibrated) -> Figure:
    """Draw promised shares of false alarms against those seen on held-out pictures, and the true pairs found there.

    Bars are 95 % intervals. On the diagonal a promise is kept exactly, below it more than kept. pyplot does not know of
    the figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    promised = [100 * one.promised for one in found.reliability]
    ends = promised[0] / 1.5, promised[-1] * 1.5
    left.plot(ends, ends, color="#8a8a8a", linewidth=1, linestyle="--", label="as promised")
    _draw_estimates(left, promised, [one.observed for one in found.reliability], FALSE, "seen on held-out pictures")
    _draw_estimates(right, promised, [one.found for one in found.reliability], FOUND, "true pairs found")
    left.set(xscale="log", yscale="log", xlim=ends, ylabel="random pairs above the cut-off, seen (%)")
    right.set(xscale="log", xlim=ends, ylim=(0, 102), ylabel="true pairs above the cut-off (%)")
    for axes in (left, right):
        axes.set_xlabel("random pairs above the cut-off, promised (%)")
        axes.set_xticks(promised, [f"{value:g}" for value in promised], minor=False)
        axes.minorticks_off()
        axes.grid(color="#e4e4e4", linewidth=0.6)
        axes.axvline(100 * found.aims.false_matches, color="#005a9c", linewidth=0.8, linestyle=":", label="match")
        axes.axvline(100 * found.aims.false_weak, color="#b07a00", linewidth=0.8, linestyle=":", label="weak")
        axes.legend(fontsize=8, frameon=False)
    left.set_yticks(promised, [f"{value:g}" for value in promised])
    left.minorticks_off()
    title = f"{printable(found.model)}: {found.pictures} pictures, {found.captions} captions"
    figure.suptitle(title, fontsize=11, parse_math=False)
    return figure


def _draw_estimates(axes: Axes, across: Sequence[float], rates: Sequence[Estimate], colour: str, label: str) -> None:
    shown = [(x, rate) for x, rate in zip(across, rates, strict=True) if rate.value > 0]  # which has no logarithm
    places, values = [x for x, _ in shown], [100 * rate.value for _, rate in shown]
    reach = [
        [100 * (rate.value - rate.low) for _, rate in shown],
        [100 * (rate.high - rate.value) for _, rate in shown],
    ]
    axes.errorbar(places, values, reach, color=colour, marker="o", markersize=4, capsize=3, linewidth=1.2, label=label)


def save_calibration(found: Calibrated, path: str | Path) -> None:
    """Write the report as HTML, or the plot as a picture, by the ending.

    Raises:
        ClipsimError: the ending is none of `ENDINGS`, or the file cannot be written.
    """
    makers = {ending: partial(_encode, found, ending[1:]) for ending in ENDINGS}
    write_file(path, makers | {".html": lambda: html_report(found).encode()})


def _encode(found: Calibrated, form: str) -> bytes:
    data = BytesIO()
    draw_reliability(found).savefig(data, format=form, dpi=DPI)
    return data.getvalue()


def html_report(found: Calibrated) -> str:
    """Write the report as a page that needs nothing else: cut-offs, rates, and the plot as SVG."""
    plot = StringIO()
    draw_reliability(found).savefig(plot, format="svg", metadata={"Date": None})
    return fill(
        "calibration.html.j2",
        found=found,
        treatment=treatment_of(found.options),
        cutoffs=describe_cutoffs(found),
        pairs=tabulate_pairs(found),
        gallery_columns=GALLERY_COLUMNS,
        galleries=tabulate_galleries(found),
        remarks=remark_calibration(found),
        plot=Markup(plot.getvalue()[plot.getvalue().index("<svg") :]),  # matplotlib's own
        percent=percent,
    )
