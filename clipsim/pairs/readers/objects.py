"""Lists that are one JSON document: COCO captions, the candidates of CLIPScore's own code, a list of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from clipsim.errors import CaptionError
from clipsim.images import collect_images
from clipsim.pairs.pair import Pair, PairList
from clipsim.pairs.readers.common import Places, choose_columns, make_broken, read_text_list
from clipsim.pairs.readers.lines import make_pairs

_KINDS = "COCO captions, an object of captions by picture, or a list of objects"


def read_json(path: Path) -> Any:
    """Read a JSON file; a `CaptionError` if it is none."""
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise CaptionError(f"{path} is not valid JSON ({error}): give {_KINDS}.") from error


def open_objects(path: Path, places: Places) -> PairList:
    """Open a JSON document, whose content tells which kind it is.

    Raises:
        CaptionError: it is of no such kind.
    """
    content = read_json(path)
    if isinstance(content, list):
        return ObjectPairs(path, places, content)
    if isinstance(content, dict) and "images" in content and "annotations" in content:
        return CocoPairs(path, places, content)
    if isinstance(content, dict) and content and all(isinstance(one, str | list) for one in content.values()):
        return CandidatePairs(path, places, content)
    raise CaptionError(f"{path} is of another kind: give {_KINDS}.")


def read_references(path: Path) -> dict[str, tuple[str, ...]]:
    """Read the right captions by picture, as CLIPScore's code takes them: an object of lists."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise CaptionError(f"{path} holds no references: give an object with a list of captions for each picture.")
    return {str(name): read_text_list(texts) for name, texts in content.items()}


@dataclass
class ObjectPairs(PairList):
    """A list of objects with a picture and a caption each."""

    path: Path
    places: Places
    content: list[Any]

    def __post_init__(self) -> None:
        """Find the columns."""
        self.files = (self.path,)
        names = (name for row in self.content if isinstance(row, Mapping) for name in row)
        self.columns = list(dict.fromkeys(names))
        self._picture, self._caption = choose_columns(self.columns, self.places, self.path)

    def __iter__(self) -> Iterator[Pair]:
        """Return the rows; of a list of captions each is a row."""
        for number, row in enumerate(self.content, 1):
            yield from make_pairs(row, f"object {number}", self._picture, self._caption, self.places)


@dataclass
class CocoPairs(PairList):
    """COCO captions: images with id and file_name, annotations with image_id and caption."""

    path: Path
    places: Places
    content: dict[str, Any]
    columns = ("id", "image_id", "file_name", "caption")
    schema = pa.schema([(name, pa.string()) for name in columns])

    def __post_init__(self) -> None:
        """Find the pictures; a `CaptionError` if some have no id or file name."""
        self.files = (self.path,)
        try:
            self._names = {image["id"]: str(image["file_name"]) for image in self.content["images"]}
        except (KeyError, TypeError) as error:
            raise CaptionError(f"{self.path} is not COCO captions: an image has no {error}.") from error

    def __iter__(self) -> Iterator[Pair]:
        """Return an annotation a row."""
        for number, one in enumerate(self.content["annotations"], 1):
            known = one if isinstance(one, Mapping) else {}
            fields = {name: str(known[name]) for name in ("id", "image_id", "caption") if name in known}
            name = self._names.get(known.get("image_id"))
            if name is None:
                yield make_broken("is of a picture that is not under images", f"annotation {number}", fields)
            else:
                yield self.places.make_pair(name, str(known.get("caption", "")), fields | {"file_name": name})


@dataclass
class CandidatePairs(PairList):
    """Captions by picture, as CLIPScore's code takes them: an id is a picture's name without its ending."""

    path: Path
    places: Places
    content: dict[str, Any]
    columns = ("id", "caption")
    schema = pa.schema([(name, pa.string()) for name in columns])

    def __post_init__(self) -> None:
        """List the pictures."""
        self.files = (self.path,)
        self._names: dict[str, str] = {}
        for source, name in collect_images(str(self.places.images)):
            relative = str(Path(str(source)).relative_to(self.places.images))
            for known in (str(Path(name).with_suffix("")), Path(name).stem, name):
                self._names.setdefault(known, relative)

    def __iter__(self) -> Iterator[Pair]:
        """Return a caption a row."""
        for name, captions in self.content.items():
            for caption in read_text_list(captions) or ("",):
                fields = {"id": name, "caption": caption}
                if name in self._names:
                    pair = self.places.make_pair(self._names[name], caption, fields)
                    yield Pair(pair.picture, caption, name, self.places.find_references(name), fields=fields)
                else:
                    problem = f"has no picture in {self.places.images}: check the folder"
                    yield Pair(None, caption, name, problem=problem, fields=fields)
