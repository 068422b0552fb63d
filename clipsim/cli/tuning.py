"""The command that learns from captioned pictures: `clipsim calibrate`."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

import clipsim
from clipsim.cli import common
from clipsim.cli.common import say, show, show_progress
from clipsim.errors import UsageError
from clipsim.options import Options

Pairs = Annotated[
    str,
    Argument(
        metavar="PAIRS", help="a CSV with the columns file and caption, COCO captions as JSON, or a Flickr8k token file"
    ),
]
Pictures = Annotated[str | None, Option(metavar="FOLDER", help="with the pictures; default: that of PAIRS")]
Report = Annotated[str | None, Option(metavar="FILE", help="write a report: .html, or the plot as .png, .pdf or .svg")]
FalseMatches = Annotated[
    float, Option(metavar="SHARE", help="of random pairs that may be called a match; weak are five times as many")
]
DryRun = Annotated[bool, Option("--dry-run", help="measure only, and go on with the cut-offs that there are")]


def calibrate(
    pairs: Pairs,
    model: common.Model = "auto",
    pictures: Pictures = None,
    device: common.Device = "auto",
    precision: common.Precision = "auto",
    framing: common.Framing = "crop",
    contrast: common.Contrast = "as-is",
    prompt: common.Prompt = "as-written",
    false_matches: FalseMatches = 0.01,
    report: Report = None,
    dry_run: DryRun = False,
    format: common.TableOrJson = "table",
) -> None:
    """Learn a model's cut-offs from your own captioned pictures, 50 at least, and use them from now on.

    They are kept beside the model, and every command, the page and the API use them. All rates are of pictures and
    captions that were held out. Exit status: 0 done, 1 it could not be kept or written, 2 wrong use.
    """
    from clipsim.report import calibration_to_blocks, remark_calibration
    from clipsim.tuning import Aims

    common.check_place("--report", report)
    if not 0 < false_matches <= 0.1:
        raise UsageError(f"--false-matches is {false_matches:g}: give a share above 0, and 0.1 at most.")
    aims, options = Aims(false_matches, 5 * false_matches), Options(framing, contrast, prompt, precision)
    with show_progress(unit="pictures and captions") as bar:
        found = clipsim.calibrate(
            pairs, model, pictures=pictures, device=device, options=options, aims=aims, keep=not dry_run, progress=bar
        )
    for remark in remark_calibration(found):
        say(remark)
    if format == "json":
        print(found.to_json())
    else:
        show(calibration_to_blocks(found))
    if report is not None:
        found.save(report)
