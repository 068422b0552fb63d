"""Captions as they are given: whether they can be scored, and what of them a model does not read or see."""

from __future__ import annotations

import os
from glob import has_magic
from pathlib import Path

from clipsim.encoders import Encoder
from clipsim.errors import CaptionError, UsageError
from clipsim.images import SUFFIXES, ImageInput
from clipsim.options import PROMPTS, Options, Precision, Prompt
from clipsim.scoring.combining import note_parts
from clipsim.scoring.parts import split_parts
from clipsim.scoring.remarks import MOST, find_remarks


def resolve_precision(options: Options, encoder: Encoder) -> Options:
    """Return the options with the precision that the encoder calculates in; one of its own counts as full."""
    known: dict[str, Precision] = {"half": "half", "int8": "int8"}
    return options.replace(precision=known.get(encoder.precision, "full"))


def check_query(caption: str | None, reference: ImageInput | None) -> str | None:
    """Return the caption without white space around it, or None with a reference image.

    Raises:
        CaptionError: there are both or neither, or the caption is not valid text.
    """
    if reference is None:
        return clean_caption(caption)
    if caption and caption.strip():
        raise CaptionError(
            "There are both a caption and a reference image: give one of them.", code="caption_and_reference"
        )
    return None


def check_order(images: object, caption: str | None) -> None:
    """Raise a `UsageError` if the caption is a picture's file, or a path where the images are none."""
    exists = os.path.exists  # which, unlike `Path.exists`, takes any text
    no_images = isinstance(images, str) and not exists(images) and not has_magic(images)
    if isinstance(caption, str) and exists(caption) and (no_images or Path(caption).suffix.lower() in SUFFIXES):
        raise UsageError(f"The caption, {caption!r}, is a path: give the images first, then the caption.")


def clean_caption(caption: str | None) -> str:
    """Return the caption without white space around it.

    Raises:
        CaptionError: nothing is left, it is a list, or it holds half of a surrogate pair, which no encoding of text can
            express.
    """
    if not isinstance(caption, str | None):
        raise CaptionError(
            f"The caption is of the type {type(caption).__name__}: give one text after the images, or for several "
            "captions use clipsim.score_captions."
        )
    caption = (caption or "").strip()
    if not caption:
        raise CaptionError("The caption is empty: write what the pictures should show.", code="no_caption")
    try:
        caption.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CaptionError("The caption holds a broken character: type it anew.") from error
    return caption


def note_caption(caption: str, encoder: Encoder, prompt: Prompt = "as-written") -> list[str]:
    """Return what of a caption the model does not read, or does not see, and its parts: mostly nothing."""
    parts = split_parts(caption)
    texts = [part.text for part in parts] or [caption]
    remarks = dict.fromkeys(one.text for text in texts for one in find_remarks(text, encoder))
    cut = [note for text in texts for note in note_truncation(text, encoder, prompt)]
    return [*note_parts(parts), *[*remarks][:MOST], *cut]


def note_truncation(caption: str, encoder: Encoder, prompt: Prompt) -> list[str]:
    """Return the sentence that quotes the words which the model does not read; nothing if it reads all."""
    sentence = max(PROMPTS[prompt], key=len).replace("{}", caption)
    left_out = encoder.truncated_text(sentence)
    return [f"The caption is longer than the model reads; these words were left out: “{left_out}”"] if left_out else []
