"""The commands that score pictures: `clipsim score`, `table` and `compare`."""

from __future__ import annotations

from typing import Annotated, Literal

from typer import Argument, Option

import clipsim
from clipsim.cli import common
from clipsim.cli.common import show_progress
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
    second_opinion: common.SecondOpinion = None,
    opinions: common.Opinions = 10,
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
    from clipsim.scoring import find_calibration

    asked = {"--words": words, "--checks": checks, "--second-opinion": second_opinion is not None}
    later = {**asked, "--heatmaps": heatmaps is not None, "--save": save is not None}
    if reference is not None:
        common.refuse("With --reference there is no caption", asked | {"--prompt": prompt != "as-written"})
    if format == "jsonl":
        common.refuse("--format jsonl gives each picture as soon as it is scored", later)
    if words and format == "csv":
        raise UsageError("--words has no place in CSV: use --format table or json.")
    query, gallery = steps.read_words(caption, images or [], reference)
    common.check_place("--save", save)  # before the work, which is lost otherwise
    steps.make_folder(heatmaps)
    (encoder,) = steps.load_encoders([model], device, precision, cache)
    options = Options(framing, contrast, prompt, precision)
    with show_progress(len(gallery)) as bar:
        if format == "jsonl":
            steps.print_each(gallery, query, encoder, reference, options, bar)
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
            second_opinion=second_opinion,
            opinions=opinions,
            progress=bar,
        )
    steps.print_answer(result, format)
    steps.save_heatmaps(result, heatmaps)
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
