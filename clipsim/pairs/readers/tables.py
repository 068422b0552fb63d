"""Lists in Arrow's formats: Parquet files, and folders that the Hugging Face library `datasets` saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clipsim.errors import CaptionError
from clipsim.pairs.pair import Pair, PairList
from clipsim.pairs.readers.common import REFERENCE_COLUMNS, Places, choose_columns, make_broken, read_text_list

ROWS = 64  # that are in memory at once, since they may hold pictures


@dataclass
class TablePairs(PairList):
    """Parquet files, or Arrow streams, one after the other.

    A column of pictures holds paths, addresses, bytes, or the structs of path and bytes of the Hugging Face library.
    """

    paths: Sequence[Path]
    places: Places

    def __post_init__(self) -> None:
        """Find the columns; a `CaptionError` if there are none of pictures and captions."""
        self.files = tuple(self.paths)
        if not self.paths:
            raise CaptionError("There are no tables: give a Parquet file, or a folder of them.")
        with _explain(self.paths[0]):
            self.schema = _read_schema(self.paths[0])
        self._picture, self._caption = choose_columns(self.schema.names, self.places, self.paths[0])
        kind = self.schema.field(self._caption).type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):  # each caption is a row
            place = self.schema.get_field_index(self._caption)
            self.schema = self.schema.set(place, pa.field(self._caption, pa.string()))
        self.columns = self.schema.names
        self.binary = frozenset(field.name for field in self.schema if _holds_bytes(field.type))

    def __iter__(self) -> Iterator[Pair]:
        """Read the rows, `ROWS` at a time."""
        return self._make_pairs(None)

    def captions(self) -> Iterator[tuple[str, str]]:
        """Read captions and what names the pictures, and no picture."""
        return ((pair.key, pair.caption) for pair in self._make_pairs([self._picture, self._caption], light=True))

    def list_groups(self) -> list[tuple[Path, int, int]]:
        """Return for each row group its file, its number there, and how many rows come before it in all files.

        Raises:
            CaptionError: a file is not Parquet.
        """
        groups, before = [], 0
        for path in self.paths:
            with _explain(path), pq.ParquetFile(path) as file:
                for number in range(file.num_row_groups):
                    groups.append((path, number, before))
                    before += file.metadata.row_group(number).num_rows
        return groups

    def read_group(self, path: Path, number: int, before: int) -> Iterator[Pair]:
        """Read the rows of one row group, as `list_groups` names it."""
        with _explain(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS, row_groups=[number]):
                for row in batch.to_pylist():
                    before += 1
                    yield from self._make_rows(row, f"row {before}")

    def _make_pairs(self, columns: list[str] | None, *, light: bool = False) -> Iterator[Pair]:
        number = 0
        for path in self.paths:
            with _explain(path):
                for batch in _read_batches(path, columns, light=light):
                    for row in batch.to_pylist():
                        number += 1
                        yield from self._make_rows(row, f"row {number}")

    def _make_rows(self, row: dict[str, Any], name: str) -> Iterator[Pair]:
        value = row.get(self._picture)
        path, data = (value.get("path"), value.get("bytes")) if isinstance(value, Mapping) else (value, None)
        if isinstance(path, bytes):
            path, data = None, path
        captions = read_text_list(row.get(self._caption)) or ("",)
        references = next((read_text_list(row[one]) for one in REFERENCE_COLUMNS if row.get(one)), ())
        for caption in captions:
            fields = {**row, self._caption: caption} if len(captions) > 1 or caption else row
            if data:
                yield Pair(data, caption, path or name, references, fields=fields)
            elif isinstance(path, str) and path.strip():
                pair = self.places.make_pair(path, caption, fields)
                # without its bytes, which are left out where only captions are read, it is known by its name
                picture = None if self._picture in self.binary else pair.picture
                yield Pair(picture, caption, pair.name, references or pair.references, fields=fields)
            else:
                yield make_broken("names no picture", name, fields, caption)


def _read_schema(path: Path) -> pa.Schema:
    if path.suffix == ".parquet":
        return pq.read_schema(path).remove_metadata()
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        return stream.schema.remove_metadata()


def _read_batches(path: Path, columns: list[str] | None, *, light: bool) -> Iterator[pa.RecordBatch]:
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            wanted = _leave_bytes_out(file.schema_arrow, columns) if light else columns
            yield from file.iter_batches(batch_size=ROWS, columns=wanted)
        return
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            part = batch.select(columns) if columns else batch
            yield from (part.slice(start, ROWS) for start in range(0, len(part), ROWS))


def _leave_bytes_out(schema: pa.Schema, columns: list[str] | None) -> list[str]:
    """Return the columns, of structs the fields, that do not hold pictures themselves."""
    wanted: list[str] = []
    for name in columns or schema.names:
        kind = schema.field(name).type
        if pa.types.is_struct(kind):
            wanted += [f"{name}.{one.name}" for one in kind if not _holds_bytes(one.type)]
        elif not _holds_bytes(kind):
            wanted.append(name)
    return wanted


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(_holds_bytes(one.type) for one in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


@contextmanager
def _explain(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise CaptionError(f"{path} cannot be read as a table ({error}): see that it is whole.") from error
