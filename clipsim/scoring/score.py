"""Arithmetic on unit vectors, and the one function that joins the stages: `score_images`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Unpack

import numpy as np

from clipsim.embedding.framing import thumbnail
from clipsim.embedding.pipeline import Gallery, Item, Progress, Rejected, collect_sources, embed, stream, unit_mean
from clipsim.embedding.prompts import encode_captions
from clipsim.encoders.base import Encoder
from clipsim.errors import CaptionError, ImageError
from clipsim.images.reading import Source
from clipsim.options import PROMPTS, Choices, Options, Prompt
from clipsim.scoring import words as wording
from clipsim.scoring.heatmaps import Heatmap, heatmaps
from clipsim.scoring.judge import Judgement, judge, judge_alone


@dataclass(frozen=True)
class Score:
    """How well one picture fits.

    Attributes:
        name: the picture.
        rank: 1 is the best; equal cosines keep the order in which the pictures were given. 0 from `score_each`.
        cosine: cosine of the picture's vector and the caption's (or the reference image's), -1 to 1.
        clipscore: `clipscore(cosine)`, 0 to 2.5; None outside the CLIP family and for image-image scores.
        share: of these pictures, which one: softmax over the request, 0 to 1; None if there is only one picture, and
            from `score_each`.
        notes: what was done to the picture before the model saw it, in words.
        percentile: of how many unrelated captions in a hundred this one fits the picture better, 0 to 100, corrected
            for captions and pictures that fit everything (`clipsim.scoring.calibration`); None with a reference image.
        verdict: "match", "weak" or "no match"; None where the model has no cut-offs, and with a reference image.
        seen: how much of the picture the model saw, 0 to 1.
        words: what each word of `Result.words` adds to the cosine: the cosine less that without the word.
        shuffled: mean cosine of the same words in other orders; None unless words were asked for and there are three.
        heatmap: where in the picture the caption finds its support; None unless it was asked for.
        thumbnail: what went into the model, a data: address of a JPEG; None unless it was asked for.
    """

    name: str
    rank: int
    cosine: float
    clipscore: float | None = None
    share: float | None = None
    notes: tuple[str, ...] = ()
    percentile: float | None = None
    verdict: str | None = None
    seen: float = 1.0
    words: tuple[float, ...] | None = None
    shuffled: float | None = None
    heatmap: Heatmap | None = None
    thumbnail: str | None = None


@dataclass(frozen=True)
class Result:
    """What one request came to.

    Attributes:
        caption: the caption, stripped; None if the pictures were compared with a reference image.
        reference: the reference image's name; None if they were compared with a caption.
        model: name of the encoder.
        device: where it ran.
        scores: best first.
        rejected: pictures that could not be read.
        notes: what a reader of these scores must know: a stand-in model, words cut from the caption.
        seconds: from the call to the answer, loading of the weights included where they were not loaded yet.
        verdict: "match" or "nothing here matches"; None where the model has no cut-offs, and with a reference image.
        words: the caption's words, in the order of `Score.words`; None unless they were asked for.
        options: how pictures and caption were put to the model; precision is "full" or "half".
    """

    caption: str | None
    reference: str | None
    model: str
    device: str
    scores: tuple[Score, ...]
    rejected: tuple[Rejected, ...]
    notes: tuple[str, ...]
    seconds: float
    verdict: str | None = None
    words: tuple[str, ...] | None = None
    options: Options = Options(precision="full")

    def to_dict(self) -> dict[str, Any]:
        """Return the same fields as plain dicts, lists, strings and numbers, the options among them by name."""
        return to_plain(self)


def to_plain(record: Any) -> dict[str, Any]:
    """Return a dataclass as `json.dumps` takes it, the fields of its `options` among its own."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(record)))  # which makes lists of tuples
    options: dict[str, Any] = plain.pop("options")
    return plain | options


def score_images(
    images: Iterable[Item] | Source,
    caption: str | None,
    encoder: Encoder,
    *,
    reference: Item | None = None,
    options: Options = Options(),
    words: bool = False,
    heatmap: bool = False,
    thumbnails: bool = False,
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> Result:
    """Score every picture against one caption, or against one reference image.

    Args:
        images: paths, bytes, PIL images, or `(image, name)` pairs; or a single path, image or bytes. A picture without
            a name gets its file's name, or "image N" by its place, counted from 1.
        caption: what the pictures should show; None or "" with `reference`.
        encoder: from `clipsim.load()`.
        reference: an image to compare with instead of a caption.
        options: how pictures and caption are put to the model.
        words: whether to say what each word adds.
        heatmap: whether to say where in each picture the caption finds its support.
        thumbnails: whether to return what went into the model.
        progress: called with (pictures done, pictures in all).
        choices: fields of `options`, which they replace: framing, contrast, prompt.

    Returns:
        A `Result`. Pictures that cannot be read are under `rejected` and do not cost the others.

    Raises:
        CaptionError: the caption is empty or not valid text, or there are both a caption and a reference.
        ChoiceError: a choice is not known.
        ImageError: the reference cannot be read.
        ClipsimError: there are no pictures.
        EncoderError: the model cannot be loaded.
    """
    start = time.perf_counter()
    options = options.replace(**choices)
    sources = collect_sources(images)
    query = _query(caption, reference, encoder, options)
    gallery = embed(sources, encoder, options, progress=progress, keep_views=heatmap or thumbnails)
    cosines = gallery.cosines(query.targets).max(axis=1)
    scores, notes = _plain_scores(gallery, cosines, encoder, by_caption=query.caption is not None), list(query.notes)
    verdict = split = None
    if query.caption is not None:
        judged = judge(gallery, cosines[:, None], query.targets, encoder, options.prompt)
        verdict = judged.answers[0] if judged.answers else None
        scores = _with_judgement(scores, judged)
        if words:
            split, scores, more = _with_words(query.caption, gallery, scores, judged, encoder, options.prompt)
            notes += more
    if heatmap:
        maps = heatmaps(gallery.pictures, encoder, unit_mean(query.targets)[0])
        scores = [replace(score, heatmap=one) for score, one in zip(scores, maps, strict=True)]
    if thumbnails:
        looks = [picture.views for picture in gallery.pictures]
        scores = [replace(score, thumbnail=thumbnail(one)) for score, one in zip(scores, looks, strict=True)]
    return Result(
        caption=query.caption,
        reference=query.reference,
        model=encoder.name,
        device=encoder.device,
        scores=_ranked(scores, encoder.logit_scale),
        rejected=gallery.rejected,
        notes=(*encoder.notes, *notes),
        seconds=time.perf_counter() - start,
        verdict=verdict,
        words=split,
        options=options_used(options, encoder),
    )


def score_each(
    images: Iterable[Item] | Source,
    caption: str | None,
    encoder: Encoder,
    *,
    reference: Item | None = None,
    options: Options = Options(),
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> Iterator[Score | Rejected]:
    """Score pictures one by one, in their order, as they are done: `images` may be an iterator without an end.

    What needs all of them is left out: rank, share, and the verdict's correction for chance among many. A few dozen
    pictures are held at once, however many there are. The arguments and what is raised are those of `score_images`.
    """
    options = options.replace(**choices)
    query = _query(caption, reference, encoder, options)
    for found in stream(images, encoder, options, progress=progress):
        if isinstance(found, Rejected):
            yield found
            continue
        alone = Gallery((found.info,), found.vectors, np.zeros(1, int), ())
        cosines = alone.cosines(query.targets).max(axis=1)
        (score,) = _plain_scores(alone, cosines, encoder, by_caption=query.caption is not None)
        if query.caption is not None:
            percentile, verdict = judge_alone(alone, cosines[:, None], query.targets, encoder, options.prompt)
            score = replace(score, percentile=percentile, verdict=verdict)
        yield score


def options_used(options: Options, encoder: Encoder) -> Options:
    """Return the options with the precision that the encoder calculates in."""
    return options.replace(precision="half" if encoder.precision == "half" else "full")


@dataclass(frozen=True)
class _Query:
    """What the pictures are compared with: a caption or the name of a reference image, its vectors, and notes on it."""

    caption: str | None
    reference: str | None
    targets: np.ndarray
    notes: list[str]


def _query(caption: str | None, reference: Item | None, encoder: Encoder, options: Options) -> _Query:
    if reference is None:
        caption = clean_caption(caption)
        targets = encode_captions([caption], encoder, options.prompt)
        return _Query(caption, None, targets, caption_notes(caption, encoder, options.prompt))
    if caption and caption.strip():
        raise CaptionError("There are both a caption and a reference image: give one of them.")
    name, targets = _encode_reference(reference, encoder, options)
    return _Query(None, name, targets, [])


def clipscore(cosine: float) -> float:
    """`2.5 * max(cosine, 0)`, in [0, 2.5] (Hessel et al. 2021, arXiv:2104.08718)."""
    return 2.5 * max(cosine, 0.0)


def softmax_share(cosine: np.ndarray, logit_scale: float) -> np.ndarray:
    """Softmax of `logit_scale * cosine` over the pictures of one request: shape (n,), positive, sums to 1."""
    logits = logit_scale * cosine.astype(np.float64)
    weights = np.exp(logits - logits.max())
    share: np.ndarray = weights / weights.sum()
    return share


def clean_caption(caption: str | None) -> str:
    """The caption without white space around it.

    Raises:
        CaptionError: nothing is left, or it holds half of a surrogate pair, which no text encoding can express.
    """
    caption = (caption or "").strip()
    if not caption:
        raise CaptionError("The caption is empty: write what the pictures should show.")
    try:
        caption.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CaptionError("The caption holds a broken character: type it anew.") from error
    return caption


def caption_notes(caption: str, encoder: Encoder, prompt: Prompt = "as-written") -> list[str]:
    """What a reader must know of a caption: the words that the model does not read."""
    sentence = max(PROMPTS[prompt], key=len).replace("{}", caption)
    left_out = encoder.truncated_text(sentence)
    return [f"The caption is longer than the model reads; these words were left out: “{left_out}”"] if left_out else []


def _encode_reference(item: Item, encoder: Encoder, options: Options) -> tuple[str, np.ndarray]:
    """Return name and vectors of the reference image, which is treated as the others are."""
    gallery = embed([item], encoder, options)
    for rejected in gallery.rejected:
        raise ImageError(rejected.name, rejected.reason)
    return gallery.pictures[0].name, gallery.vectors


def _plain_scores(gallery: Gallery, cosines: np.ndarray, encoder: Encoder, *, by_caption: bool) -> list[Score]:
    """Return a score for each picture, in the gallery's order and without rank."""
    with_clipscore = by_caption and encoder.family == "clip"
    return [
        Score(
            name=picture.name,
            rank=0,
            cosine=cosine,
            clipscore=clipscore(cosine) if with_clipscore else None,
            notes=picture.notes,
            seen=picture.coverage,
        )
        for picture, cosine in zip(gallery.pictures, cosines.tolist(), strict=True)
    ]


def _with_judgement(scores: list[Score], judged: Judgement) -> list[Score]:
    verdicts = judged.verdicts[0] if judged.verdicts else [None] * len(scores)
    return [
        replace(score, percentile=percentile, verdict=verdict)
        for score, percentile, verdict in zip(scores, judged.percentiles[:, 0].tolist(), verdicts, strict=True)
    ]


def _with_words(
    caption: str, gallery: Gallery, scores: list[Score], judged: Judgement, encoder: Encoder, prompt: Prompt
) -> tuple[tuple[str, ...] | None, list[Score], list[str]]:
    """Return the words, the scores with what each word adds, and a note on their order if there is one."""
    words = wording.split(caption)
    if len(words) > wording.MOST:
        return None, scores, [f"The caption has {len(words)} words; what each adds is said up to {wording.MOST}."]
    others, cosines = wording.shuffled(words), np.array([score.cosine for score in scores])
    parts = gallery.cosines(encode_captions([*wording.left_out(words), *others], encoder, prompt))
    added = cosines[:, None] - parts[:, : len(words)]
    scores = [replace(score, words=tuple(row)) for score, row in zip(scores, added.tolist(), strict=True)]
    if not others or not scores:
        return tuple(words), scores, []
    of_shuffled = parts[:, len(words) :]
    means = of_shuffled.mean(axis=1).tolist()
    scores = [replace(score, shuffled=mean) for score, mean in zip(scores, means, strict=True)]
    unread = wording.bag_of_words(cosines, of_shuffled, judged.typical, judged.percentiles[:, 0])
    return tuple(words), scores, [wording.UNREAD] if unread else []


def _ranked(scores: list[Score], logit_scale: float) -> tuple[Score, ...]:
    """Return the scores best first, with rank and share; equal cosines keep the order of input."""
    cosines = np.array([score.cosine for score in scores])
    share = softmax_share(cosines, logit_scale).tolist() if len(scores) > 1 else [None] * len(scores)
    order = np.argsort(-cosines, kind="stable")
    return tuple(replace(scores[i], rank=rank, share=share[i]) for rank, i in enumerate(order, 1))
