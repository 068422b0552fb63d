"""Files of pictures with their captions, in the layouts in which data sets come: the content tells which one it is."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from clipsim.errors import CaptionError
from clipsim.images import FILE_COLUMNS

CAPTION_COLUMNS = ("caption", "captions", "text", "title", "sentence", "description", "comment")
LABEL_COLUMNS = ("label", "labels", "class", "classname", "category", "species", "breed")
DELIMITERS = ",;\t|"
TOKEN = re.compile(r"(?P<file>[^\t]+)#\d+\t(?P<caption>.*)")
_LAYOUTS = "a CSV with the columns file and caption, COCO captions as JSON, or a Flickr8k token file"


@dataclass(frozen=True)
class Captioned:
    """A picture, by the name that the file of captions has for it, and one of its captions; "" where that is blank."""

    file: str
    caption: str


def read_captions(path: str | Path) -> list[Captioned]:
    """Read a CSV of file and caption, COCO captions (JSON) or a Flickr8k token file (`name.jpg#0<TAB>caption`).

    A CSV may part its columns by comma, semicolon, tab or |, and name them as `FILE_COLUMNS` and `CAPTION_COLUMNS`.
    Captions stand in the file's order; a picture may have several.

    Raises:
        CaptionError: the file cannot be read, is in none of these layouts, or has no captions.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaptionError(f"{path} is not text in UTF-8: give {_LAYOUTS}.") from error
    except (OSError, ValueError) as error:
        raise CaptionError(f"{path} cannot be read: give {_LAYOUTS}.") from error
    first = next((line for line in text.splitlines() if line.strip()), "")
    if first.lstrip().startswith(("{", "[")):
        pairs = _parse_coco(text, path)
    elif TOKEN.fullmatch(first):
        pairs = _parse_tokens(text, path)
    else:
        pairs = _parse_csv(text, path)
    captioned = [Captioned(file.strip(), " ".join(caption.split())) for file, caption in pairs]
    if not captioned:
        raise CaptionError(f"{path} has no captions: give {_LAYOUTS}.")
    return captioned


def read_labels(path: str | Path) -> list[Captioned] | None:
    """Read a CSV of file and label, with a label in place of each caption; None if the file is none.

    A CSV that has captions too is not one of labels.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except (OSError, ValueError):
        return None
    header = re.split(f"[{DELIMITERS}]", next((line for line in text.splitlines() if line.strip()), ""))
    names = {simplify_name(name) for name in header}
    if names.isdisjoint(LABEL_COLUMNS) or not names.isdisjoint(CAPTION_COLUMNS):
        return None
    return [Captioned(file.strip(), " ".join(label.split())) for file, label in _parse_csv(text, path, LABEL_COLUMNS)]


def simplify_name(name: str) -> str:
    """Return a column's name as `CAPTION_COLUMNS` and `FILE_COLUMNS` have it: "File_Name" is filename."""
    return re.sub(r"[\s_\-\"]", "", name).lower()


def _parse_tokens(text: str, path: str | Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        found = TOKEN.fullmatch(line)
        if found:
            yield found["file"], found["caption"]
        elif line.strip():
            raise CaptionError(
                f"Line {number} of {path} is not a picture#number, a tab and a caption, as the first is."
            )


def _parse_csv(text: str, path: str | Path, columns: tuple[str, ...] = CAPTION_COLUMNS) -> Iterator[tuple[str, str]]:
    for delimiter in DELIMITERS:
        rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        try:
            header = [simplify_name(name) for name in next((row for row in rows if row), [])]
            found = [[name for name in names if name in header] for names in (FILE_COLUMNS, columns)]
            if not all(found):
                continue
            file, caption = (header.index(names[0]) for names in found)
            for row in rows:
                if len(row) > max(file, caption):
                    yield row[file], row[caption]
                elif any(row):
                    flaw = "has fewer columns than the first: quote or complete it."
                    raise CaptionError(f"Line {rows.line_num} of {path} {flaw}")
            return
        except csv.Error as error:
            raise CaptionError(f"Line {rows.line_num} of {path} is not CSV ({error}): give {_LAYOUTS}.") from error
    raise CaptionError(f"{path} does not begin with the names of columns for files and captions: give {_LAYOUTS}.")


def _parse_coco(text: str, path: str | Path) -> Iterator[tuple[str, str]]:
    try:
        content = json.loads(text)
        files = {image["id"]: str(image["file_name"]) for image in content["images"]}
        yield from ((files[one["image_id"]], str(one["caption"])) for one in content["annotations"])
    except ValueError as error:
        raise CaptionError(f"{path} is not valid JSON ({error}): give {_LAYOUTS}.") from error
    except (KeyError, TypeError, RecursionError) as error:
        raise CaptionError(
            f"{path} is not COCO captions ({error} is missing or of another kind): it takes images with id and "
            "file_name, and annotations with image_id and caption."
        ) from error


def normalize_text(caption: str) -> str:
    """Return a caption without what two people who mean the same may write differently: case, spaces, a full stop."""
    return " ".join(caption.casefold().split()).rstrip(" .!")
