"""Lists that are read a line at a time: CSV, JSON lines, Flickr8k's token files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa

from clipsim.errors import CaptionError
from clipsim.evaluation import DELIMITERS, TOKEN
from clipsim.pairs.pair import Pair, PairList
from clipsim.pairs.readers.common import (
    REFERENCE_COLUMNS,
    Places,
    choose_columns,
    make_broken,
    read_text_list,
)

LONGEST_FIELD = 1_000_000  # characters


@dataclass
class CsvPairs(PairList):
    """A CSV of which the first row names the columns; they are parted by comma, semicolon, tab or |."""

    path: Path
    places: Places

    def __post_init__(self) -> None:
        """Find the columns; a `CaptionError` if there are none of pictures and captions."""
        self.files = (self.path,)
        csv.field_size_limit(LONGEST_FIELD)
        problem: CaptionError | None = None
        for self._delimiter in DELIMITERS:
            self.columns = next((row for _, row in self._read_rows() if row), [])
            try:
                self._picture, self._caption = choose_columns(self.columns, self.places, self.path)
                break
            except CaptionError as error:
                problem = problem or error
        else:
            raise problem or CaptionError(f"{self.path} is empty: give a CSV with columns of pictures and captions.")
        self.schema = pa.schema([(name, pa.string()) for name in dict.fromkeys(self.columns)])

    def _read_rows(self) -> Iterator[tuple[int, list[str] | None]]:
        """Yield the number of the line before a row, and its cells; None where it is not CSV."""
        with self.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            rows = csv.reader(file, delimiter=self._delimiter, skipinitialspace=True)
            while True:
                try:
                    yield rows.line_num, next(rows)
                except StopIteration:
                    return
                except csv.Error:
                    yield rows.line_num, None

    def __iter__(self) -> Iterator[Pair]:
        """Read the rows; one with other columns than the first is one that cannot be scored."""
        rows = self._read_rows()
        next((row for _, row in rows if row), None)
        names, width = self.columns, len(self.columns)
        for line, row in rows:
            if row is None:
                yield make_broken("is not CSV, or longer than any caption is: quote it", f"line {line + 1}")
                continue
            if not any(row):
                continue
            fields = dict(zip(names, row, strict=False))
            if len(row) != width:
                problem = f"has {len(row)} columns, and the first line {width}: quote or complete it"
                yield make_broken(problem, f"line {line + 1}", fields, fields.get(self._caption, ""))
            else:
                yield self.places.make_pair(fields[self._picture], fields[self._caption], fields)


@dataclass
class JsonLines(PairList):
    """A line of JSON for each row: an object with a picture, a caption, and references if there are any."""

    path: Path
    places: Places

    def __post_init__(self) -> None:
        """Find the columns: those of the first rows; a `CaptionError` if there are none of pictures and captions."""
        self.files = (self.path,)
        names: dict[str, None] = {}
        for _, row in self._read_rows():
            if isinstance(row, Mapping):
                names.update(dict.fromkeys(row))
        self.columns = list(names)
        self._picture, self._caption = choose_columns(self.columns, self.places, self.path)

    def _read_rows(self) -> Iterator[tuple[int, Any]]:
        """Yield the number of each line that is not empty, and what it holds; its error where it is not JSON."""
        with self.path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        yield number, json.loads(line)
                    except (ValueError, RecursionError) as error:
                        yield number, error

    def __iter__(self) -> Iterator[Pair]:
        """Read the rows; of a list of captions each is a row."""
        for number, row in self._read_rows():
            yield from make_pairs(row, f"line {number}", self._picture, self._caption, self.places)


def make_pairs(row: Any, name: str, picture: str, caption: str, places: Places) -> Iterator[Pair]:
    """Make pairs of an object that was read from JSON: one for each of its captions."""
    if not isinstance(row, Mapping):
        flaw = f"is not valid JSON ({row})" if isinstance(row, Exception) else "is no object in braces"
        yield make_broken(f"{flaw}: write the row anew", name)
        return
    entry = row.get(picture)
    if isinstance(entry, Mapping):  # as the Hugging Face library writes pictures
        entry = entry.get("path")
    captions = read_text_list(row.get(caption)) or ("",)
    references = next((read_text_list(row[one]) for one in REFERENCE_COLUMNS if one in row), ())
    for one in captions:
        fields = {**row, caption: one}
        if not isinstance(entry, str) or not entry.strip():
            yield make_broken("names no picture", name, fields, one)
        else:
            pair = places.make_pair(entry, one, fields)
            yield Pair(pair.picture, one, pair.name, references or pair.references, fields=fields)


@dataclass
class TokenLines(PairList):
    """Flickr8k's file of captions: `name.jpg#0`, a tab and a caption a line."""

    path: Path
    places: Places
    columns = ("file", "caption")
    schema = pa.schema([("file", pa.string()), ("caption", pa.string())])

    def __post_init__(self) -> None:
        """Remember which file it is."""
        self.files = (self.path,)

    def __iter__(self) -> Iterator[Pair]:
        """Read the rows."""
        with self.path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            for number, line in zip(count(1), file, strict=False):
                found = TOKEN.fullmatch(line.rstrip("\r\n"))
                if found:
                    fields = {"file": found["file"], "caption": found["caption"]}
                    yield self.places.make_pair(found["file"], found["caption"], fields)
                elif line.strip():
                    problem = "is not a picture#number, a tab and a caption"
                    yield make_broken(problem, f"line {number}", {"file": "", "caption": line.strip()})
