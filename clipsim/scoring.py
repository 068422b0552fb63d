"""Arithmetic on unit vectors, and the one function that joins the stages: `score_images`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from clipsim import words as wording
from clipsim.calibration import bank, calibration, percentiles
from clipsim.encoders import Encoder
from clipsim.errors import CaptionError, ImageError
from clipsim.framing import check_treatment, thumbnail
from clipsim.gallery import Gallery, Item, Progress, Rejected, embed, gathered, one_thread, stream, unit_mean
from clipsim.heatmaps import Heatmap, heatmaps
from clipsim.images import Source
from clipsim.prompting import PROMPTS, check_prompt, encode_captions

AT_ONCE = 500  # pictures whose cosines with all background captions are held at once


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
            for captions and pictures that fit everything (`clipsim.calibration`); None with a reference image.
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
        framing: how pictures were framed, a key of `clipsim.framing.FRAMINGS`.
        contrast: how contrast was treated, a key of `clipsim.framing.CONTRASTS`.
        prompt: how the caption was put to the model, a key of `clipsim.prompting.PROMPTS`.
        precision: "full" (float32) or "half", as `clipsim.load` explains them.
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
    framing: str = "crop"
    contrast: str = "as-is"
    prompt: str = "as-written"
    precision: str = "full"

    def to_dict(self) -> dict[str, Any]:
        """The same fields as plain dicts, lists, strings and numbers, ready for `json.dumps`."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))  # which makes lists of tuples
        return plain


