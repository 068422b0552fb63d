"""Arithmetic on unit vectors, and the one function that joins the stages: `score_images`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clipsim import words as wording
from clipsim.calibration import bank, calibration, percentiles
from clipsim.encoders import Encoder
from clipsim.errors import CaptionError, ImageError
from clipsim.framing import check_treatment, thumbnail
from clipsim.gallery import Gallery, Item, Progress, Rejected, embed, gathered, unit_mean
from clipsim.heatmaps import Heatmap, heatmaps
from clipsim.images import Source
from clipsim.prompting import PROMPTS, check_prompt, encode_captions


@dataclass(frozen=True)
class Score:
    """How well one picture fits.

    Attributes:
        name: the picture.
        rank: 1 is the best; equal cosines keep the order in which the pictures were given.
        cosine: cosine of the picture's vector and the caption's (or the reference image's), -1 to 1.
        clipscore: `clipscore(cosine)`, 0 to 2.5; None outside the CLIP family and for image-image scores.
        share: of these pictures, which one: softmax over the request, 0 to 1; None if there is only one picture.
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
    check_treatment(framing, contrast)
    check_prompt(prompt)
    sources = gathered(images)
    treatment = {"framing": framing, "contrast": contrast}
    if reference is None:
        caption = clean_caption(caption)
        anchor, targets = None, encode_captions([caption], encoder, prompt)
        notes = caption_notes(caption, encoder, prompt)
    else:
        if caption and caption.strip():
            raise CaptionError("There are both a caption and a reference image: give one of them.")
        caption, notes = None, []
        anchor, targets = _reference(reference, encoder, treatment)
    keep = heatmap or thumbnails
    gallery = embed(sources, encoder, framing=framing, contrast=contrast, progress=progress, keep_looks=keep)
    cosine = gallery.cosines(targets).max(axis=1)
    columns = {"cosine": cosine.tolist(), **_described(gallery)}
    asked: list[str] | None = None
    verdict = None
    if caption is not None:
        unrelated = gallery.cosines(bank(encoder, prompt).vectors)
        strength, verdict = _strength(cosine, unrelated, targets, encoder, prompt)
        columns |= strength
        if words:
            asked, added, said = _words(caption, gallery, columns, unrelated, encoder, prompt)
            columns |= added
            notes += said
    if heatmap:
        columns["heatmap"] = heatmaps(gallery.pictures, encoder, unit_mean(targets)[0])
    if thumbnails:
        columns["thumbnail"] = [thumbnail(picture.looks) for picture in gallery.pictures]
    return Result(
        caption=caption,
        reference=anchor,
        model=encoder.name,
        device=encoder.device,
        scores=_ranked(columns, encoder, by_caption=caption is not None),
        rejected=gallery.rejected,
        notes=(*getattr(encoder, "notes", ()), *notes),
        seconds=time.perf_counter() - start,
        verdict=verdict,
        words=None if asked is None else tuple(asked),
        **treatment,
        prompt=prompt,
    )


def clipscore(cosine: float) -> float:
    """`2.5 * max(cosine, 0)`, in [0, 2.5] (Hessel et al. 2021, arXiv:2104.08718)."""
    return 2.5 * max(cosine, 0.0)


def shares(cosine: np.ndarray, logit_scale: float) -> np.ndarray:
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


def caption_notes(caption: str, encoder: Encoder, prompt: str = "as-written") -> list[str]:
    """What a reader must know of a caption: the words that the model does not read."""
    sentence = max(PROMPTS[prompt], key=len).replace("{}", caption)
    left_out = getattr(encoder, "words_cut", lambda _: "")(sentence)
    return [f"The caption is longer than the model reads; these words were left out: “{left_out}”"] if left_out else []


def _reference(item: Item, encoder: Encoder, treatment: dict[str, str]) -> tuple[str, np.ndarray]:
    """Name and vectors of the reference image, which is treated as the others are."""
    gallery = embed([item], encoder, framing=treatment["framing"], contrast=treatment["contrast"])
    for rejected in gallery.rejected:
        raise ImageError(rejected.name, rejected.reason)
    return gallery.pictures[0].name, gallery.vectors


def _described(gallery: Gallery) -> dict[str, list[Any]]:
    return {
        "name": [picture.name for picture in gallery.pictures],
        "notes": [picture.notes for picture in gallery.pictures],
        "seen": [picture.share for picture in gallery.pictures],
    }


def _strength(
    cosine: np.ndarray, unrelated: np.ndarray, target: np.ndarray, encoder: Encoder, prompt: str
) -> tuple[dict[str, list[Any]], str | None]:
    """Percentile and verdict of each picture, and the verdict on the gallery."""
    if not len(cosine):
        return {}, None
    known = calibration(encoder)
    percent = percentiles(cosine[:, None], target, unrelated, bank(encoder, prompt), known)[:, 0]
    if known is None:
        return {"percentile": percent.tolist()}, None
    whole, each = known.cutoffs.verdicts(percent)
    return {"percentile": percent.tolist(), "verdict": each}, whole


def _words(
    caption: str, gallery: Gallery, so_far: dict[str, list[Any]], unrelated: np.ndarray, encoder: Encoder, prompt: str
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
    unread = wording.bag_of_words(cosine, of_shuffled, unrelated.mean(axis=1), percent)
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
