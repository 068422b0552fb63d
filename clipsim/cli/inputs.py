"""What the commands that score are given: words into captions and pictures, names into models."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from clipsim.cli.common import say
from clipsim.embedding import VectorCache, use_cache
from clipsim.encoders import Encoder, load
from clipsim.errors import CaptionError, ClipsimError, UsageError
from clipsim.images import SUFFIXES, Source, collect_images
from clipsim.options import Precision
from clipsim.report import ENDINGS
from clipsim.scoring import clean_caption

FILE_BYTES = 2_000_000_000  # of vectors in a file
Picture = tuple[Source, str]  # and its name


def read_words(caption: str, images: list[str], reference: str | None) -> tuple[str | None, list[Picture]]:
    """Return the caption and the pictures; with a reference every word is a picture, a caption there is not used."""
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
    return Path(word).suffix.lower() in SUFFIXES


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
    captions = [line for line in lines if line]
    if not captions:
        raise UsageError(f"{name} has no captions: write one a line.")
    return captions


def load_encoders(models: Sequence[str], device: str, precision: Precision, cache: str | None) -> list[Encoder]:
    """Load models that differ, all of which keep their vectors in the file `cache`, if there is one.

    Raises:
        UsageError: the file cannot be used, or a model comes twice.
        EncoderError: a model cannot be loaded.
    """
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


def make_folder(folder: str) -> Path:
    """Return the folder, made if it is missing."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} cannot be made a folder: give --heatmaps another one.") from error
    return Path(folder)


def check_figure(path: str) -> None:
    """Raise a `UsageError` unless a figure can be drawn into a file of that name."""
    if Path(path).suffix.lower() not in ENDINGS or not Path(path).parent.is_dir():
        raise UsageError(f"{path} cannot be drawn: give --save a file in a folder that is there, {', '.join(ENDINGS)}.")
