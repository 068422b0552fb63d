"""Endpoints for programs: plain JSON in and out, nothing rendered. Clients and agents are shown their docstrings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import gradio as gr

from clipsim import service
from clipsim.errors import CaptionError, ClipsimError, EncoderError
from clipsim.models import MODELS


@contextmanager
def sentences() -> Iterator[None]:
    """What went wrong reaches every client as its sentence, and the log as nothing."""
    try:
        yield
    except ClipsimError as error:
        raise gr.Error(str(error), title="Not scored", duration=None, print_exception=False) from error


def similarity(
    pictures: list[gr.FileData], caption: str = "", reference: gr.FileData | None = None, model: str = "auto"
) -> dict[str, Any]:
    """Score how well a caption fits each picture, or how alike each picture is to a reference image. Best first.

    The cosine is the score, from -1 to 1; it is not a percentage. With CLIP a caption that fits gives about 0.25 to
    0.35, an unrelated one 0.10 to 0.22.

    Parameters:
        pictures: Uploaded files, or data:image/...;base64,... addresses. Web addresses are not fetched.
        caption: What the pictures should show; leave it out to compare with a reference image.
        reference: An image to compare with instead of a caption, in the same forms as a picture.
        model: A name from /models; "auto" is the default CLIP model, or a small stand-in where that cannot be had.

    Returns:
        caption, reference, model, device, scores (name, rank, cosine, clipscore, share, notes), rejected (name,
        reason), notes, seconds.
    """
    with sentences():
        items = [service.received(sent) for sent in (pictures if isinstance(pictures, list) else [pictures])]
        against = None if reference is None else service.received(reference)
        _check(caption, model)
        return service.answer(items, caption or None, against, model).to_dict()


def models() -> dict[str, Any]:
    """List the models that can be chosen, with published accuracies, and which of them are in memory.

    Returns:
        models (name, hub_id, family, licence, width, imagenet, coco, loaded) and auto, what "auto" stands for here.
    """
    with sentences():
        auto = service.encoder("auto")
        in_memory = {one.name for one in service.loaded().values()}
        rows = [{**asdict(model), "loaded": model.name in in_memory} for model in MODELS]
        return {"models": rows, "auto": auto.name}


def _check(caption: Any, model: Any) -> None:
    """A stranger may choose from the table; folders and other repositories are for those who run the server."""
    if not isinstance(caption, str | None):
        raise CaptionError("The caption is not text: send a string.")
    known = ["auto", *(row.name for row in MODELS)]
    if model not in known:
        raise EncoderError(f"model {model!r} is not known: use {', '.join(known)}")
