"""Scored lists as files: the rows as they stood, and what was found of each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from clipsim.errors import UsageError
from clipsim.images import storage
from clipsim.pairs.pair import PairList
from clipsim.pairs.results import COLUMNS, PairScore

ENDINGS = (".csv", ".jsonl", ".parquet")
MANY = 10_000  # rows, from which on Parquet is the default
GROUP = 1_024  # rows that are written together
GROUP_BYTES = 64_000_000  # of pictures among them
TYPES = {
    "cosine": pa.float64(),
    "clipscore": pa.float64(),
    "refclipscore": pa.float64(),
    "percentile": pa.float64(),
    "verdict": pa.string(),
    "rank": pa.int64(),
    "among": pa.int64(),
    "better_caption": pa.string(),
    "better_percentile": pa.float64(),
    "unread": pa.string(),
    "rejected": pa.string(),
}


class RowWriter(Protocol):
    """What takes rows: the fields of the list, then `COLUMNS`."""

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one row."""

    def finish(self) -> None:
        """Write what is left."""


@contextmanager
def open_writer(path: Path, pairs: PairList) -> Iterator[RowWriter]:
    """Open an output, which appears when all is written; its form is that of the path's ending."""
    columns = [name for name in dict.fromkeys(pairs.columns) if name not in COLUMNS]
    with storage.open_for_writing(path) as file:
        ending = path.suffix.lower()
        if ending == ".parquet":
            schema = _find_schema(pairs, columns)
            writer: RowWriter = _ParquetRows(file, schema)
        else:
            texts = [name for name in columns if name not in pairs.binary]
            writer = _CsvRows(file, texts) if ending == ".csv" else _JsonRows(file, texts)
        yield writer
        writer.finish()


def choose_path(to: Path, rows: int) -> Path:
    """Return the path of the output: with the ending for so many rows where it has none.

    Raises:
        UsageError: it has another ending.
    """
    if to.suffix.lower() in ENDINGS:
        return to
    if to.suffix:
        raise UsageError(f"{to} ends in none of {', '.join(ENDINGS)}: give --to such a name, or one without an ending.")
    return to.with_name(f"{to.name}{'.parquet' if rows > MANY else '.csv'}")


def make_row(fields: Mapping[str, Any], score: PairScore) -> dict[str, Any]:
    """Return a row of the list with what was found of it."""
    return {**fields, **{name: getattr(score, name) for name in COLUMNS}}


class _CsvRows:
    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        self._text = io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="")
        names = [*columns, *COLUMNS]
        self._writer = csv.DictWriter(self._text, names, restval="", extrasaction="ignore", lineterminator="\n")
        self._writer.writeheader()

    def write(self, row: Mapping[str, Any]) -> None:
        self._writer.writerow({name: _to_cell(value) for name, value in row.items()})

    def finish(self) -> None:
        self._text.detach()  # which writes what is left, and leaves the file open


def _to_cell(value: Any) -> Any:
    return json.dumps(_plain(value), ensure_ascii=False) if isinstance(value, list | dict) else value


class _JsonRows:
    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        self._file, self._columns = file, [*columns, *COLUMNS]

    def write(self, row: Mapping[str, Any]) -> None:
        kept = {name: _plain(row[name]) for name in self._columns if name in row}
        text = json.dumps(kept, ensure_ascii=False)
        self._file.write(text.encode("utf-8", "surrogateescape") + b"\n")

    def finish(self) -> None:
        pass


def _plain(value: Any) -> Any:
    """Return what JSON can hold."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


class _ParquetRows:
    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        kinds = [*(field for field in schema), *(pa.field(name, TYPES[name]) for name in COLUMNS)]
        self._schema = pa.schema(kinds)
        self._texts = {field.name for field in schema if pa.types.is_string(field.type)}
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._group: list[dict[str, Any]] = []
        self._size = 0

    def write(self, row: Mapping[str, Any]) -> None:
        self._group.append({name: self._fit(name, row.get(name)) for name in self._schema.names})
        self._size += sum(len(value) for value in row.values() if isinstance(value, bytes))
        self._size += sum(len(one) for value in row.values() if isinstance(value, Mapping)
                          for one in value.values() if isinstance(one, bytes))  # fmt: skip
        if len(self._group) >= GROUP or self._size >= GROUP_BYTES:
            self._write_group()

    def _fit(self, name: str, value: Any) -> Any:
        """Return a text for what a column of texts holds: values of several types in JSON are such."""
        if name not in self._texts or value is None:
            return value
        text = value if isinstance(value, str) else json.dumps(_plain(value), ensure_ascii=False)
        return text.encode("utf-8", "replace").decode()  # halves of surrogate pairs are no UTF-8

    def _write_group(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._group, self._schema))
        self._group, self._size = [], 0

    def finish(self) -> None:
        if self._group:
            self._write_group()
        self._writer.close()


def _find_schema(pairs: PairList, columns: Sequence[str]) -> pa.Schema:
    """Return the types of the list's own columns; where it does not tell, those of its rows, or text for several."""
    if pairs.schema is not None:
        return pa.schema([pairs.schema.field(name) for name in columns])
    kinds: dict[str, set[pa.DataType]] = {name: set() for name in columns}
    for pair in pairs:
        for name, value in pair.fields.items():
            if value is not None and name in kinds:
                kinds[name].add(_find_type(value))
    return pa.schema([(name, next(iter(found)) if len(found) == 1 else pa.string()) for name, found in kinds.items()])


def _find_type(value: Any) -> pa.DataType:
    if isinstance(value, bool):
        return pa.bool_()
    if isinstance(value, int):
        return pa.int64() if -(2**63) <= value < 2**63 else pa.string()
    return pa.float64() if isinstance(value, float) else pa.string()
