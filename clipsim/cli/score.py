"""The commands that score pictures: `clipsim score`, `table` and `compare`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
    TableJsonOrCsv,
    check_model,
    say,
    show,
    show_progress,
)
from clipsim.errors import CaptionError, ClipsimError, UsageError
from clipsim.options import Options, Precision

if TYPE_CHECKING:
    from PIL import Image

    from clipsim.embedding import Rejected
    from clipsim.encoders import Encoder
    from clipsim.images import Source
    from clipsim.scoring import CaptionTable, Comparison, Result, Score

    Picture = tuple[Source, str]  # a file and its name

FILE_BYTES = 2_000_000_000  # of vectors in a file
HEATMAP_SIDE = 1024  # pixels along the longer side of a saved one, unless the picture is smaller
NOTHING = "Nothing could be scored."


def score(
    caption: CaptionArgument,
    images: Annotated[list[str] | None, Argument(metavar="IMAGE", help="files, and folders to walk")] = None,
    reference: Annotated[
        str | None, Option(metavar="IMAGE", help="compare with this image, and leave CAPTION out")
    ] = None,
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
    from clipsim.scoring import note_truncation, score_each, score_images

    if reference is not None and (words or prompt != "as-written"):
        raise UsageError("With --reference there is no caption: leave out --words and --prompt.")
    if words and format == "csv":
        raise UsageError("--words has no place in CSV: use --format table or json.")
    if format == "jsonl" and (words or heatmaps is not None or save is not None):
        raise UsageError("--format jsonl goes without --words, --heatmaps and --save: leave them out.")
    asked, pictures = _read_words(caption, images or [], reference)
    folder = None if heatmaps is None else _make_folder(heatmaps)  # before the work, which would be lost otherwise
    options = Options(framing, contrast, prompt, precision)
    (encoder,) = _load_encoders([model], device, precision, cache)
    with show_progress(len(pictures)) as progress:
        if format == "jsonl":
            for note in (*encoder.notes, *(note_truncation(asked, encoder, prompt) if asked else ())):
                say(note)
            lines = score_each(pictures, asked, encoder, reference=reference, options=options, progress=progress)
            _print_lines(lines, encoder.name)
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
    _print_answer(result, format)
    if folder is not None:
        _save_heatmaps(result, folder)


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
    from clipsim.images import collect_images
    from clipsim.scoring import score_captions

    asked = [*([] if captions is None else _read_captions(captions)), *(caption or [])]
    if not asked:
        raise CaptionError("There are no captions: give each with --caption, or a file of them with --captions.")
    pictures = list(collect_images(images))
    options = Options(framing, contrast, prompt, precision)
    (encoder,) = _load_encoders([model], device, precision, cache)
    with show_progress(len(pictures)) as progress:
        answer = score_captions(pictures, asked, encoder, options=options, progress=progress)
    _print_answer(answer, format)


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
    from clipsim.scoring import compare_models

    if len(model) < 2:
        raise UsageError("One model alone cannot be compared: give --model twice or more often.")
    asked, pictures = _read_words(caption, images, None)
    options = Options(framing, contrast, prompt, precision)
    encoders = _load_encoders(model, device, precision, cache)
    with show_progress(len(pictures) * len(encoders)) as progress:
        answer = compare_models(pictures, asked, encoders, options=options, progress=progress)
    _print_answer(answer, format)


def _read_words(caption: str, images: list[str], reference: str | None) -> tuple[str | None, list[Picture]]:
    """Return the caption and the pictures; with a reference every word is a picture, a caption there is not used."""
    from clipsim.images import collect_images
    from clipsim.scoring import clean_caption

    if reference is None:
        caption = clean_caption(caption)
        if not images:
            raise CaptionError("No picture is named: give a caption and then the pictures.")
        strange = next((image for image in images if not _exists(image)), None)
        if strange is not None and _is_picture(caption) and _exists(caption):
            raise UsageError(f"{caption} is a picture, and {strange} is none: give the caption first, then pictures.")
        return caption, list(collect_images(images))
    collect_images([reference])  # which raises if nothing is there
    if not images or _is_picture(caption) or _exists(caption):
        images = [caption, *images]
    elif caption.strip():
        say(f"The caption “{caption}” is not used: the pictures are compared with {reference}.")
    return None, list(collect_images(images))


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):  # a long caption is no path
        return False


def _is_picture(word: str) -> bool:
    """Return whether the word ends as the names of pictures do."""
    from clipsim.images import SUFFIXES

    return Path(word).suffix.lower() in SUFFIXES


def _read_captions(source: str) -> list[str]:
    """Return the lines of a file, or of the standard input if it is "-"; empty ones are left out."""
    name = "The standard input" if source == "-" else source
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not text in UTF-8: save it so, a caption a line.") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{name} cannot be read: --captions takes a text file, a caption a line, or -.") from error
    captions = [line for line in lines if line]
    if not captions:
        raise UsageError(f"{name} has no captions: write one a line.")
    return captions


def _load_encoders(models: Sequence[str], device: str, precision: Precision, cache: str | None) -> list[Encoder]:
    from clipsim.embedding import VectorCache, use_cache
    from clipsim.encoders import load

    try:
        vectors = None if cache is None else VectorCache(FILE_BYTES, Path(cache))
    except ClipsimError as error:
        raise UsageError(str(error)) from error
    encoders = [load(model, device, precision) for model in models]
    names = [encoder.name for encoder in encoders]
    if len(set(names)) < len(names):  # "auto" may come to any
        raise UsageError(f"The models are {', '.join(names)}: give each --model another one.")
    if vectors is not None:
        for encoder in encoders:
            use_cache(encoder, vectors)
    return encoders


def _print_answer(answer: Result | CaptionTable | Comparison, form: str) -> None:
    """Print what was found, with remarks on the standard error; JSON even if it holds nothing but rejected pictures."""
    from clipsim import report
    from clipsim.scoring import Result

    for remark in report.remarks(answer):
        say(remark)
    scored = answer.scores if isinstance(answer, Result) else answer.pictures
    if form == "json":
        print(report.to_json(answer))
    elif scored and form == "csv":
        print(report.to_csv(answer), end="")
    elif scored:
        show(report.to_blocks(answer))
    if not scored:
        raise ClipsimError(NOTHING)


def _print_lines(lines: Iterator[Score | Rejected], model: str) -> None:
    """Print each picture's score as a line of JSON as soon as it is there."""
    from clipsim.embedding import Rejected
    from clipsim.report import to_json_line

    scored = 0
    for line in lines:
        if isinstance(line, Rejected):
            say(f"{line.name} {line.reason}.")
        scored += not isinstance(line, Rejected)
        print(to_json_line(line, model), flush=True)
    if not scored:
        raise ClipsimError(NOTHING)


