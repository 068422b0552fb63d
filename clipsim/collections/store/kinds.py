"""The kinds of index, and which one suits how many pictures."""

from __future__ import annotations

from dataclasses import dataclass

EXACT, PQ, IVF_PQ = "exact", "pq", "ivf-pq"


@dataclass(frozen=True)
class Kind:
    """A kind of index.

    Attributes:
        up_to: largest number of pictures for which it is chosen.
        candidates: how many are re-scored for ten hits.
        lists: of the inverted file; 0 without one.
        probes: lists that are searched.
    """

    up_to: float
    candidates: int = 0
    lists: int = 0
    probes: int = 0


KINDS = {  # as measured by `python -m benchmarks.performance.index`
    EXACT: Kind(up_to=1_000_000),
    PQ: Kind(up_to=10_000_000, candidates=250),
    IVF_PQ: Kind(up_to=float("inf"), candidates=600, lists=4096, probes=64),
}


def choose_kind(rows: int) -> str:
    """Return the kind of index for so many pictures, a key of `KINDS`."""
    return next(name for name, kind in KINDS.items() if rows <= kind.up_to)
