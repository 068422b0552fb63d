"""A picture with a caption of its own, and lists of them: what `score_pairs` reads."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from clipsim.errors import UsageError
from clipsim.images import Source, compute_digest

KEY_BYTES = 8  # of a digest that tells pictures, or captions, of one list apart: two of a million share one by 3e-8


@dataclass(frozen=True)
class Pair:
    """A row of a list: a picture, and the caption that is said to be its own.

    Attributes:
        picture: a path, an address, bytes or a PIL image; None where there is none, which `problem` says.
        caption: what the picture is said to show.
        name: what the picture is called; "" for its path or its place.
        references: captions of the picture that are known to be right, for RefCLIPScore.
        problem: why the row cannot be scored, if that is known already; it reads on from `name` as one sentence.
        fields: the row as it stood in its file, by column, without what `picture` holds already.
    """

    picture: Source | None
    caption: str
    name: str = ""
    references: tuple[str, ...] = ()
    problem: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def key(self) -> str:
        """What tells its picture from others before it is read."""
        match self.picture:
            case str() | Path():
                return str(self.picture)
            case bytes():
                return self.name or compute_digest(self.picture).hex()
        return self.name or str(id(self.picture))

    @property
    def size(self) -> int:
        """Bytes that the picture takes in memory."""
        if isinstance(self.picture, bytes):
            return len(self.picture)
        if self.picture is None or isinstance(self.picture, str | Path):
            return 0
        return self.picture.width * self.picture.height * 4


PairInput: TypeAlias = "Pair | tuple[Source, str]"


class PairList(ABC):
    """Rows that can be read more than once, in the same order; a file of them is never in memory as a whole.

    Attributes:
        columns: names of what `Pair.fields` holds, in order.
        schema: their types, where the file knows them; None where they are to be found out.
        binary: columns that hold pictures themselves, which only Parquet takes.
        files: what is read, so that a change of it is noticed.
    """

    columns: Sequence[str] = ()
    schema: pa.Schema | None = None
    binary: frozenset[str] = frozenset()
    files: Sequence[Path] = ()

    @abstractmethod
    def __iter__(self) -> Iterator[Pair]:
        """Read the rows."""

    def captions(self) -> Iterator[tuple[str, str]]:
        """Read the key of each picture (see `Pair.key`) and its caption, as cheaply as the file allows."""
        return ((pair.key, pair.caption) for pair in self if not pair.problem)


class PairsInMemory(PairList):
    """Pairs that a program gives, of any length that fits into memory."""

    columns = ("picture", "caption")

    def __init__(self, pairs: Iterable[PairInput]) -> None:
        """Take pairs, or tuples of picture and caption."""
        self._pairs = [to_pair(one) for one in pairs]

    def __iter__(self) -> Iterator[Pair]:
        """Return the pairs in their order."""
        return iter(self._pairs)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._pairs)


def to_pair(one: PairInput) -> Pair:
    """Return a pair, also of a tuple of picture and caption; a `UsageError` for anything else."""
    if isinstance(one, Pair):
        return one
    match one:
        case (picture, str(caption)):
            fields = {"picture": str(picture) if isinstance(picture, str | Path) else "", "caption": caption}
            return Pair(picture, caption, fields=fields)
    raise UsageError(f"{one!r:.80} is no pair: give a picture and its caption, (picture, caption).")


def make_key(text: str) -> bytes:
    """Return a digest of `KEY_BYTES`."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()
