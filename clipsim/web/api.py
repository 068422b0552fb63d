"""Endpoints for programs: plain JSON in and out, nothing rendered. Clients and agents are shown their docstrings."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, Literal, get_origin, get_type_hints

import gradio as gr
from gradio.events import api as add_endpoint

from clipsim.embedding import Item
from clipsim.encoders import list_models
from clipsim.errors import CaptionError, ChoiceError, UsageError
from clipsim.judges import list_judges
from clipsim.options import Contrast, Framing, Options, Precision, Prompt
from clipsim.pairs import Pair
from clipsim.scoring import OPINIONS, CaptionTable, CheckList, Comparison, Record, Result
from clipsim.web.guard import sentences
from clipsim.web.pair_records import PairTable, describe_pairs
from clipsim.web.records import (
    API_VERSION,
    CollectionList,
    Found,
    ModelList,
    describe_found,
    describe_models,
    list_collections,
)
from clipsim.web.requests import current_request_id, is_from_agent
from clipsim.web.schema import describe_answer
from clipsim.web.server_collections import ServerCollections
from clipsim.web.service import Question, Service

_LABELS = {  # of parameters that are called otherwise on the API page than by their own name
    "reference": "Reference image",
    "other": "Other model",
    "like": "More like",
    "top": "Results",
    "after": "Written on or after",
    "before": "Written before",
}


_KINDS: Mapping[Any, tuple[Any, str]] = {  # by type: what JSON gives for it, and its name
    str: (str | None, "a string"),
    bool: (bool | None, "true or false"),
    int: (int | float, "a number"),
}


def model_names() -> list[str]:
    """Return what a request may name as its model."""
    return ["auto", *(row.name for row in list_models())]


def judge_names() -> list[str]:
    """Return what a request may name as its judge."""
    return [row.name for row in list_judges()]


class Api:
    """The endpoints of one server, each a method with the parameters that clients send."""

    def __init__(self, service: Service, collections: ServerCollections) -> None:
        """Answer by `service`, and search in `collections`."""
        self._service, self._collections = service, collections

    def similarity(
        self,
        pictures: list[gr.FileData],
        caption: str = "",
        reference: gr.FileData | None = None,
        model: str = "auto",
        framing: Framing = "crop",
        contrast: Contrast = "as-is",
        prompt: Prompt = "as-written",
        words: bool = False,
        heatmap: bool = False,
        thumbnails: bool = False,
        precision: Precision = "auto",
        checks: bool = False,
        second_opinion: str = "",
        opinions: int = OPINIONS,
    ) -> Result:
        """Score how well a caption fits each picture, or how alike each picture is to a reference image. Best first.

        The percentile is the figure to read: of how many unrelated captions in a hundred this one fits the picture
        better. The verdict puts it into words (match, weak, no match), and for all of them together: "match",
        "not sure" or "nothing here matches". The cosine goes from -1 to 1; it is not a percentage. With CLIP a caption
        that fits gives about 0.25 to 0.35, an unrelated one 0.10 to 0.22.

        Parameters:
            pictures: Uploaded files, or data:image/jpeg;base64,... addresses. Web addresses are not fetched.
            caption: What the pictures should show; leave it out to compare with a reference image.
            reference: An image to compare with instead of a caption, in the same forms as a picture.
            model: A name from /models; "auto" is the default CLIP model, or a small stand-in where that cannot be had.
            framing: "crop" (the model's own way), "pad" (all of it), "tiles-best" or "tiles-mean" (many crops).
            contrast: "as-is", or "auto" to stretch it to the full range first.
            prompt: "as-written", "photo" ("a photo of ..."), or "ensemble" (the mean of several sentences; for labels).
            words: Whether to say what each word of the caption adds to each cosine.
            heatmap: Whether to say where in each picture the caption finds its support.
            thumbnails: Whether to return what went into the model, as JPEGs in data: addresses.
            precision: "full" (float32), "half" or "int8" (faster, the third decimal differs), or "auto": half on CUDA.
            checks: Whether to score each picture mirrored too, which tells whether the model read writing in it.
            second_opinion: A judge to ask of the best pictures too, from /models, such as "blip-itm"; slow.
            opinions: Of how many pictures it is asked, 1 to 100.

        Returns:
            caption, reference, model, device, verdict, scores (name, rank, cosine, percentile, verdict, clipscore,
            share, seen, notes, words, shuffled, heatmap, thumbnail, probability (SigLIP's own), parts, mirrored,
            second_opinion, disagrees), words, parts (of a caption that says what must not be there, as "a beach, no
            people"), judge, rejected (name, reason), notes, seconds, and the framing, contrast, prompt and precision
            that were chosen.
        """
        question = self._ask(pictures, [caption], [model], framing, contrast, prompt, precision)
        against = None if reference is None else self._service.receive(reference)
        question = replace(question, reference=against, words=words, heatmap=heatmap, thumbnails=thumbnails)
        question = self._ask_opinion(replace(question, checks=checks), second_opinion, opinions)
        return self._service.ask_again(question, self._service.answer(question))

    def captions(
        self,
        pictures: list[gr.FileData],
        captions: list[str],
        model: str = "auto",
        framing: Framing = "crop",
        contrast: Contrast = "as-is",
        prompt: Prompt = "as-written",
        precision: Precision = "auto",
    ) -> CaptionTable:
        """Score every picture against every one of several captions: which caption for which picture?

        Parameters:
            pictures: Uploaded files, or data:image/jpeg;base64,... addresses. Web addresses are not fetched.
            captions: What the pictures might show, a list of strings.
            model: A name from /models, or "auto".
            framing: "crop", "pad", "tiles-best" or "tiles-mean".
            contrast: "as-is" or "auto".
            prompt: "as-written", "photo" or "ensemble".
            precision: "auto", "full", "half" or "int8".

        Returns:
            captions, pictures, cosines, percentiles and verdicts ([i][j] is caption i with picture j), best_pictures
            (for each caption), best_captions (for each picture), answers (for each caption), model, device, rejected,
            notes, seconds, framing, contrast, prompt, precision.
        """
        several = [one or "" for one in (captions if isinstance(captions, list) else [captions])]
        question = self._ask(pictures, several, [model], framing, contrast, prompt, precision)
        return self._service.answer_captions(question, several)

    def check(
        self,
        pictures: list[gr.FileData],
        caption: str,
        model: str = "auto",
        framing: Framing = "crop",
        contrast: Contrast = "as-is",
        prompt: Prompt = "as-written",
        places: bool = True,
        precision: Precision = "auto",
    ) -> CheckList:
        """Check a long caption, statement by statement: which of its sentences and clauses does each picture show?

        Parameters:
            pictures: Uploaded files, or data:image/jpeg;base64,... addresses. Web addresses are not fetched.
            caption: Sentences; each is a statement, or several where it joins clauses.
            model: A name from /models, or "auto".
            framing: "crop", "pad", "tiles-best" or "tiles-mean".
            contrast: "as-is" or "auto".
            prompt: "as-written", "photo" or "ensemble".
            places: Whether to say where in each picture a statement lies; up to 100 of them.
            precision: "auto", "full", "half" or "int8".

        Returns:
            text, statements, pictures (best first: name, rank, verdict of the weakest statement, mean percentile, how
            many are holding, statements with cosine, percentile, verdict, weakest words and place, plain for the whole
            caption as one, notes), rule, model, device, rejected, notes, seconds, framing, contrast, prompt, precision.
        """
        question = self._ask(pictures, [caption], [model], framing, contrast, prompt, precision)
        return self._service.check_text(question, places)

    def compare(
        self,
        pictures: list[gr.FileData],
        caption: str,
        model: str,
        other: str,
        framing: Framing = "crop",
        contrast: Contrast = "as-is",
        prompt: Prompt = "as-written",
        precision: Precision = "auto",
    ) -> Comparison:
        """Score the same pictures and caption by two models. Compare their ranks and percentiles, never their cosines.

        Parameters:
            pictures: Uploaded files, or data:image/jpeg;base64,... addresses. Web addresses are not fetched.
            caption: What the pictures should show.
            model: A name from /models.
            other: Another name from /models.
            framing: "crop", "pad", "tiles-best" or "tiles-mean".
            contrast: "as-is" or "auto".
            prompt: "as-written", "photo" or "ensemble".
            precision: "auto", "full", "half" or "int8".

        Returns:
            results (of each model, as /similarity gives it), pictures (by mean rank), agreement (rank correlation).
        """
        question = self._ask(pictures, [caption], [model, other], framing, contrast, prompt, precision)
        return self._service.answer_models(question, other)

    def pairs(
        self,
        pictures: list[gr.FileData],
        captions: list[str],
        model: str = "auto",
        framing: Framing = "crop",
        contrast: Contrast = "as-is",
        prompt: Prompt = "as-written",
        precision: Precision = "auto",
    ) -> PairTable:
        """Score every picture with a caption of its own: which captions are wrong? Captions are as many as pictures.

        A low percentile puts a pair in doubt; a better caption among the others says what it may have been mixed up
        with.

        Parameters:
            pictures: Uploaded files, or data:image/jpeg;base64,... addresses. Web addresses are not fetched.
            captions: What each picture should show, in the order of the pictures.
            model: A name from /models, or "auto".
            framing: "crop", "pad", "tiles-best" or "tiles-mean".
            contrast: "as-is" or "auto".
            prompt: "as-written", "photo" or "ensemble".
            precision: "auto", "full", "half" or "int8".

        Returns:
            scores (row, name, caption, cosine, clipscore, percentile, verdict, rank, among, better_caption,
            better_percentile, unread), matches, model, device, rejected (name, reason), notes, seconds, framing,
            contrast, prompt, precision.
        """
        start = time.perf_counter()
        several = [one or "" for one in (captions if isinstance(captions, list) else [captions])]
        question = self._ask(pictures, several, [model], framing, contrast, prompt, precision)
        self._service.check_size(question.pictures, [max(several, key=len, default="")])
        if len(several) != len(question.pictures):
            counts = f"{len(question.pictures)} pictures and {len(several)} captions"
            raise UsageError(f"There are {counts}: send a caption for each picture, in the same order.")
        pairs = [_pair(item, caption) for item, caption in zip(question.pictures, several, strict=True)]
        scores, encoder = self._service.answer_pairs(question, pairs)
        return describe_pairs(scores, encoder, question.options, time.perf_counter() - start)

    def models(self) -> ModelList:
        """List the models that can be chosen, with published accuracies, and which of them are in memory.

        Returns:
            models (name, hub_id, family, licence, width, imagenet, coco, loaded), auto, what "auto" stands for here,
            and judges (name, hub_id, revision, licence, size, needs_gpu), who can be asked for a second opinion.
        """
        return describe_models(self._service)

    def search(
        self,
        collection: str,
        caption: str = "",
        like: str = "",
        top: int = 20,
        path: str = "",
        after: str = "",
        before: str = "",
    ) -> Found:
        """Find the pictures of this server's collections that fit a caption best, or are most like one of them.

        Parameters:
            collection: A name from /collections, or a pattern of names, * for all: they are ranked together.
            caption: What the pictures should show; leave it out to find more like one of them.
            like: The name of a picture in the collection, as a search gives it.
            top: How many, 1 to 100.
            path: Only paths that fit this pattern: * and ? as in a shell.
            after: Only files last written then or later, such as 2026-03-31.
            before: Only files last written before.

        Returns:
            collection, pictures (how many it has), caption, like, model, scores (name, rank, cosine, percentile,
            verdict, notes, seen, size, file_size, mtime, thumbnail, a JPEG in a data: address, and collection), notes.
        """
        found = self._collections.search(collection or "", caption, like, top, path=path, after=after, before=before)
        return describe_found(found)

    def collections(self) -> CollectionList:
        """List the collections that this server was started with.

        Returns:
            collections: name, pictures and model of each.
        """
        return list_collections(self._collections)

    def add_to(self, page: gr.Blocks, queued: dict[str, Any]) -> None:
        """Add the endpoints to a page that is being laid out; those that run a model wait in the queue `queued`."""
        aside = {"queue": False}
        endpoints: list[tuple[Callable[..., Any], str, dict[str, Any]]] = [
            (self.similarity, "Result", queued),
            (self.models, "Models", aside),
            (self.captions, "Captions by pictures", queued),
            (self.check, "Check list", queued),
            (self.compare, "Comparison", queued),
            (self.pairs, "Pairs", queued),
            (self.search, "Found", queued),
            (self.collections, "Collections", aside),
        ]
        for method, label, waiting in endpoints:
            dependency = add_endpoint(self._serve(method), api_name=method.__name__, **waiting)
            added: Any = page.fns[dependency["id"]]
            # gradio numbers the values and leaves the answer untyped
            for parameter, component in zip(inspect.signature(method).parameters, added.inputs, strict=True):
                component.label = _LABELS.get(parameter, parameter.capitalize())
                if parameter in ("model", "other"):
                    component._api_info = {"type": "string", "enum": model_names()}
                if parameter == "second_opinion":
                    component._api_info = {"type": "string", "enum": ["", *judge_names()]}
            (answer,) = added.outputs
            answer.label, answer._api_info = label, describe_answer(method.__name__)

    def _serve(self, method: Callable[..., Record]) -> Callable[..., Any]:
        """Return the endpoint: an answer is plain data, or JSON for an MCP tool: gradio would write it as Python."""

        @wraps(method)
        def answer(*values: Any) -> dict[str, Any] | str:
            with sentences():
                plain = self.answer(method, inspect.signature(method).bind(*values).arguments)
            return json.dumps(plain, ensure_ascii=False) if is_from_agent() else plain

        return answer

    def endpoints(self) -> dict[str, Callable[..., Record]]:
        """Return the endpoints by name."""
        asking = (self.similarity, self.models, self.captions, self.check, self.compare, self.pairs)
        methods = (*asking, self.search, self.collections)
        return {method.__name__: method for method in methods}

    def answer(self, method: Callable[..., Record], given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an endpoint answers to the values of its parameters, as plain data; raise a `ClipsimError`."""
        hints = get_type_hints(method)
        _check_types(given, hints)
        self._service.check_texts(*(value for name, value in given.items() if _is_text(name, hints[name])))
        return method(**given).to_dict() | {"api_version": API_VERSION, "request_id": current_request_id()}

    def _ask_opinion(self, question: Question, judge: str | None, opinions: float | None) -> Question:
        """Return the question with a second opinion, checked; those of folders are for those who run the server."""
        count, most = OPINIONS if opinions is None else opinions, self._service.limits.images
        if not 1 <= count <= most:  # not a number is neither
            raise UsageError(f"A second opinion on {count} pictures cannot be had: ask for 1 to {most}.")
        if not judge:
            return question
        if judge not in (known := judge_names()):
            raise ChoiceError("second_opinion", judge, known)
        if question.reference is not None:
            raise UsageError("With a reference image there is no caption: leave second_opinion out.")
        return replace(question, second_opinion=judge, opinions=int(count))

    def _ask(self, pictures: Any, captions: list[Any], models: list[Any], *options: Any) -> Question:
        """Check what a stranger sent. Folders and other repositories as models are for those who run the server."""
        items = [self._service.receive(sent) for sent in (pictures if isinstance(pictures, list) else [pictures])]
        if not all(isinstance(caption, str | None) for caption in captions):
            raise CaptionError("The caption is not text: send a string.")
        known = model_names()
        for unknown in (model for model in models if model not in known):
            raise ChoiceError("model", unknown, known)
        return Question(items, captions[0] if captions else None, None, models[0], Options(*options))


def _pair(item: Item, caption: str) -> Pair:
    """Make a pair of a picture that `Service.receive` gave."""
    source, name = item if isinstance(item, tuple) else (item, "")
    return Pair(source, caption, name)


def _check_types(values: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    """Raise a `UsageError` that names the first value of another type than its parameter's; null is one left out."""
    for name, value in values.items():
        kinds, words = _KINDS.get(str if _is_text(name, hints[name]) else hints[name], (object, ""))
        if not isinstance(value, kinds) or (isinstance(value, bool) and hints[name] is int):
            raise UsageError(f"The value of {name} is not {words}: see the API page.")


def _is_text(name: str, hint: Any) -> bool:
    """Return whether a parameter takes a text that is no caption, or one of several names."""
    return name != "caption" and (hint is str or get_origin(hint) is Literal)
