"""Endpoints for programs: plain JSON in and out, nothing rendered. Clients and agents are shown their docstrings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import gradio as gr
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipsim.embedding import Item
from clipsim.encoders.registry import MODELS
from clipsim.errors import CaptionError, ChoiceError, ClipsimError, LimitError
from clipsim.options import Options
from clipsim.web import server_collections as shelf
from clipsim.web import service
from clipsim.web.service import LIMITS

_TOO_LONG = str(LimitError("body_bytes", LIMITS.body_bytes, LIMITS.body_bytes))


@contextmanager
def sentences() -> Iterator[None]:
    """What went wrong reaches every client as its sentence, and the log as nothing."""
    try:
        yield
    except ClipsimError as error:
        raise gr.Error(str(error), title="Not scored", duration=None, print_exception=False) from error


def similarity(
    pictures: list[gr.FileData],
    caption: str = "",
    reference: gr.FileData | None = None,
    model: str = "auto",
    framing: str = "crop",
    contrast: str = "as-is",
    prompt: str = "as-written",
    words: bool = False,
    heatmap: bool = False,
    thumbnails: bool = False,
    precision: str = "auto",
    request: gr.Request | None = None,
) -> dict[str, Any] | str:
    """Score how well a caption fits each picture, or how alike each picture is to a reference image. Best first.

    The percentile is the figure to read: of how many unrelated captions in a hundred this one fits the picture better.
    The verdict puts it into words (match, weak, no match); "nothing here matches" is an answer. The cosine goes from -1
    to 1; it is not a percentage. With CLIP a caption that fits gives about 0.25 to 0.35, an unrelated one 0.10 to 0.22.

    Parameters:
        pictures: Uploaded files, or data:image/...;base64,... addresses. Web addresses are not fetched.
        caption: What the pictures should show; leave it out to compare with a reference image.
        reference: An image to compare with instead of a caption, in the same forms as a picture.
        model: A name from /models; "auto" is the default CLIP model, or a small stand-in where that cannot be had.
        framing: "crop" (the model's own way), "pad" (all of the picture), "tiles-best" or "tiles-mean" (many crops).
        contrast: "as-is", or "auto" to stretch it to the full range first.
        prompt: "as-written", "photo" ("a photo of ..."), or "ensemble" (the mean of several sentences; for labels).
        words: Whether to say what each word of the caption adds to each cosine.
        heatmap: Whether to say where in each picture the caption finds its support.
        thumbnails: Whether to return what went into the model, as JPEGs in data: addresses.
        precision: "full" (float32), "half" (faster, cosines differ in the third decimal), or "auto": half on CUDA.

    Returns:
        caption, reference, model, device, verdict, scores (name, rank, cosine, percentile, verdict, clipscore, share,
        seen, notes, words, shuffled, heatmap, thumbnail), words, rejected (name, reason), notes, seconds, and the
        framing, contrast, prompt and precision that were chosen.
    """
    with sentences():
        items = _items(pictures)
        against = None if reference is None else service.received(reference)
        _check([caption], [model])
        options = _options(framing, contrast, prompt, precision)
        result = service.answer(
            items,
            caption or None,
            against,
            model,
            options=options,
            words=bool(words),
            heatmap=bool(heatmap),
            thumbnails=bool(thumbnails),
        )
        return _for_caller(result.to_dict(), request)


def captions(
    pictures: list[gr.FileData],
    captions: list[str],
    model: str = "auto",
    framing: str = "crop",
    contrast: str = "as-is",
    prompt: str = "as-written",
    precision: str = "auto",
    request: gr.Request | None = None,
) -> dict[str, Any] | str:
    """Score every picture against every one of several captions: which caption for which picture?

    Parameters:
        pictures: Uploaded files, or data:image/...;base64,... addresses. Web addresses are not fetched.
        captions: What the pictures might show, a list of strings.
        model: A name from /models, or "auto".
        framing: "crop", "pad", "tiles-best" or "tiles-mean".
        contrast: "as-is" or "auto".
        prompt: "as-written", "photo" or "ensemble".
        precision: "auto", "full" or "half".

    Returns:
        captions, pictures, cosines, percentiles and verdicts ([i][j] is caption i with picture j), best_pictures (for
        each caption), best_captions (for each picture), answers (for each caption), model, device, rejected, notes,
        seconds, framing, contrast, prompt, precision.
    """
    with sentences():
        items = _items(pictures)
        asked = captions if isinstance(captions, list) else [captions]
        _check(asked, [model])
        options = _options(framing, contrast, prompt, precision)
        table = service.answer_captions(items, asked, model, options=options)
        return _for_caller(table.to_dict(), request)


def compare(
    pictures: list[gr.FileData],
    caption: str,
    model: str,
    other: str,
    framing: str = "crop",
    contrast: str = "as-is",
    prompt: str = "as-written",
    precision: str = "auto",
    request: gr.Request | None = None,
) -> dict[str, Any] | str:
    """Score the same pictures and caption by two models. Compare their ranks and percentiles, never their cosines.

    Parameters:
        pictures: Uploaded files, or data:image/...;base64,... addresses. Web addresses are not fetched.
        caption: What the pictures should show.
        model: A name from /models.
        other: Another name from /models.
        framing: "crop", "pad", "tiles-best" or "tiles-mean".
        contrast: "as-is" or "auto".
        prompt: "as-written", "photo" or "ensemble".
        precision: "auto", "full" or "half".

    Returns:
        results (one for each model, as /similarity gives it), pictures (by mean rank), agreement (rank correlation).
    """
    with sentences():
        items = _items(pictures)
        _check([caption], [model, other])
        options = _options(framing, contrast, prompt, precision)
        compared = service.answer_models(items, caption, [model, other], options=options)
        return _for_caller(compared.to_dict(), request)


def models(request: gr.Request | None = None) -> dict[str, Any] | str:
    """List the models that can be chosen, with published accuracies, and which of them are in memory.

    Returns:
        models (name, hub_id, family, licence, width, imagenet, coco, loaded) and auto, what "auto" stands for here.
    """
    with sentences():
        auto = service.encoder("auto")
        in_memory = {one.name for one in service.loaded()}
        rows = [{**asdict(model), "loaded": model.name in in_memory} for model in MODELS]
        return _for_caller({"models": rows, "auto": auto.name}, request)


def search(
    collection: str,
    caption: str = "",
    like: str = "",
    top: int = 20,
    path: str = "",
    after: str = "",
    before: str = "",
    request: gr.Request | None = None,
) -> dict[str, Any] | str:
    """Find the pictures of a collection on this server that fit a caption best, or are most like one of its pictures.

    Parameters:
        collection: A name from /collections.
        caption: What the pictures should show; leave it out to find more like one of them.
        like: The path of a picture in the collection, as a search gives it.
        top: How many, 1 to 100.
        path: Only paths that fit this pattern: * and ? as in a shell.
        after: Only files last written then or later, such as 2026-03-31.
        before: Only files last written before.

    Returns:
        collection, pictures (how many it has), caption, like, model, hits (path, rank, cosine, percentile, verdict,
        notes, seen, size, file_size, mtime, and thumbnail, a JPEG in a data: address).
    """
    with sentences():
        texts = [collection, caption, like, path, after, before]
        if not all(isinstance(text, str | None) for text in texts) or not isinstance(top, int | float):
            raise ClipsimError("The values are not in the form that the endpoint takes: see its API page.")
        found = shelf.search(collection or "", caption, like, int(top), path, after, before)
        return _for_caller(found.to_dict(), request)


def collections(request: gr.Request | None = None) -> dict[str, Any] | str:
    """List the collections that this server was started with.

    Returns:
        collections: name, pictures and model of each.
    """
    with sentences():
        opened = {name: shelf.opened(name) for name in shelf.folders()}
        rows = [
            {"name": name, "pictures": len(one), "model": one.manifest.embedding.model} for name, one in opened.items()
        ]
        return _for_caller({"collections": rows}, request)


def _for_caller(answer: dict[str, Any], request: gr.Request | None) -> dict[str, Any] | str:
    """An MCP tool answers in text, and gradio would write a dict as Python does: JSON instead."""
    by_mcp = request is not None and (
        request.headers.get("x-gradio-user") == "mcp"  # a queued call, which gradio's MCP server makes as a client
        or "/gradio_api/mcp" in request.url.path  # one past the queue
    )
    return json.dumps(answer, ensure_ascii=False) if by_mcp else answer


def _items(pictures: Any) -> list[Item]:
    return [service.received(sent) for sent in (pictures if isinstance(pictures, list) else [pictures])]


def _options(framing: Any, contrast: Any, prompt: Any, precision: Any) -> Options:
    """Return the options that a stranger sent, checked."""
    return Options(framing, contrast, prompt, precision)


def _check(captions: list[Any], models: list[Any]) -> None:
    """A stranger may choose from the table; folders and other repositories are for those who run the server."""
    if not all(isinstance(caption, str | None) for caption in captions):
        raise CaptionError("The caption is not text: send a string.")
    known = ["auto", *(row.name for row in MODELS)]
    for model in models:
        if model not in known:
            raise ChoiceError("model", model, known)


class BodyLimit:
    """ASGI middleware: a call of more bytes than the limit is refused before it is read; uploads have their own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith("/upload"):
            await self.app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit() and int(announced) > LIMITS.body_bytes:
            await JSONResponse({"error": _TOO_LONG}, 413)(scope, receive, send)
            return
        arrived = 0

        async def counted() -> Message:  # a body that is sent in chunks announces no length
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > LIMITS.body_bytes:
                raise HTTPException(413, _TOO_LONG)
            return message

        await self.app(scope, counted, send)


class Checked(gr.Blocks):
    """Blocks that look at a request before gradio does: it would fetch web addresses, and log what it cannot read."""

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *rest: Any, **named: Any) -> Any:
        with sentences():
            # values that a caller leaves out at the end are what the page shows at first
            inputs = [*inputs, *(component.value for component in block_fn.inputs[len(inputs) :])]
            inputs = [_checked(value, plain=not block_fn.preprocess) for value in inputs]
            try:
                return await super().preprocess_data(block_fn, inputs, *rest, **named)
            except gr.Error as error:
                raise ClipsimError(str(error.message)) from error
            except Exception as error:
                raise ClipsimError(
                    "The values are not in the form that the endpoint takes: see its API page."
                ) from error


def _checked(value: Any, plain: bool) -> Any:
    """The value, its files checked; or, where an endpoint checks them itself, unmarked so that gradio lets them be."""
    if isinstance(value, list):
        return [_checked(one, plain) for one in value]
    if not isinstance(value, dict):
        return value
    if "path" in value and plain:
        return {key: one for key, one in value.items() if key != "meta"}
    if "path" in value or "url" in value:
        service.received(value)
    return {key: _checked(one, plain) for key, one in value.items()}
