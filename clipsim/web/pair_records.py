"""What the endpoint for pairs answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from clipsim.embedding import Rejected
from clipsim.encoders import Encoder
from clipsim.options import Options
from clipsim.pairs import PairScore
from clipsim.scoring import MATCH, Record, resolve_precision


@dataclass(frozen=True)
class PairRow:
    """How well one picture and its own caption fit.

    Attributes:
        row: their place in the request, from 1.
        name: the picture.
        caption: without white space around it.
        cosine: of the picture's vector and the caption's, -1 to 1.
        clipscore: as published, 0 to 2.5; None outside the CLIP family.
        percentile: of how many unrelated captions in a hundred this one fits the picture better, 0 to 100.
        verdict: "match", "weak", "not recognised" or "no match"; None where the model has no cut-offs.
        rank: of the caption among the `among` others of the request that are most like it; 1 fits the picture best,
            None without any.
        among: how many others these are.
        better_caption: the caption of the request that fits the picture better; "" if there is none.
        better_percentile: the percentile of that caption, as of the best of many; None if there is none.
        unread: the end of the caption that the model does not read.
    """

    row: int
    name: str
    caption: str
    cosine: float
    clipscore: float | None
    percentile: float
    verdict: str | None
    rank: int | None
    among: int
    better_caption: str
    better_percentile: float | None
    unread: str


@dataclass(frozen=True)
class PairTable(Record):
    """Pictures, each with a caption of its own.

    Attributes:
        scores: the pairs that could be scored, in the order in which they were given.
        matches: the share of these that are a match, 0 to 1; None where the model has no cut-offs.
        model: name of the encoder.
        device: where it ran.
        rejected: pictures or captions that could not be scored.
        notes: what a reader of these scores must know, such as that the model is a stand-in.
        seconds: from the call to the answer.
        options: how pictures and captions were put to the model.
    """

    scores: tuple[PairRow, ...]
    matches: float | None
    model: str
    device: str
    rejected: tuple[Rejected, ...]
    notes: tuple[str, ...]
    seconds: float
    options: Options


def describe_pairs(scores: Sequence[PairScore], encoder: Encoder, options: Options, seconds: float) -> PairTable:
    """Return scored pairs as programs take them."""
    names = [one.name for one in fields(PairRow)]
    rows = tuple(PairRow(*(getattr(one, name) for name in names)) for one in scores if not one.rejected)
    verdicts = [row.verdict for row in rows if row.verdict]
    return PairTable(
        scores=rows,
        matches=verdicts.count(MATCH) / len(verdicts) if verdicts else None,
        model=encoder.name,
        device=encoder.device,
        rejected=tuple(Rejected(one.name, one.rejected) for one in scores if one.rejected),
        notes=encoder.notes,
        seconds=seconds,
        options=resolve_precision(options, encoder),
    )
