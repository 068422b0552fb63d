"""Results as reports that stand alone: one page of HTML that needs nothing else, or the labelled grid as a file."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clipsim import __version__
from clipsim.images import Decoder, Source, decode_here
from clipsim.options import CONTRASTS, FRAMINGS, PRECISIONS, PROMPTS
from clipsim.report.export import score_columns
from clipsim.report.figure import MOST_DRAWN, encode_grid, list_tiles, write_head
from clipsim.report.sentences import model_title, opinion, remarks, trust
from clipsim.report.writing import ENDINGS, fill, write_file
from clipsim.scoring import Calibration, Result

TILE_SIDE = 360  # pixels along the longer side of a thumbnail, 20 kB or so: sharp at 210 on fine screens
STRONGEST = 45  # percent of the colour behind the word that adds most: the text on it stays readable


def save_result(
    result: Result,
    pictures: Mapping[str, Source],
    path: str | Path,
    calibration: Calibration | None = None,
    decode: Decoder = decode_here,
) -> None:
    """Write the report as HTML, or the labelled grid as a picture, by the ending; `decode` opens the pictures.

    Raises:
        ClipsimError: the ending is none of `ENDINGS`, or the file cannot be written.
    """
    makers = {ending: partial(encode_grid, result, pictures, ending[1:], decode) for ending in ENDINGS}
    write_file(path, makers | {".html": lambda: write_report(result, pictures, calibration, decode=decode).encode()})


def write_report(
    result: Result,
    pictures: Mapping[str, Source],
    calibration: Calibration | None = None,
    *,
    most: int = MOST_DRAWN,
    decode: Decoder = decode_here,
) -> str:
    """Write the report as HTML: answer, pictures best first, what was left out, all figures, settings, versions.

    Of more than `most` pictures the best are shown, and all are in the table. How far verdicts can be trusted is said
    if the `calibration` they come from is given.
    """
    heading, answered, status = write_head(result)
    tiles = list_tiles(result, pictures, most, TILE_SIDE, decode)
    columns, rows = _tabulate(result)
    added = [abs(one) for score in result.scores for one in score.words or ()]
    return fill(
        "result.html.j2",
        heading=heading,
        answer=answered,
        opinion=opinion(result),
        status=status,
        trust=trust(result, calibration) if calibration or not result.verdict else "",
        tiles=tiles,
        more=len(result.scores) - len(tiles),
        words=result.words or (),
        swapped=result.swapped,
        strength=STRONGEST / (max(added, default=0) or 1),
        rejected=result.rejected,
        notes=remarks(replace(result, rejected=())),
        columns=columns,
        rows=rows,
        settings=_list_settings(result),
    )


def _tabulate(result: Result) -> tuple[list[Any], list[list[str]]]:
    """Return the columns in which something stands, and a row of cells for every score."""
    columns = [column for column in score_columns(result.scores) if any(column.cell(score) for score in result.scores)]
    return columns, [[column.cell(score) for column in columns] for score in result.scores]


def _list_settings(result: Result) -> list[tuple[str, str]]:
    """Return with which model, options and versions the figures can be had again."""
    options = result.options
    templates = " · ".join(f"“{template.format('…')}”" for template in PROMPTS[options.prompt])
    libraries = [f"{name} {version(name)}" for name in ("torch", "transformers")]
    return [
        ("Model", model_title(result)),
        ("Device", result.device),
        ("Precision", f"{options.precision}: {PRECISIONS[options.precision]}"),
        ("Framing", f"{options.framing}: {FRAMINGS[options.framing]}"),
        ("Contrast", f"{options.contrast}: {CONTRASTS[options.contrast]}"),
        *([("Second opinion", result.judge)] if result.judge else []),
        *([("Prompt", f"{options.prompt}: {templates}")] if result.reference is None else []),
        ("Versions", " · ".join([f"clipsim {__version__}", *libraries, f"Python {platform.python_version()}"])),
    ]
