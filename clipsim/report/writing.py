"""How reports come into files: templates filled in, files written by their ending, and what a file is called."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clipsim.errors import ClipsimError
from clipsim.report.text import printable
from clipsim.scoring import Result

ENDINGS = (".html", ".png", ".pdf", ".svg")  # of what can be saved
LONGEST_NAME = 50  # letters of a caption: four bytes each at most, and file systems take 255


@cache
def _environment() -> Environment:
    options: dict[str, Any] = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    loader = PackageLoader("clipsim.report")
    return Environment(loader=loader, autoescape=True, finalize=_show, **options)


def _show(value: Any) -> Any:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def fill(template: str, **values: object) -> str:
    """Return a file of `templates/` with the values in it: escaped, and what cannot be printed written out."""
    return _environment().get_template(template).render(values)


def write_file(path: str | Path, makers: Mapping[str, Callable[[], bytes]]) -> None:
    """Write what the maker for the path's ending makes.

    Raises:
        ClipsimError: there is none for this ending, or the file cannot be written.
    """
    path = Path(path)
    make = makers.get(path.suffix.lower())
    if make is None:
        *others, last = makers
        raise ClipsimError(f"{path} does not end in {', '.join(others)} or {last}: give it such a name.")
    content = make()
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ClipsimError(f"{path} cannot be written ({error.strerror}): choose another place.") from error


def name_file(result: Result) -> str:
    """Return what a file with the result is called, without an ending: `clipsim-a-golden-retriever`."""
    asked = result.caption or "" if result.reference is None else f"like {PurePath(result.reference).stem}"
    letters = unicodedata.normalize("NFC", asked).lower()
    words = "".join(letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in letters).split()
    return "-".join(["clipsim", *words])[: len("clipsim-") + LONGEST_NAME].rstrip("-")
