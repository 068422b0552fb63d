"""The commands that score pictures: `clipsim score`, `table` and `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

import clipsim
from clipsim.cli import common
from clipsim.cli.common import say, show_progress
from clipsim.errors import CaptionError, UsageError
from clipsim.options import Options

Images = Annotated[list[str] | None, Argument(metavar="IMAGE", help="files, and folders to walk")]
Reference = Annotated[str | None, Option(metavar="IMAGE", help="compare with this image, and leave CAPTION out")]
Words = Annotated[bool, Option("--words", help="say what each word of the caption adds")]
Checks = Annotated[bool, Option("--checks", help="score pictures mirrored too, which tells whether writing was read")]
Heatmaps = Annotated[str | None, Option(metavar="DIR", help="save pictures coloured where the caption is found")]
Save = Annotated[str | None, Option(metavar="FILE", help="write a report (.html), or the pictures (.png, .pdf, .svg)")]
Format = Annotated[Literal["table", "json", "jsonl", "csv"], Option(help="jsonl: each picture once it is scored")]
Captions = Annotated[list[str] | None, Option(metavar="TEXT", help="one of the captions; may be given several times")]
CaptionsFile = Annotated[str | None, Option(metavar="FILE", help="with a caption a line; - for the standard input")]
Models = Annotated[list[str], Option(help="one of the models; give two or more", callback=common.check)]


def score(
    caption: common.Caption,
    images: Images = None,
    reference: Reference = None,
    model: common.Model = "auto",
    device: common.Device = "auto",
    precision: common.Precision = "auto",
    framing: common.Framing = "crop",
    contrast: common.Contrast = "as-is",
    prompt: common.Prompt = "as-written",
    words: Words = False,
    heatmaps: Heatmaps = None,
    checks: Checks = False,
    save: Save = None,
    cache: common.Cache = None,
    format: Format = "table",
) -> None:
    """Score pictures against a caption, or against a reference image, best first.

    Exit status: 0 scored, 1 nothing could be scored, 2 wrong use.
    """
    from clipsim.cli import steps
    from clipsim.scoring import find_calibration, note_caption

    if reference is not None and (words or checks or prompt != "as-written"):
        raise UsageError("With --reference there is no caption: leave out --words, --checks and --prompt.")
    if words and format == "csv":
        raise UsageError("--words has no place in CSV: use --format table or json.")
    if format == "jsonl" and (words or checks or heatmaps is not None or save is not None):
        raise UsageError("--format jsonl goes without --words, --checks, --heatmaps and --save: leave them out.")
    query, gallery = steps.read_words(caption, images or [], reference)
    common.check_place("--save", save)  # before the work, which is lost otherwise
    steps.make_folder(heatmaps)
    options = Options(framing, contrast, prompt, precision)
    (encoder,) = steps.load_encoders([model], device, precision, cache)
    with show_progress(len(gallery)) as bar:
        if format == "jsonl":
            for note in (*encoder.notes, *(note_caption(query, encoder, prompt) if query else ())):
                say(note)
            lines = clipsim.score_each(gallery, query, encoder, reference=reference, options=options, progress=bar)
            steps.print_lines(lines, encoder.name)
            return
        result = clipsim.score_images(
            gallery,
            query,
            encoder,
            reference=reference,
            options=options,
            words=words,
            heatmap=heatmaps is not None,
            checks=checks,
            progress=bar,
        )
    steps.print_answer(result, format)
    if heatmaps is not None:
        steps.save_heatmaps(result, Path(heatmaps))
    if save is not None:
        result.save(save, calibration=find_calibration(encoder, prompt) if reference is None else None)


def table(
    images: common.Images,
    caption: Captions = None,
    captions: CaptionsFile = None,
    model: common.Model = "auto",
    device: common.Device = "auto",
    precision: common.Precision = "auto",
    framing: common.Framing = "crop",
    contrast: common.Contrast = "as-is",
    prompt: common.Prompt = "as-written",
    cache: common.Cache = None,
    format: common.TableJsonOrCsv = "table",
) -> None:
    """Score pictures against several captions: a table of captions by pictures.

    Exit status: 0 scored, 1 nothing could be scored, 2 wrong use.
    """
    from clipsim.cli import steps
    from clipsim.images import collect_images

    queries = [*([] if captions is None else steps.read_captions(captions)), *(caption or [])]
    if not queries:
        raise CaptionError("There are no captions: give each with --caption, or a file of them with --captions.")
    gallery = list(collect_images(images))
    options = Options(framing, contrast, prompt, precision)
    (encoder,) = steps.load_encoders([model], device, precision, cache)
    with show_progress(len(gallery)) as bar:
        answer = clipsim.score_captions(gallery, queries, encoder, options=options, progress=bar)
    steps.print_answer(answer, format)


def compare(
    caption: common.Caption,
    images: common.Images,
    model: Models,
    device: common.Device = "auto",
    precision: common.Precision = "auto",
    framing: common.Framing = "crop",
    contrast: common.Contrast = "as-is",
    prompt: common.Prompt = "as-written",
    cache: common.Cache = None,
    format: common.TableJsonOrCsv = "table",
) -> None:
    """Score pictures against a caption by several models, side by side.

    Exit status: 0 scored, 1 nothing could be scored, 2 wrong use.
    """
    from clipsim.cli import steps

    if len(model) < 2:
        raise UsageError("One model alone cannot be compared: give --model twice or more often.")
    query, gallery = steps.read_words(caption, images, None)
    options = Options(framing, contrast, prompt, precision)
    encoders = steps.load_encoders(model, device, precision, cache)
    with show_progress(len(gallery) * len(encoders)) as bar:
        answer = clipsim.compare_models(gallery, query, encoders, options=options, progress=bar)
    steps.print_answer(answer, format)
