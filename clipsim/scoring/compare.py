"""Several at once: several captions against one gallery, or several models on the same gallery and caption."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from clipsim.embedding.pipeline import Item, Progress, Rejected, collect_sources, embed
from clipsim.embedding.prompts import encode_captions
from clipsim.encoders.base import Encoder
from clipsim.errors import CaptionError, UsageError
from clipsim.images.reading import Source
from clipsim.options import Choices, Options
from clipsim.scoring.judge import judge
from clipsim.scoring.score import Result, caption_notes, clean_caption, options_used, score_images, to_plain


@dataclass(frozen=True)
class CaptionTable:
    """Several captions against one gallery. `[i][j]` is caption i with picture j.

    Attributes:
        captions: in the order in which they were given, stripped.
        pictures: names, in the order in which they were given.
        cosines: -1 to 1. Along a row they say which picture; down a column captions that fit everything lead.
        percentiles: 0 to 100, corrected for such captions: to be compared along rows and columns.
        verdicts: "match", "weak" or "no match"; None where the model has no cut-offs.
        best_pictures: for each caption the picture with the highest cosine; empty without pictures.
        best_captions: for each picture the caption with the highest percentile.
        answers: for each caption "match" or "nothing here matches"; None where the model has no cut-offs.
        model, device, rejected, notes, seconds, options: as in `Result`.
    """

    captions: tuple[str, ...]
    pictures: tuple[str, ...]
    cosines: tuple[tuple[float, ...], ...]
    percentiles: tuple[tuple[float, ...], ...]
    verdicts: tuple[tuple[str, ...], ...] | None
    best_pictures: tuple[str, ...]
    best_captions: tuple[str, ...]
    answers: tuple[str, ...] | None
    model: str
    device: str
    rejected: tuple[Rejected, ...]
    notes: tuple[str, ...]
    seconds: float
    options: Options

    def to_dict(self) -> dict[str, Any]:
        """Return the same fields as plain dicts, lists, strings and numbers, the options among them by name."""
        return to_plain(self)


@dataclass(frozen=True)
class Comparison:
    """The same gallery and caption by several models. Their cosines have different ranges and are not to be compared.

    Attributes:
        results: one for each model, in the order in which they were given.
        pictures: names, by mean rank, best first.
        agreement: Spearman's rank correlation of the first two models, -1 to 1; None with fewer than three pictures.
    """

    results: tuple[Result, ...]
    pictures: tuple[str, ...]
    agreement: float | None

    def to_dict(self) -> dict[str, Any]:
        """The same fields as plain dicts, lists, strings and numbers, ready for `json.dumps`."""
        return {
            "results": [result.to_dict() for result in self.results],
            "pictures": list(self.pictures),
            "agreement": self.agreement,
        }


def score_captions(
    images: Iterable[Item] | Source,
    captions: Iterable[str],
    encoder: Encoder,
    *,
    options: Options = Options(),
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> CaptionTable:
    """Score every picture against every caption.

    Args:
        captions: what the pictures might show; one that comes twice counts once.
        images, encoder, options, progress, choices: as `clipsim.score_images` takes them.

    Raises:
        CaptionError: there are no captions, or one is empty or not valid text.
        ClipsimError: there are no pictures, or a choice is not known.
        EncoderError: the model cannot be loaded.
    """
    start = time.perf_counter()
    options = options.replace(**choices)
    sources = collect_sources(images)
    asked = list(dict.fromkeys(clean_caption(caption) for caption in captions))
    if not asked:
        raise CaptionError("There are no captions: write one a line.")
    vectors = encode_captions(asked, encoder, options.prompt)
    gallery = embed(sources, encoder, options, progress=progress)
    cosines = gallery.cosines(vectors)
    judged = judge(gallery, cosines, vectors, encoder, options.prompt)
    names = tuple(picture.name for picture in gallery.pictures)
    return CaptionTable(
        captions=tuple(asked),
        pictures=names,
        cosines=_rows(cosines),
        percentiles=_rows(judged.percentiles),
        verdicts=judged.verdicts,
        best_pictures=tuple(names[i] for i in cosines.argmax(axis=0)) if names else (),
        best_captions=tuple(asked[i] for i in judged.percentiles.argmax(axis=1)),
        answers=judged.answers,
        model=encoder.name,
        device=encoder.device,
        rejected=gallery.rejected,
        notes=(*encoder.notes, *(note for one in asked for note in caption_notes(one, encoder, options.prompt))),
        seconds=time.perf_counter() - start,
        options=options_used(options, encoder),
    )


def compare_models(
    images: Iterable[Item] | Source,
    caption: str | None,
    encoders: Sequence[Encoder],
    *,
    reference: Item | None = None,
    options: Options = Options(),
    words: bool = False,
    heatmap: bool = False,
    thumbnails: bool = False,
    progress: Progress | None = None,
    **choices: Unpack[Choices],
) -> Comparison:
    """Score the same pictures and caption by several models.

    Args:
        encoders: two at least, of different names.
        images, caption, reference, options, words, heatmap, thumbnails, progress, choices: as `clipsim.score_images`
            takes them.

    Raises:
        ClipsimError: there are fewer than two models, or what `clipsim.score_images` raises.
    """
    if len({encoder.name for encoder in encoders}) < max(2, len(encoders)):
        raise UsageError("The same model is there twice, or there is only one: choose two different ones.")
    options, sources = options.replace(**choices), list(collect_sources(images))
    results = tuple(
        score_images(
            sources,
            caption,
            encoder,
            reference=reference,
            options=options,
            words=words,
            heatmap=heatmap,
            thumbnails=thumbnails,
            progress=progress,
        )
        for encoder in encoders
    )
    ranks = [{score.name: score.rank for score in result.scores} for result in results]
    names = sorted(ranks[0], key=lambda name: sum(rank[name] for rank in ranks))
    return Comparison(results, tuple(names), _spearman(*([rank[name] for name in names] for rank in ranks[:2])))


def _rows(table: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """Picture by caption, turned into a row for each caption."""
    return tuple(tuple(row) for row in table.T.tolist())


def _spearman(first: list[int], second: list[int]) -> float | None:
    """Correlation of two rankings without ties (Spearman 1904)."""
    if len(first) < 3:
        return None
    return float(np.corrcoef(first, second)[0, 1])