def _make_folder(folder: str) -> Path:
    """Return the folder, made if it is missing."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} cannot be made a folder: give --heatmaps another one.") from error
    return Path(folder)


def _save_heatmaps(result: Result, folder: Path) -> None:
    """Save each picture with its heatmap over it as a PNG named after the picture; what is there is left alone."""
    from clipsim.images import read
    from clipsim.report import titles
    from clipsim.scoring import overlay

    saved = []
    for score, title in zip(result.scores, titles([score.name for score in result.scores]), strict=True):
        if score.heatmap:
            image = overlay(read(result.pictures[score.name], score.name).image, score.heatmap, HEATMAP_SIDE)
            saved.append(_save_image(image, folder, title.replace("/", " - ")))
    if saved:
        say(f"Heatmaps, best picture first, are in {folder}: {', '.join(saved)}")


def _save_image(image: Image.Image, folder: Path, title: str) -> str:
    """Write a PNG under the first free name of "title.png", "title (2).png", and so on, and return that name."""
    for number in count(1):
        name = f"{title}.png" if number == 1 else f"{title} ({number}).png"
        try:
            with (folder / name).open("xb") as file:
                image.save(file, "PNG")
        except FileExistsError:
            continue
        except OSError as error:
            raise ClipsimError(f"{name} could not be written to {folder}: {error.strerror or error}.") from error
        break
    return name