def score_images(
    images: Iterable[Item] | Source,
    caption: str | None,
    encoder: Encoder,
    *,
    reference: Item | None = None,
    framing: str = "crop",
    contrast: str = "as-is",
    prompt: str = "as-written",
    words: bool = False,
    heatmap: bool = False,
    thumbnails: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Score every picture against one caption, or against one reference image.

    Args:
        images: paths, bytes, PIL images, or `(image, name)` pairs; or a single path, image or bytes. A picture without
            a name gets its file's name, or "image N" by its place, counted from 1.
        caption: what the pictures should show; None or "" with `reference`.
        encoder: from `clipsim.load()`.
        reference: an image to compare with instead of a caption.
        framing: "crop" (the model's own way), "pad" (all of the picture on a square), "tiles-best" or "tiles-mean"
            (overlapping squares, of which the best counts, or their mean).
        contrast: "as-is", or "auto" to stretch it to the full range first.
        prompt: "as-written", "photo" ("a photo of ..."), or "ensemble" (the mean of several such sentences).
        words: whether to say what each word adds.
        heatmap: whether to say where in each picture the caption finds its support.
        thumbnails: whether to return what went into the model.
        progress: called with (pictures done, pictures in all).

    Returns:
        A `Result`. Pictures that cannot be read are under `rejected` and do not cost the others.

    Raises:
        CaptionError: the caption is empty or not valid text, or there are both a caption and a reference.
        ImageError: the reference cannot be read.
        ClipsimError: there are no pictures, or a choice is not known.
        EncoderError: the model cannot be loaded.
    """
    start = time.perf_counter()
    sources = gathered(images)
    asked = _asked(caption, reference, encoder, framing, contrast, prompt)
    keep = heatmap or thumbnails
    gallery = embed(sources, encoder, framing=framing, contrast=contrast, progress=progress, keep_looks=keep)
    cosine = gallery.cosines(asked.targets).max(axis=1)
    columns = {"cosine": cosine.tolist(), **_described(gallery)}
    notes, verdict, split = asked.notes, None, None
    if asked.caption is not None:
        percent, typical = strength(gallery, cosine[:, None], asked.targets, encoder, prompt)
        columns["percentile"] = percent[:, 0].tolist()
        known = calibration(encoder)
        if known and len(cosine):
            verdict, columns["verdict"] = known.cutoffs.verdicts(percent[:, 0])
        if words:
            split, added, said = _words(asked.caption, gallery, columns, typical, encoder, prompt)
            columns |= added
            notes = [*notes, *said]
    if heatmap:
        columns["heatmap"] = heatmaps(gallery.pictures, encoder, unit_mean(asked.targets)[0])
    if thumbnails:
        columns["thumbnail"] = [thumbnail(picture.looks) for picture in gallery.pictures]
    return Result(
        caption=asked.caption,
        reference=asked.reference,
        model=encoder.name,
        device=encoder.device,
        scores=_ranked(columns, encoder, by_caption=asked.caption is not None),
        rejected=gallery.rejected,
        notes=(*getattr(encoder, "notes", ()), *notes),
        seconds=time.perf_counter() - start,
        verdict=verdict,
        words=None if split is None else tuple(split),
        framing=framing,
        contrast=contrast,
        prompt=prompt,
        precision=precision(encoder),
    )


def score_each(
    images: Iterable[Item] | Source,
    caption: str | None,
    encoder: Encoder,
    *,
    reference: Item | None = None,
    framing: str = "crop",
    contrast: str = "as-is",
    prompt: str = "as-written",
    progress: Progress | None = None,
) -> Iterator[Score | Rejected]:
    """Score pictures one by one, in their order, as they are done: `images` may be an iterator without an end.

    What needs all of them is left out: rank, share, and the verdict's correction for chance among many. A few dozen
    pictures are held at once, however many there are. The arguments and what is raised are those of `score_images`.
    """
    asked = _asked(caption, reference, encoder, framing, contrast, prompt)
    by_caption = asked.caption is not None
    known = calibration(encoder) if by_caption else None
    for found in stream(images, encoder, framing=framing, contrast=contrast, progress=progress):
        if isinstance(found, Rejected):
            yield found
            continue
        alone = Gallery((found.seen,), found.vectors, np.zeros(1, int), ())
        cosine = alone.cosines(asked.targets).max(axis=1)
        columns = {"cosine": cosine.tolist(), **_described(alone)}
        if by_caption:
            percent = strength(alone, cosine[:, None], asked.targets, encoder, prompt)[0][:, 0]
            columns["percentile"] = percent.tolist()
            if known:
                columns["verdict"] = [known.cutoffs.verdict(float(percent[0]))]
        (score,) = _ranked(columns, encoder, by_caption=by_caption)
        yield replace(score, rank=0)


def precision(encoder: Encoder) -> str:
    """What the encoder calculates in; "full" where it does not tell."""
    told: str = getattr(encoder, "precision", "full")
    return told


@dataclass(frozen=True)
class _Asked:
    """What the pictures are compared with: caption or name of the reference, its vectors, and what is to be said."""

    caption: str | None
    reference: str | None
    targets: np.ndarray
    notes: list[str]


def _asked(
    caption: str | None, reference: Item | None, encoder: Encoder, framing: str, contrast: str, prompt: str
) -> _Asked:
    check_treatment(framing, contrast)
    check_prompt(prompt)
    if reference is None:
        caption = clean_caption(caption)
        targets = encode_captions([caption], encoder, prompt)
        return _Asked(caption, None, targets, caption_notes(caption, encoder, prompt))
    if caption and caption.strip():
        raise CaptionError("There are both a caption and a reference image: give one of them.")
    name, targets = _reference(reference, encoder, framing, contrast)
    return _Asked(None, name, targets, [])


def clipscore(cosine: float) -> float:
    """`2.5 * max(cosine, 0)`, in [0, 2.5] (Hessel et al. 2021, arXiv:2104.08718)."""
    return 2.5 * max(cosine, 0.0)


def shares(cosine: np.ndarray, logit_scale: float) -> np.ndarray:
    """Softmax of `logit_scale * cosine` over the pictures of one request: shape (n,), positive, sums to 1."""
    from scipy.special import softmax

    share: np.ndarray = softmax(logit_scale * cosine.astype(np.float64))
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


def caption_notes(caption: str, encoder: Encoder, prompt: str = "as-written") -> list[str]:
    """What a reader must know of a caption: the words that the model does not read."""
    sentence = max(PROMPTS[prompt], key=len).replace("{}", caption)
    left_out = getattr(encoder, "words_cut", lambda _: "")(sentence)
    return [f"The caption is longer than the model reads; these words were left out: “{left_out}”"] if left_out else []


def _reference(item: Item, encoder: Encoder, framing: str, contrast: str) -> tuple[str, np.ndarray]:
    """Name and vectors of the reference image, which is treated as the others are."""
    gallery = embed([item], encoder, framing=framing, contrast=contrast)
    for rejected in gallery.rejected:
        raise ImageError(rejected.name, rejected.reason)
    return gallery.pictures[0].name, gallery.vectors


def _described(gallery: Gallery) -> dict[str, list[Any]]:
    return {
        "name": [picture.name for picture in gallery.pictures],
        "notes": [picture.notes for picture in gallery.pictures],
        "seen": [picture.share for picture in gallery.pictures],
    }


def strength(
    gallery: Gallery, cosine: np.ndarray, vectors: np.ndarray, encoder: Encoder, prompt: str
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile of each picture and caption, and each picture's mean cosine with unrelated captions.

    Args:
        gallery: n pictures.
        cosine: of picture i and caption j, shape (n, k).
        vectors: of the captions, shape (k, d).
        encoder, prompt: what made them.

    Returns:
        Arrays of shape (n, k), 0 to 100, and (n,).
    """
    percent, typical = np.zeros(cosine.shape), np.zeros(len(cosine))
    background, known = bank(encoder, prompt), calibration(encoder)
    with one_thread():
        for part, rows in gallery.parts(AT_ONCE):  # bounded, however many pictures there are
            unrelated = part.cosines(background.vectors)
            percent[rows] = percentiles(cosine[rows], vectors, unrelated, background, known)
            typical[rows] = unrelated.mean(axis=1)
    return percent, typical


def _words(
    caption: str, gallery: Gallery, so_far: dict[str, list[Any]], typical: np.ndarray, encoder: Encoder, prompt: str
) -> tuple[list[str] | None, dict[str, list[Any]], list[str]]:
    """The words, what each adds to each picture's cosine, and what is to be said of their order."""
    words = wording.split(caption)
    if len(words) > wording.MOST:
        return None, {}, [f"The caption has {len(words)} words; what each adds is said up to {wording.MOST}."]
    others, cosine = wording.shuffled(words), np.array(so_far["cosine"])
    parts = gallery.cosines(encode_captions([*wording.left_out(words), *others], encoder, prompt))
    added = cosine[:, None] - parts[:, : len(words)]
    columns: dict[str, list[Any]] = {"words": [tuple(row) for row in added.tolist()]}
    if not others or not len(cosine):
        return words, columns, []
    of_shuffled = parts[:, len(words) :]
    columns["shuffled"] = of_shuffled.mean(axis=1).tolist()
    percent = np.array(so_far["percentile"])
    unread = wording.bag_of_words(cosine, of_shuffled, typical, percent)
    return words, columns, [wording.UNREAD] if unread else []


def _ranked(columns: dict[str, list[Any]], encoder: Encoder, *, by_caption: bool) -> tuple[Score, ...]:
    cosine = np.array(columns["cosine"])
    if not len(cosine):
        return ()
    if len(cosine) > 1:
        columns["share"] = shares(cosine, encoder.logit_scale).tolist()
    if by_caption and getattr(encoder, "family", "") == "clip":
        columns["clipscore"] = [clipscore(one) for one in columns["cosine"]]
    order = np.argsort(-cosine, kind="stable")  # stable: ties keep the order of input
    return tuple(
        Score(rank=rank, **{field: values[i] for field, values in columns.items()}) for rank, i in enumerate(order, 1)
    )
