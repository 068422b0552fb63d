"""Several at once: several captions against one gallery, or several models on the same gallery and caption."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clipsim.calibration import calibration
from clipsim.encoders import Encoder
from clipsim.errors import CaptionError, ClipsimError
from clipsim.framing import check_treatment
from clipsim.gallery import Item, Progress, Rejected, embed, gathered
from clipsim.images import Source
from clipsim.prompting import check_prompt, encode_captions
from clipsim.scoring import Result, caption_notes, clean_caption, precision, score_images, strength


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
        model, device, rejected, notes, seconds, framing, contrast, prompt, precision: as in `Result`.
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
    framing: str
    contrast: str
    prompt: str
    precision: str = "full"

    def to_dict(self) -> dict[str, Any]:
        """The same fields as plain dicts, lists, strings and numbers, ready for `json.dumps`."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


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
    framing: str = "crop",
    contrast: str = "as-is",
    prompt: str = "as-written",
    progress: Progress | None = None,
) -> CaptionTable:
    """Score every picture against every caption.

    Args:
        captions: what the pictures might show; one that comes twice counts once.
        images, encoder, framing, contrast, prompt, progress: as `clipsim.score_images` takes them.

    Raises:
        CaptionError: there are no captions, or one is empty or not valid text.
        ClipsimError: there are no pictures, or a choice is not known.
        EncoderError: the model cannot be loaded.
    """
    start = time.perf_counter()
    check_treatment(framing, contrast)
    check_prompt(prompt)
    sources = gathered(images)
    asked = list(dict.fromkeys(clean_caption(caption) for caption in captions))
    if not asked:
        raise CaptionError("There are no captions: write one a line.")
    vectors = encode_captions(asked, encoder, prompt)
    gallery = embed(sources, encoder, framing=framing, contrast=contrast, progress=progress)
    cosine = gallery.cosines(vectors)
    percent, _ = strength(gallery, cosine, vectors, encoder, prompt)
    known = calibration(encoder)
    judged = [known.cutoffs.verdicts(row) for row in percent.T] if known and gallery.pictures else []
    names = tuple(picture.name for picture in gallery.pictures)
    return CaptionTable(
        captions=tuple(asked),
        pictures=names,
        cosines=_rows(cosine),
        percentiles=_rows(percent),
        verdicts=tuple(tuple(each) for _, each in judged) if judged else None,
        best_pictures=tuple(names[i] for i in cosine.argmax(axis=0)) if names else (),
        best_captions=tuple(asked[i] for i in percent.argmax(axis=1)),
        answers=tuple(whole for whole, _ in judged) if judged else None,
        model=encoder.name,
        device=encoder.device,
        rejected=gallery.rejected,
        notes=(
            *getattr(encoder, "notes", ()),
            *(note for one in asked for note in caption_notes(one, encoder, prompt)),
        ),
        seconds=time.perf_counter() - start,
        framing=framing,
        contrast=contrast,
        prompt=prompt,
        precision=precision(encoder),
    )


def compare_models(
    images: Iterable[Item] | Source, caption: str, encoders: Sequence[Encoder], **choices: Any
) -> Comparison:
    """Score the same pictures and caption by several models.

    Args:
        images, caption: as `clipsim.score_images` takes them.
        encoders: two at least, of different names.
        choices: further arguments of `clipsim.score_images`.

    Raises:
        ClipsimError: there are fewer than two models, or what `clipsim.score_images` raises.
    """
    if len({encoder.name for encoder in encoders}) < max(2, len(encoders)):
        raise ClipsimError("The same model is there twice, or there is only one: choose two different ones.")
    sources = list(gathered(images))
    results = tuple(score_images(sources, caption, encoder, **choices) for encoder in encoders)
    ranks = [{score.name: score.rank for score in result.scores} for result in results]
    names = sorted(ranks[0], key=lambda name: sum(rank[name] for rank in ranks))
    return Comparison(results, tuple(names), _spearman(*([rank[name] for name in names] for rank in ranks[:2])))


def _rows(table: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """Picture by caption, turned into a row for each caption."""
    return tuple(tuple(row) for row in table.T.tolist())


def _spearman(first: list[int], second: list[int]) -> float | None:
    """Correlation of two rankings (Spearman 1904, Am. J. Psychol. 15, 72-101); None of fewer than three pictures."""
    from scipy.stats import spearmanr

    if len(first) < 3:
        return None
    return float(spearmanr(first, second).statistic)
