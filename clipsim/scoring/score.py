"""The functions that join the stages, from pictures and a caption to scores: `score`, `score_images`, `score_each`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Unpack

import numpy as np
import scipy  # its parts load when they are used

from clipsim.embedding import (
    Gallery,
    Progress,
    Rejected,
    collect_sources,
    draw_thumbnail,
    embed,
    name_sources,
    stream,
    unit_mean,
)
from clipsim.encoders import Encoder, load
from clipsim.errors import ImageError, UsageError
from clipsim.images import ImageInput, Images, Source
from clipsim.judges import Judge
from clipsim.options import Choices, Options, Precision
from clipsim.scoring.captions import check_order, check_query, note_caption, resolve_precision
from clipsim.scoring.clipscore import clipscore, encode_for_scores
from clipsim.scoring.combining import Parts, encode_parts, judge_parts
from clipsim.scoring.heatmaps import compute_heatmaps
from clipsim.scoring.judge import Judgement, judge
from clipsim.scoring.mirroring import mirror, note_mirrored
from clipsim.scoring.results import PartScore, Result, Score
from clipsim.scoring.second_opinion import OPINIONS, ask_again, check_opinion, find_judge
from clipsim.scoring.words import WordScores, measure_words, measure_words_of_parts


class ScoreKeywords(Choices, total=False):
    """What may be given to `score_images` by name; any of it may be left out."""

    reference: ImageInput | None
    options: Options
    words: bool
    heatmap: bool
    thumbnails: bool
    checks: bool
    second_opinion: str | Judge | None
    opinions: int
    progress: Progress | None


def score(
    images: Images,
    caption: str | None = None,
    *,
    model: str = "auto",
    device: str = "auto",
    **keywords: Unpack[ScoreKeywords],
) -> Result:
    """Score every picture against one caption, or one reference image, by a model that is loaded once in a process.

    `model`, `device` and the keyword `precision` are those of `clipsim.load`, all others those of
    `clipsim.score_images`; both say what is raised. A line on stderr tells when the model is the stand-in.
    """
    check_order(images, caption)
    check_query(caption, keywords.get("reference"))
    precision = keywords.get("precision", keywords.get("options", Options()).precision)
    sources = collect_sources(images)  # before the model: a missing picture is told at once
    return score_images(sources, caption, _load_once(model, device, precision), **keywords)


@cache  # the one memo of the process: who writes `score` twice must not wait for the weights twice
def _load_once(model: str, device: str, precision: Precision) -> Encoder:
    encoder = load(model, device, precision)
    if encoder.family == "stand-in":
        print(f"clipsim: {encoder.notes[0]}", file=sys.stderr)
    return encoder


def score_images(
    images: Images,
    caption: str | None,
    encoder: Encoder,
    *,
    reference: ImageInput | None = None,
    options: Options = Options(),
    words: bool = False,
    heatmap: bool = False,
    thumbnails: bool = False,
    checks: bool = False,
    second_opinion: str | Judge | None = None,
    opinions: int = OPINIONS,
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> Result:
    """Score every picture against one caption, or against one reference image.

    Args:
        images: a folder, a glob pattern, a path, bytes, a PIL image, a uint8 array of shape (height, width, 3), or an
            iterable of these and of `(image, name)` pairs. A picture without a name gets its file's name, or "image N"
            by its place, counted from 1.
        caption: what the pictures should show; None or "" with `reference`.
        encoder: from `clipsim.load()`.
        reference: an image to compare with instead of a caption.
        options: how pictures and caption are put to the model.
        choices: fields of `options`, which they replace: framing, contrast, prompt.
        words: whether to say what each word adds.
        heatmap: whether to say where in each picture the caption finds its support.
        thumbnails: whether to return what went into the model.
        checks: whether to score each picture mirrored too, and note where the model may have read writing in it; not
            with a reference.
        second_opinion: a judge to ask of the best pictures too, from `clipsim.load_judge()` or by its name there.
        opinions: how many pictures it is asked of.
        progress: called with (pictures done, pictures in all), then with (opinions done, opinions in all).

    Returns:
        A `Result`. Pictures that cannot be read are under `rejected` and do not cost the others; a judge that cannot be
        had is a note.

    Raises:
        CaptionError: the caption is empty or not valid text, or there are both a caption and a reference.
        UsageError: a choice is not known, or arguments are in the wrong place.
        ImageError: the reference cannot be read, or nothing is where the images should be.
        ClipsimError: there are no pictures.
        EncoderError: the model cannot be loaded.
    """
    start = time.perf_counter()
    options = options.replace(**choices)
    if isinstance(images, str | Path):  # of a list the caption is not looked for on the disk, as a server needs it
        check_order(images, caption)
    check_opinion(second_opinion, opinions, reference is None)
    sources, pictures = _remember(collect_sources(images))
    query = _encode_query(caption, reference, encoder, options)
    extras = _Extras(words, heatmap, thumbnails, checks and query.caption is not None)
    gallery = embed(sources, encoder, options, progress=progress, keep_views=extras.need_views)
    result = replace(_make_result(gallery, query, encoder, options, extras), pictures=pictures)
    if second_opinion is not None:
        result = ask_again(result, lambda: find_judge(second_opinion, encoder), opinions=opinions, progress=progress)
    return replace(result, seconds=time.perf_counter() - start)


def score_each(
    images: Images,
    caption: str | None,
    encoder: Encoder,
    *,
    reference: ImageInput | None = None,
    options: Options = Options(),
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> Iterator[Score | Rejected]:
    """Score pictures one by one, in their order, as they are done: `images` may be an iterator without an end.

    What needs all of them is left out: rank, share, and the verdict's correction for chance among many. A few dozen
    pictures are held at once, however many there are. The arguments and what is raised are those of `score_images`.
    """
    options = options.replace(**choices)
    query = _encode_query(caption, reference, encoder, options)
    for one in stream(images, encoder, options, progress=progress):
        if isinstance(one, Rejected):
            yield one
        else:
            alone = Gallery((one.info,), one.vectors, np.zeros(1, int), ())
            yield from _score(alone, query, encoder, options, among=None)[0]


def softmax_share(cosine: np.ndarray, logit_scale: float) -> np.ndarray:
    """Softmax of `logit_scale * cosine` over the pictures of one request: shape (n,), positive, sums to 1."""
    share: np.ndarray = scipy.special.softmax(logit_scale * cosine.astype(np.float64))
    return share


@dataclass(frozen=True)
class _Query:
    """What the pictures are compared with: a caption or the name of a reference image, its vectors, and notes on it.

    `for_clipscore` is the caption's vector as CLIPScore reads it, shape (1, d); None where that is not defined. `parts`
    are those of the caption, None if it is plain; `targets` is their sum then.
    """

    caption: str | None
    reference: str | None
    targets: np.ndarray
    notes: tuple[str, ...] = ()
    for_clipscore: np.ndarray | None = None
    parts: Parts | None = None

    @property
    def target(self) -> np.ndarray:
        """What maps are made for: shape (d,), unit-length or zero."""
        return self.targets[0] if self.parts else unit_mean(self.targets)


def _encode_query(caption: str | None, reference: ImageInput | None, encoder: Encoder, options: Options) -> _Query:
    if not isinstance(encoder, Encoder):
        raise UsageError(f"The encoder is {encoder!r}: pass what clipsim.load returns, or use clipsim.score.")
    caption = check_query(caption, reference)
    if caption is not None:
        notes = note_caption(caption, encoder, options.prompt)
        targets, for_clipscore = encode_for_scores(caption, encoder, options.prompt)
        parts = encode_parts(caption, encoder, options.prompt)
        return _Query(caption, None, parts.target if parts else targets, tuple(notes), for_clipscore, parts)
    assert reference is not None  # or there is a caption
    gallery = embed(name_sources([reference]), encoder, options)  # treated as the others are
    for rejected in gallery.rejected:
        raise ImageError(rejected.name, rejected.reason)
    return _Query(None, gallery.pictures[0].name, gallery.vectors)


def _remember(sources: Iterable[tuple[Source, str]]) -> tuple[Iterable[tuple[Source, str]], Mapping[str, Source]]:
    """Return the sources, and what each name stands for: of an iterator only paths, filled in while it runs."""
    if isinstance(sources, list):
        return sources, {name: source for source, name in sources}
    pictures: dict[str, Source] = {}

    def watch() -> Iterator[tuple[Source, str]]:
        for source, name in sources:
            if isinstance(source, str | Path):
                pictures[name] = source
            yield source, name

    return watch(), pictures


@dataclass(frozen=True)
class _Extras:
    """What is wanted beside the scores; the fields are arguments of `score_images`."""

    words: bool = False
    heatmap: bool = False
    thumbnails: bool = False
    checks: bool = False

    @property
    def need_views(self) -> bool:
        """Whether what went into the model has to be kept."""
        return self.heatmap or self.thumbnails or self.checks


def _make_result(gallery: Gallery, query: _Query, encoder: Encoder, options: Options, extras: _Extras) -> Result:
    """Score a gallery, and add what was requested; it is not said how long that took."""
    scores, judged = _score(gallery, query, encoder, options)
    of_words = WordScores(scores)
    if extras.words and query.caption is not None and judged is not None:
        if query.parts:
            of_words = measure_words_of_parts(scores, query.parts, gallery, encoder, options.prompt)
        else:
            of_words = measure_words(scores, query.caption, gallery, judged, encoder, options.prompt)
        scores = of_words.scores
    if extras.checks and judged is not None:
        scores = _check_mirrored(scores, gallery, query, judged, encoder, options)
    if extras.heatmap:
        maps = compute_heatmaps(gallery.pictures, encoder, query.target)
        scores = [replace(score, heatmap=one) for score, one in zip(scores, maps, strict=True)]
    if extras.thumbnails:
        small = [draw_thumbnail(picture.views) for picture in gallery.pictures]
        scores = [replace(score, thumbnail=one) for score, one in zip(scores, small, strict=True)]
    return Result(
        caption=query.caption,
        reference=query.reference,
        model=encoder.name,
        device=encoder.device,
        scores=_rank(scores, encoder.logit_scale, query.parts is not None),
        rejected=gallery.rejected,
        notes=(*encoder.notes, *query.notes, *of_words.notes),
        seconds=0.0,
        verdict=judged.answers[0] if judged and judged.answers else None,
        words=of_words.words,
        swapped=of_words.swapped,
        options=resolve_precision(options, encoder),
        parts=query.parts.parts if query.parts else None,
    )


def _check_mirrored(
    scores: list[Score], gallery: Gallery, query: _Query, judged: Judgement, encoder: Encoder, options: Options
) -> list[Score]:
    mirrored = mirror(gallery, encoder, options)
    cosines = mirrored.cosines(query.targets)[:, 0]
    if query.parts:
        cosines = query.parts.combine(mirrored.cosines(query.parts.vectors))
    plain = query.parts is None
    return note_mirrored(scores, cosines, judged.typical, query.caption or "", plain=plain)


def _score(
    gallery: Gallery, query: _Query, encoder: Encoder, options: Options, among: int | None = 0
) -> tuple[list[Score], Judgement | None]:
    """Return a score for each picture, in the gallery's order and without rank, and how a caption is judged."""
    judged, blank = None, [None] * len(gallery.pictures)
    parts: Iterable[tuple[PartScore, ...] | None] = blank
    if query.parts:
        cosines, judged, parts = vars(judge_parts(gallery, query.parts, encoder, options.prompt, among=among)).values()
    else:
        cosines = gallery.cosines(query.targets).max(axis=1)
        if query.caption is not None:
            captions = [query.caption]
            judged = judge(gallery, cosines[:, None], captions, query.targets, encoder, options.prompt, among=among)
    percentiles = judged.percentiles[:, 0].tolist() if judged else blank
    verdicts = judged.verdicts[0] if judged and judged.verdicts else blank
    own = None if query.caption is None or query.parts else encoder.probabilities(cosines)
    clipscores: Iterable[float | None] = blank
    if query.for_clipscore is not None:
        clipscores = map(clipscore, gallery.cosines(query.for_clipscore)[:, 0].tolist())
    scores = [
        Score(
            name=picture.name,
            rank=0,
            cosine=cosine,
            clipscore=by_clip,
            notes=picture.notes,
            percentile=percentile,
            verdict=verdict,
            probability=probability,
            seen=picture.coverage,
            parts=of_parts,
        )
        for picture, cosine, by_clip, percentile, verdict, probability, of_parts in zip(
            gallery.pictures,
            cosines.tolist(),
            clipscores,
            percentiles,
            verdicts,
            blank if own is None else own.tolist(),
            parts,
            strict=True,
        )
    ]
    return scores, judged


def _rank(scores: list[Score], logit_scale: float, in_parts: bool) -> tuple[Score, ...]:
    """Return the scores best first, with rank and share; equal cosines keep the order of input.

    Of a caption in parts the percentile decides, and there are no shares: pictures are not ranked by the cosine.
    """
    cosines = np.array([score.cosine for score in scores])
    share: list[float | None] = [None] * len(scores)
    if len(scores) > 1 and not in_parts:
        share = softmax_share(cosines, logit_scale).tolist()
    percentiles = np.array([score.percentile if in_parts else 0.0 for score in scores], float)
    order = np.lexsort((np.arange(len(scores)), -cosines, -percentiles))
    return tuple(replace(scores[i], rank=rank, share=share[i]) for rank, i in enumerate(order, 1))
