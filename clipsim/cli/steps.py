"""The steps of the commands that score: read what is given, load models, print and save what comes of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from PIL import Image

from clipsim.cli.common import say, show
from clipsim.embedding import Progress, Rejected, VectorCache, use_cache
from clipsim.encoders import Encoder, load
from clipsim.errors import CaptionError, ClipsimError, UsageError
from clipsim.images import SUFFIXES, Source, collect_images, read
from clipsim.options import Options, Precision
from clipsim.report import remarks, titled, to_blocks, to_csv, to_json, to_json_line
from clipsim.scoring import (
    STRENGTHS,
    CaptionTable,
    Comparison,
    Result,
    Score,
    clean_caption,
    find_scale,
    note_caption,
    overlay,
    score_each,
)

FILE_BYTES = 2_000_000_000  # of vectors in a file
HEATMAP_SIDE = 1024  # pixels along the longer side of a saved one, unless the picture is smaller
NOTHING = "Nothing could be scored."
_exists = os.path.exists  # Path.exists raises an error for a caption that is longer than any path


def read_words(caption: str, images: list[str], reference: str | None) -> tuple[str | None, list[tuple[Source, str]]]:
    """Return the caption, and pictures with names; with a reference every word is a picture, a caption is not used."""
    is_picture = Path(caption).suffix.lower() in SUFFIXES
    if reference is None:
        caption = clean_caption(caption)
        if not images:
            raise CaptionError("No picture is named: give a caption and then the pictures.")
        strange = next((image for image in images if not _exists(image)), None)
        if strange is not None and is_picture and _exists(caption):
            raise UsageError(f"{caption} is a picture, and {strange} is none: give the caption first, then pictures.")
        return caption, list(collect_images(images))
    collect_images([reference])  # which raises if nothing is there
    if not images or is_picture or _exists(caption):
        images = [caption, *images]
    elif caption.strip():
        say(f"The caption “{caption}” is not used: the pictures are compared with {reference}.")
    return None, list(collect_images(images))


def read_captions(source: str) -> list[str]:
    """Return the lines of a file, or of the standard input if it is "-"; empty ones are left out."""
    name = "The standard input" if source == "-" else source
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not text in UTF-8: save it so, a caption a line.") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{name} cannot be read: --captions takes a text file, a caption a line, or -.") from error
    if not any(lines):
        raise UsageError(f"{name} has no captions: write one a line.")
    return [line for line in lines if line]


def load_encoders(models: Sequence[str], device: str, precision: Precision, cache: str | None) -> list[Encoder]:
    """Load models that differ, all of which keep their vectors in the file `cache`, if there is one."""
    vectors = None if cache is None else VectorCache(FILE_BYTES, Path(cache))
    encoders = [load(model, device, precision) for model in models]
    names = [encoder.name for encoder in encoders]
    if len(set(names)) < len(names):  # "auto" may come to any
        raise UsageError(f"The models are {', '.join(names)}: give each --model another one.")
    for encoder in encoders:
        if vectors is not None:
            use_cache(encoder, vectors)
    return encoders


def make_folder(heatmaps: str | None) -> None:
    """Make the folder of heatmaps, if there is to be one; raise a `UsageError` if it cannot be made."""
    try:
        if heatmaps is not None:
            Path(heatmaps).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"{heatmaps} cannot be made a folder: give --heatmaps another one.") from error


def print_answer(answer: Result | CaptionTable | Comparison, form: str) -> None:
    """Print what was found, with remarks on the standard error; JSON even if it holds nothing but rejected pictures."""
    for remark in remarks(answer):
        say(remark)
    scored = answer.scores if isinstance(answer, Result) else answer.pictures
    if form == "json":
        print(to_json(answer))
    if not scored:
        raise ClipsimError(NOTHING)
    if form == "csv":
        print(to_csv(answer), end="")
    elif form == "table":
        show(to_blocks(answer))


def print_each(
    gallery: list[tuple[Source, str]],
    caption: str | None,
    encoder: Encoder,
    reference: str | None,
    options: Options,
    progress: Progress,
) -> None:
    """Print each picture's score as a line of JSON as soon as it is there, with notes on the standard error."""
    for note in (*encoder.notes, *(note_caption(caption, encoder, options.prompt) if caption else ())):
        say(note)
    lines = score_each(gallery, caption, encoder, reference=reference, options=options, progress=progress)
    scored = False
    for line in lines:
        if isinstance(line, Rejected):
            say(f"{line.name} {line.reason}.")
        scored |= isinstance(line, Score)
        print(to_json_line(line, encoder.name), flush=True)
    if not scored:
        raise ClipsimError(NOTHING)


def save_heatmaps(result: Result, folder: str | None) -> None:
    """Save each picture with its heatmap over it as a PNG named after the picture; what is there is left alone.

    Nothing is saved without a folder.
    """
    saved, scale = [], find_scale(score.heatmap for score in result if score.heatmap)
    for score, title in titled(result):
        if score.heatmap:
            picture, drawn = read(result.pictures[score.name], score.name).image, STRENGTHS[score.verdict]
            image = overlay(picture, score.heatmap, HEATMAP_SIDE, scale=scale, strength=drawn)
            saved.append(_save_image(image, Path(folder or ""), title.replace("/", " - ")))
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
