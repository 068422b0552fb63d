"""What all readers share: where pictures lie, which columns name them, rows that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipsim.errors import CaptionError
from clipsim.evaluation import CAPTION_COLUMNS, simplify_name
from clipsim.images import COLUMNS, Source
from clipsim.pairs.pair import Pair

PICTURE_COLUMNS = (*COLUMNS, "jpg", "jpeg", "png", "webp", "img", "filenames", "bytes")
REFERENCE_COLUMNS = ("references", "refs")


@dataclass(frozen=True)
class Places:
    """Where to look.

    Attributes:
        images: the folder from which pictures are named.
        picture: the column that names them; None for the first of `PICTURE_COLUMNS`.
        caption: the column of captions; None for the first of `CAPTION_COLUMNS`.
        references: right captions by picture, by its name or that without its ending.
    """

    images: Path
    picture: str | None = None
    caption: str | None = None
    references: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def find(self, entry: str) -> Source | None:
        """Return the picture that an entry of a file names: a path from `images`, or an address; None for ""."""
        entry = entry.strip()
        if not entry:
            return None
        return entry if "://" in entry else self.images / entry.replace("\\", "/")

    def find_references(self, entry: str) -> tuple[str, ...]:
        """Return the right captions of the picture that an entry names; none where there are none."""
        path = Path(entry)
        return tuple(
            next((self.references[one] for one in (entry, path.name, path.stem) if one in self.references), ())
        )

    def make_pair(self, entry: str, caption: str, fields: Mapping[str, Any] | None = None) -> Pair:
        """Make the pair of a picture that an entry names."""
        return Pair(self.find(entry), caption, entry.strip(), self.find_references(entry), fields=fields or {})


def choose_columns(names: Sequence[str], places: Places, path: Path) -> tuple[str, str]:
    """Return the columns of pictures and of captions.

    Raises:
        CaptionError: there is none of a kind, or not the one that was asked for.
    """
    simple = {simplify_name(name): name for name in reversed(names)}
    chosen = []
    for asked, known, what, option in (
        (places.picture, PICTURE_COLUMNS, "pictures", "--picture-column"),
        (places.caption, CAPTION_COLUMNS, "captions", "--caption-column"),
    ):
        found = asked if asked is not None else next((simple[one] for one in known if one in simple), None)
        if found is None or found not in names:
            there = ", ".join(names) or "none"
            raise CaptionError(f"{path} has no column {asked or f'of {what}'}, but {there}: name it by {option}.")
        chosen.append(found)
    return chosen[0], chosen[1]


def make_broken(problem: str, name: str, fields: Mapping[str, Any] | None = None, caption: str = "") -> Pair:
    """Make a row that cannot be scored."""
    return Pair(None, caption, name, problem=problem, fields=fields or {})


def read_text_list(value: object) -> tuple[str, ...]:
    """Return the texts in a field that holds one or several."""
    if isinstance(value, str):
        return (value,) if value.strip() else ()
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, Sequence) else ()
