"""Which reader a list of pairs needs: its name and content tell."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from clipsim.errors import CaptionError
from clipsim.evaluation import TOKEN
from clipsim.pairs.pair import PairList
from clipsim.pairs.readers.archives import FolderPairs, TarPairs
from clipsim.pairs.readers.common import Places
from clipsim.pairs.readers.lines import CsvPairs, JsonLines, TokenLines
from clipsim.pairs.readers.objects import open_objects, read_references
from clipsim.pairs.readers.tables import TablePairs

HEAD = 65_536  # bytes that are looked at
TARS = (".tar", ".tar.gz", ".tgz")
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet", "captions.csv")  # of a folder of pictures
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


def open_pairs(
    file: str | Path,
    images: str | Path | None = None,
    *,
    picture_column: str | None = None,
    caption_column: str | None = None,
    references: str | Path | None = None,
) -> PairList:
    """Open a list of pictures with captions; the content tells which kind it is.

    Args:
        file: a CSV, JSON lines, Parquet, COCO captions, a Flickr8k token file, the candidates of CLIPScore's code, tar
            files of WebDataset ("part-{000..009}.tar"), a folder that the Hugging Face library `datasets` saved, or a
            folder of pictures with a list or text files among them.
        images: the folder from which pictures are named; None for that of the file.
        picture_column: of the pictures; None for path, file_name, image, url or the like.
        caption_column: of the captions; None for caption, text or the like.
        references: a JSON file with right captions by picture, for RefCLIPScore.

    Raises:
        CaptionError: the file cannot be read, or is of no such kind.
    """
    path = Path(file)
    paths = _expand(str(file))
    known = {} if references is None else read_references(Path(references))
    home = path if path.is_dir() else path.parent
    places = Places(Path(images) if images is not None else home, picture_column, caption_column, known)
    if not paths:
        raise CaptionError(f"{file} is not there: give a list of pictures with captions.")
    if all(one.name.lower().endswith(TARS) for one in paths):
        return TarPairs(paths, places)
    if len(paths) > 1:
        return TablePairs(paths, places)
    return _open_folder(path, places) if path.is_dir() else _open_file(paths[0], places)


def _expand(file: str) -> list[Path]:
    """Return the files of a name, in which {000..009} stands for numbers and * for anything."""
    if Path(file).exists():
        return [Path(file)]
    spans = [[f"{n:0{len(first)}}" for n in range(int(first), int(last) + 1)] for first, last in _BRACES.findall(file)]
    pieces = _BRACES.split(file)[::3]
    names = ["".join(a + b for a, b in zip(pieces, (*one, ""), strict=True)) for one in product(*spans)]
    found = [path for name in names for path in (sorted(Path(name).parent.glob(Path(name).name)))]
    return [path for path in found if path.is_file()]


def _open_folder(folder: Path, places: Places) -> PairList:
    for name in METADATA:
        if (folder / name).is_file():
            return _open_file(folder / name, places)
    if tables := _find_tables(folder):
        return TablePairs(tables, places)
    if tars := sorted(one for one in folder.rglob("*") if one.name.lower().endswith(TARS)):
        return TarPairs(tars, places)
    return FolderPairs(folder)


def _find_tables(folder: Path) -> Sequence[Path]:
    """Return the tables of a data set in a folder: in the order of its own lists, else by name."""
    splits = _read_names(folder / "dataset_dict.json", "splits")
    if splits:
        return [table for split in splits for table in _find_tables(folder / str(split))]
    state = _read_names(folder / "state.json", "_data_files")
    if state:
        return [folder / str(one["filename"]) for one in state if isinstance(one, dict)]
    return sorted(folder.rglob("*.arrow")) or sorted(folder.rglob("*.parquet"))


def _read_names(path: Path, key: str) -> list[object]:
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))[key])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _open_file(path: Path, places: Places) -> PairList:
    if path.suffix.lower() in (".parquet", ".arrow"):
        return TablePairs([path], places)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD).decode("utf-8-sig", "replace")
    except OSError as error:
        raise CaptionError(f"{path} cannot be read ({error.strerror}): see that it is there.") from error
    lines = [line for line in head.splitlines() if line.strip()]
    first = lines[0].strip() if lines else ""
    if path.suffix.lower() in (".jsonl", ".ndjson") or (first.startswith("{") and len(lines) > 1 and _is_json(first)):
        return JsonLines(path, places)
    if first.startswith(("{", "[")):
        return open_objects(path, places)
    return TokenLines(path, places) if TOKEN.fullmatch(first) else CsvPairs(path, places)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
