"""The commands that score pictures: `clipsim score`, `table` and `compare`."""

from __future__ import annotations

from typing import Annotated, Literal

from typer import Argument, Option

from clipsim.cli.common import (
    CacheOption,
    CaptionArgument,
    ContrastOption,
    DeviceOption,
    FramingOption,
    ImagesArgument,
    ModelOption,
    PrecisionOption,
    PromptOption,
    ReferenceOption,
    TableJsonOrCsv,
    check_model,
    say,
    show_progress,
)
from clipsim.errors import CaptionError, UsageError
from clipsim.options import Options


def score(
    caption: CaptionArgument,
    images: Annotated[list[str] | None, Argument(metavar="IMAGE", help="files, and folders to walk")] = None,
    reference: ReferenceOption = None,
    model: ModelOption = "auto",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    framing: FramingOption = "crop",
    contrast: ContrastOption = "as-is",
    prompt: PromptOption = "as-written",
    words: Annotated[bool, Option("--words", help="say what each word of the caption adds")] = False,
    heatmaps: Annotated[
        str | None,
        Option(metavar="DIR", help="save each picture coloured where the caption, or the reference, is found"),
    ] = None,
    save: Annotated[
        str | None, Option(metavar="FILE", help="draw the pictures, best first, into this PNG, PDF or SVG")
    ] = None,
    cache: CacheOption = None,
    format: Annotated[
        Literal["table", "json", "jsonl", "csv"],
        Option(help="jsonl prints each picture once it is scored, in the order given and without rank"),
    ] = "table",
) -> None:
    """Score pictures against a caption, or against a reference image, best first.

    Exit status: 0 scored, 1 nothing could be scored, 2 wrong use.
    """
    from clipsim.cli import inputs, outputs
    from clipsim.scoring import note_truncation, score_each, score_images

    _check_combination(format, reference is not None, words, prompt, drawn=heatmaps is not None or save is not None)
    asked, pictures = inputs.read_words(caption, images or [], reference)
    folder = None if heatmaps is None else inputs.make_folder(heatmaps)  # before the work, which is lost otherwise
    if save is not None:
        inputs.check_figure(save)
    options = Options(framing, contrast, prompt, precision)
    (encoder,) = inputs.load_encoders([model], device, precision, cache)
    with show_progress(len(pictures)) as progress:
        if format == "jsonl":
            for note in (*encoder.notes, *(note_truncation(asked, encoder, prompt) if asked else ())):
                say(note)
            lines = score_each(pictures, asked, encoder, reference=reference, options=options, progress=progress)
            outputs.print_lines(lines, encoder.name)
            return
        result = score_images(
            pictures,
            asked,
            encoder,
            reference=reference,
            options=options,
            words=words,
            heatmap=folder is not None,
            progress=progress,
        )
    outputs.print_answer(result, format)
    if folder is not None:
        outputs.save_heatmaps(result, folder)
    if save is not None:
        result.save(save)


def _check_combination(format: str, by_reference: bool, words: bool, prompt: str, *, drawn: bool) -> None:
    if by_reference and (words or prompt != "as-written"):
        raise UsageError("With --reference there is no caption: leave out --words and --prompt.")
    if words and format == "csv":
        raise UsageError("--words has no place in CSV: use --format table or json.")
    if format == "jsonl" and (words or drawn):
        raise UsageError("--format jsonl goes without --words, --heatmaps and --save: leave them out.")


def table(
    images: ImagesArgument,
    caption: Annotated[
        list[str] | None, Option(metavar="TEXT", help="one of the captions; may be given several times")
    ] = None,
    captions: Annotated[
        str | None,
        Option(metavar="FILE", help="captions from a text file, one a line, or - for the standard input"),
    ] = None,
    model: ModelOption = "auto",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    framing: FramingOption = "crop",
    contrast: ContrastOption = "as-is",
    prompt: PromptOption = "as-written",
    cache: CacheOption = None,
    format: TableJsonOrCsv = "table",
) -> None:
    """Score pictures against several captions: a table of captions by pictures.

    Exit status: 0 scored, 1 nothing could be scored, 2 wrong use.
    """
    from clipsim.cli import inputs, outputs
    from clipsim.images import collect_images
    from clipsim.scoring import score_captions

    asked = [*([] if captions is None else inputs.read_captions(captions)), *(caption or [])]
    if not asked:
        raise CaptionError("There are no captions: give each with --caption, or a file of them with --captions.")
    pictures = list(collect_images(images))
    options = Options(framing, contrast, prompt, precision)
    (encoder,) = inputs.load_encoders([model], device, precision, cache)
    with show_progress(len(pictures)) as progress:
        answer = score_captions(pictures, asked, encoder, options=options, progress=progress)
    outputs.print_answer(answer, format)


def compare(
    caption: CaptionArgument,
    images: ImagesArgument,
    model: Annotated[list[str], Option(help="one of the models; give two or more", callback=check_model)],
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    framing: FramingOption = "crop",
    contrast: ContrastOption = "as-is",
    prompt: PromptOption = "as-written",
    cache: CacheOption = None,
    format: TableJsonOrCsv = "table",
) -> None:
    """Score pictures against a caption by several models, side by side.

    Exit status: 0 scored, 1 nothing could be scored, 2 wrong use.
    """
    from clipsim.cli import inputs, outputs
    from clipsim.scoring import compare_models

    if len(model) < 2:
        raise UsageError("One model alone cannot be compared: give --model twice or more often.")
    asked, pictures = inputs.read_words(caption, images, None)
    options = Options(framing, contrast, prompt, precision)
    encoders = inputs.load_encoders(model, device, precision, cache)
    with show_progress(len(pictures) * len(encoders)) as progress:
        answer = compare_models(pictures, asked, encoders, options=options, progress=progress)
    outputs.print_answer(answer, format)
