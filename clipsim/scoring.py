"""Arithmetic on unit vectors, and the one function that joins the stages: `score_images`."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from clipsim.encoders import BATCH, Encoder
from clipsim.errors import CaptionError, ClipsimError, ImageError
from clipsim.images import Picture, Source, read

BATCH_PIXELS = 60_000_000  # decoded pictures held at once, about 180 MB of RGB
MOSTLY_CROPPED = 0.5  # below this share of the picture the crop is worth a note; a 3:2 photograph keeps 0.67

S = TypeVar("S", bound=Source)
Item = Source | tuple[Source, str]
Progress = Callable[[int, int], object]
_Described = tuple[str, tuple[str, ...]]  # a picture's name and notes, once its pixels are no longer needed


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
    """

    name: str
    rank: int
    cosine: float
    clipscore: float | None
    share: float | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rejected:
    """A picture that could not be scored, and why: `name` and `reason` read on as one sentence."""

    name: str
    reason: str


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
    """

    caption: str | None
    reference: str | None
    model: str
    device: str
    scores: tuple[Score, ...]
    rejected: tuple[Rejected, ...]
    notes: tuple[str, ...]
    seconds: float

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
    progress: Progress | None = None,
) -> Result:
    """Score every picture against one caption, or against one reference image.

    Args:
        images: paths, bytes, PIL images, or `(image, name)` pairs; or a single path, image or bytes. A picture without
            a name gets its file's name, or "image N" by its place, counted from 1.
        caption: what the pictures should show; None or "" with `reference`.
        encoder: from `clipsim.load()`.
        reference: an image to compare with instead of a caption.
        progress: called with (pictures done, pictures in all).

    Returns:
        A `Result`. Pictures that cannot be read are under `rejected` and do not cost the others.

    Raises:
        CaptionError: the caption is empty or not valid text, or there are both a caption and a reference.
        ImageError: the reference cannot be read.
        ClipsimError: there are no pictures.
        EncoderError: the model cannot be loaded.
    """
    start = time.perf_counter()
    sources = named([images] if isinstance(images, str | bytes | Path | Image.Image) else images)
    if not sources:
        raise ClipsimError("There are no pictures to score: add at least one.")
    if reference is None:
        caption = clean_caption(caption)
        target, notes = encoder.encode_texts([caption])[0], _caption_notes(caption, encoder)
        anchor = None
    else:
        if caption and caption.strip():
            raise CaptionError("There are both a caption and a reference image: give one of them.")
        ((source, anchor),) = named([reference])
        caption, notes = None, []
        target = encoder.encode_images([read(source, anchor).image])[0]
    pictures, vectors, rejected = _encode_all(sources, encoder, progress)
    return Result(
        caption=caption,
        reference=anchor,
        model=encoder.name,
        device=encoder.device,
        scores=_scores(pictures, cosines(vectors, target), encoder, by_caption=reference is None),
        rejected=tuple(rejected),
        notes=(*getattr(encoder, "notes", ()), *notes),
        seconds=time.perf_counter() - start,
    )


def cosines(vectors: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Cosine of each unit vector, shape (n, d), with one unit vector, shape (d,): shape (n,), each in [-1, 1]."""
    cosine: np.ndarray = np.clip(vectors @ target, -1.0, 1.0)
    return cosine


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


def named(items: Iterable[S | tuple[S, str]]) -> list[tuple[S, str]]:
    """Each item with a name that no other has: pictures that share one are told apart by a number."""
    pairs = [item if isinstance(item, tuple) else (item, _own_name(item, place)) for place, item in enumerate(items, 1)]
    seen: Counter[str] = Counter()
    taken = {name for _, name in pairs}
    named = []
    for source, name in pairs:
        seen[name] += 1
        unique = name
        while seen[name] > 1 and unique in taken:
            unique = f"{name} ({seen[name]})"
            seen[name] += unique in taken
        taken.add(unique)
        named.append((source, unique))
    return named


def _own_name(source: Source, place: int) -> str:
    return Path(source).name if isinstance(source, str | Path) else f"image {place}"


def _caption_notes(caption: str, encoder: Encoder) -> list[str]:
    left_out = getattr(encoder, "words_cut", lambda _: "")(caption)
    return [f"The caption is longer than the model reads; these words were left out: “{left_out}”"] if left_out else []


def _encode_all(
    sources: list[tuple[Source, str]], encoder: Encoder, progress: Progress | None
) -> tuple[list[_Described], np.ndarray, list[Rejected]]:
    described: list[_Described] = []
    rejected: list[Rejected] = []
    vectors = [np.zeros((0, encoder.width), np.float32)]
    for batch in _batches(_read_all(sources, rejected)):
        vectors.append(encoder.encode_images([picture.image for picture in batch]))
        described += [(picture.name, _picture_notes(picture, encoder)) for picture in batch]
        del batch  # or its pixels stay in memory while the next pictures are decoded
        if progress:
            progress(len(described) + len(rejected), len(sources))
    if progress and not described:
        progress(len(sources), len(sources))
    return described, np.concatenate(vectors), rejected


def _read_all(sources: list[tuple[Source, str]], rejected: list[Rejected]) -> Iterator[Picture]:
    for source, name in sources:
        try:
            yield read(source, name)
        except ImageError as error:
            rejected.append(Rejected(error.name, error.reason))


def _batches(pictures: Iterable[Picture]) -> Iterator[list[Picture]]:
    """Lists of at most `BATCH` pictures and, but for a single large one, `BATCH_PIXELS` pixels."""
    batch: list[Picture] = []
    pixels = 0
    for picture in pictures:
        size = picture.image.width * picture.image.height
        if batch and (len(batch) == BATCH or pixels + size > BATCH_PIXELS):
            yield batch
            batch, pixels = [], 0
        batch.append(picture)
        pixels += size
    if batch:
        yield batch


def _picture_notes(picture: Picture, encoder: Encoder) -> tuple[str, ...]:
    seen = getattr(encoder, "seen", lambda _: 1.0)(picture.image.size)
    return (*picture.notes, f"the model saw the middle {seen:.0%}") if seen < MOSTLY_CROPPED else picture.notes


def _scores(pictures: list[_Described], cosine: np.ndarray, encoder: Encoder, *, by_caption: bool) -> tuple[Score, ...]:
    if not pictures:
        return ()
    share = shares(cosine, encoder.logit_scale) if len(pictures) > 1 else None
    has_clipscore = by_caption and getattr(encoder, "family", "") == "clip"
    order = np.argsort(-cosine, kind="stable")  # stable: ties keep the order of input
    return tuple(
        Score(
            name=pictures[i][0],
            rank=rank,
            cosine=float(cosine[i]),
            clipscore=clipscore(float(cosine[i])) if has_clipscore else None,
            share=None if share is None else float(share[i]),
            notes=pictures[i][1],
        )
        for rank, i in enumerate(order, 1)
    )
