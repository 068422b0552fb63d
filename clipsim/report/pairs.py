"""A scored list of pairs as text, as a histogram, and as a report in HTML."""

from __future__ import annotations

from functools import partial
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from clipsim.errors import ClipsimError
from clipsim.evaluation import Estimate
from clipsim.images import Location, Source, abbreviate, locate, storage
from clipsim.report.figure import BADGES, thumbnail
from clipsim.report.numbers import percent, percentile
from clipsim.report.text import Block, TextTable, printable
from clipsim.report.writing import fill, write_file
from clipsim.scoring.calibration import VERDICTS

if TYPE_CHECKING:  # the room of pairs loads pyarrow, which reports of other things do without
    from matplotlib.figure import Figure

    from clipsim.pairs import PairScore, PairSummary

BAR = 40  # letters of the longest bar
SHOWN = 5  # of the worst rows in a terminal, whose report has all
TILE_SIDE = 360  # pixels along the longer side of a thumbnail
SIZE, DPI = (9.0, 3.0), 150.0  # inches, and pixels an inch
COLOUR = "#005a9c"
PLACES = (".html", ".png", ".pdf", ".svg")


def pairs_to_blocks(summary: PairSummary) -> list[Block]:
    """Return the figures of a list, a histogram of its percentiles, and the rows that are most in doubt."""
    facts = "\n".join(f"{name:12}  {printable(text)}" for name, text in list_facts(summary))
    blocks: list[Block] = [facts]
    if summary.scored:
        blocks += ["Rows by percentile, how much better a caption fits than unrelated ones:", _draw_bars(summary)]
        rows = [[str(one.row), percentile(one.percentile or 0), one.verdict or "", one.name, one.caption]
                for one in summary.worst[:SHOWN]]  # fmt: skip
        blocks += ["Most in doubt:", TextTable(["row", "better than", "verdict", "picture", "caption"], rows, ">><<<")]
    return blocks


def list_facts(summary: PairSummary) -> list[tuple[str, str]]:
    """Return what is known of a list: names and texts, without what is not defined."""
    means = {"cosine": summary.cosine, "CLIPScore": summary.clipscore, "RefCLIPScore": summary.refclipscore}
    verdicts = [f"{summary.verdicts[one]} {one}" for one in VERDICTS if one in summary.verdicts]
    twice = summary.duplicates
    bad = summary.rows - summary.scored
    facts = [
        ("model", summary.model),
        ("rows", f"{summary.rows}, of {summary.pictures} pictures" + (f"; {bad} could not be scored" if bad else "")),
        *((f"mean {name}", _show(mean, "{:.4f}".format)) for name, mean in means.items() if mean),
        ("verdicts", " · ".join(verdicts)),
        ("matches", "" if summary.matches is None else percent(summary.matches)),
        ("ranked first", "" if summary.first is None else f"{percent(summary.first)} of captions, among like ones"),
        ("better", f"{summary.better} rows have a better caption in the list" if summary.better else ""),
        ("cut short", f"{summary.unread} captions are longer than the model reads" if summary.unread else ""),
        ("twice", f"{twice.rows} rows repeat another" if twice.rows else ""),
        ("pictures", f"{twice.pictures} have several captions" if twice.pictures else ""),
        ("captions", f"{twice.captions} stand with several pictures" if twice.captions else ""),
        ("kept", "" if summary.kept is None else f"{summary.kept} of {summary.rows} rows"),
    ]
    return [(name, text) for name, text in facts if text]


def _show(mean: Estimate, show: Any) -> str:
    return f"{show(mean.value)}, 95 % interval {show(mean.low)} to {show(mean.high)}"


def _draw_bars(summary: PairSummary) -> TextTable:
    most = max(summary.histogram)
    rows = [
        [f"{name}", "█" * round(BAR * count / most) or ("▏" if count else ""), str(count)]
        for name, count in zip(name_bins(len(summary.histogram)), summary.histogram, strict=True)
    ]
    return TextTable(["", "", ""], rows, "><>")


def name_bins(count: int) -> list[str]:
    """Return what each of so many bars of a histogram of percentiles stands for: "0 to 5"."""
    width = 100 // count
    return [f"{start} to {start + width}" for start in range(0, 100, width)]


def remark_pairs(summary: PairSummary, listed: int = 20) -> list[str]:
    """Return what must be said of a list, and the rows that could not be scored, a sentence each."""
    bad = [f"Row {one.row}: {one.name} {one.rejected}." for one in summary.bad[:listed]]
    more = summary.rows - summary.scored - len(bad)
    return [*summary.notes, *bad, *([f"And {more} more rows could not be scored."] if more > 0 else [])]


def draw_histogram(summary: PairSummary) -> Figure:
    """Draw how many rows have which percentile; pyplot does not know of the figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    bins = len(summary.histogram)
    width = 100 / bins
    axes.bar([width * i for i in range(bins)], summary.histogram, width * 0.9, align="edge", color=COLOUR)
    axes.set(xlabel="percentile: better than so many unrelated captions in a hundred", ylabel="rows", xlim=(0, 100))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def save_pairs(summary: PairSummary, path: str | Path) -> None:
    """Write a report as HTML that needs nothing else, or the histogram as PNG, PDF or SVG, by the ending.

    Raises:
        ClipsimError: the ending is another one, or the file cannot be written.
    """
    makers = {ending: partial(_encode, summary, ending[1:]) for ending in PLACES}
    write_file(path, makers | {".html": lambda: pairs_to_html(summary).encode("utf-8", "replace")})


def _encode(summary: PairSummary, form: str) -> bytes:
    data = BytesIO()
    draw_histogram(summary).savefig(data, format=form, dpi=DPI)
    return data.getvalue()


def pairs_to_html(summary: PairSummary) -> str:
    """Write the report: figures, histogram, the rows most in doubt with their pictures, rows without a score."""
    drawn = StringIO()
    draw_histogram(summary).savefig(drawn, format="svg", metadata={"Date": None}, transparent=True)
    plot = drawn.getvalue()
    return fill(
        "pairs.html.j2",
        summary=summary,
        facts=list_facts(summary),
        plot=Markup(plot[plot.index("<svg") :]),
        bins=list(zip(name_bins(len(summary.histogram)), summary.histogram, strict=True)),
        tiles=[_make_tile(summary, one) for one in summary.worst],
        bad=[(one.row, one.name, one.rejected) for one in summary.bad],
        more=max(summary.rows - summary.scored - len(summary.bad), 0),
        notes=summary.notes,
    )


def _make_tile(summary: PairSummary, score: PairScore) -> dict[str, Any]:
    address, reason = draw_thumbnail(summary.sources.get(score.row), TILE_SIDE)
    figures = [f"better than {percentile(score.percentile or 0)}", f"cosine {score.cosine or 0:.3f}"]
    if score.rank is not None:
        figures.append(f"rank {score.rank} of {score.among + 1}")
    return {
        "score": score,
        "address": address,
        "reason": reason,
        "badge": BADGES.get(score.verdict or ""),
        "figures": figures,
    }


def draw_thumbnail(source: Source | None, side: int) -> tuple[str, str]:
    """Return a picture as a data: address, and "" or why there is none; what is at an address is fetched again."""
    if source is None:
        return "", "was not kept"
    try:
        place: Location = locate(source) if isinstance(source, str) else Path()
        content = storage.read(place) if isinstance(source, str) and not isinstance(place, Path) else source
    except (ClipsimError, OSError) as error:
        return "", f"cannot be fetched ({abbreviate([error])})"
    return thumbnail({"": content}, "", side)
