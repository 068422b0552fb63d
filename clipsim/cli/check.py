"""The command that checks a long caption, statement by statement: `clipsim check`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from clipsim.cli import common
from clipsim.cli.common import say, show, show_progress
from clipsim.errors import CaptionError, ClipsimError, UsageError
from clipsim.options import Options

Given = Annotated[
    list[str], Argument(metavar="IMAGE... TEXT", help="files and folders, and last what they should show")
]
Places = Annotated[bool, Option("--places/--no-places", help="say where in the picture each statement lies")]


def check(
    given: Given,
    places: Places = True,
    model: common.Model = "auto",
    device: common.Device = "auto",
    precision: common.Precision = "auto",
    framing: common.Framing = "crop",
    contrast: common.Contrast = "as-is",
    prompt: common.Prompt = "as-written",
    cache: common.Cache = None,
    format: common.TableJsonOrCsv = "table",
) -> None:
    """Check a long caption, statement by statement: which of its sentences and clauses does a picture show?

    Exit status: 0 checked, 1 nothing could be checked, 2 wrong use.
    """
    from clipsim import report, scoring
    from clipsim.cli import steps
    from clipsim.images import SUFFIXES, collect_images

    *images, text = given
    if not images:
        raise CaptionError("There is a text or a picture, not both: give the pictures and then the text.")
    if Path(text).suffix.lower() in SUFFIXES and not os.path.exists(images[0]):  # noqa: PTH110  # which takes any text
        raise UsageError(f"{text} is a picture: give the pictures first, then the text.")
    text = scoring.clean_caption(text)
    gallery = list(collect_images(images))
    options = Options(framing, contrast, prompt, precision)
    (encoder,) = steps.load_encoders([model], device, precision, cache)
    with show_progress(len(gallery)) as bar:
        found = scoring.check_text(gallery, text, encoder, options=options, places=places, progress=bar)
    for note in report.remark_checklist(found):
        say(note)
    if format == "json":
        print(report.to_json(found))
    if not found.pictures:
        raise ClipsimError(steps.NOTHING)
    if format == "csv":
        print(report.checklist_to_csv(found), end="")
    elif format == "table":
        show(report.checklist_to_blocks(found))
