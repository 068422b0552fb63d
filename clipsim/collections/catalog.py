"""What was listed and what a collection has, compared by name on this machine's disk and not in its memory.

Both lie in a temporary database of SQLite, which goes with the process, however it ends. Of a picture it holds name,
size and time; digests are read from the collection where these leave a doubt.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from clipsim.collections.store.lists import FailedFile
from clipsim.errors import ClipsimError
from clipsim.images import File, Location, locate

CACHE = 64  # MB that the database keeps in memory
PAGE = 1_024  # files that are read of it at once

# What there is to do about a file: its content is compared with its row's, it is encoded, or the row of its content is
# taken over. Nothing is where it is in trouble, or could not be read before and is as it was then.
What = Literal["trouble", "tried", "compare", "encode", "move"]

_SETTINGS = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE"
_TABLES = """
    CREATE TABLE files (id INTEGER PRIMARY KEY, name, size, written, changed, path, problem, trouble,
        seconds, notes);
    CREATE TABLE rows (id INTEGER PRIMARY KEY, name, size, written, segment, place);
    CREATE TABLE tried (name PRIMARY KEY, reason, size, written, changed) WITHOUT ROWID;
    CREATE TABLE tasks (file INTEGER PRIMARY KEY, what, row);
    CREATE TABLE gone (row INTEGER PRIMARY KEY);
    CREATE TABLE lost (row INTEGER PRIMARY KEY);
    CREATE TABLE alike (size INTEGER PRIMARY KEY);
    CREATE TABLE digests (digest, row, used);
    CREATE INDEX digest_rows ON digests (digest, used)"""
# Of a name that a list has twice, the first counts; of one that has two rows, which two writers at once may have made,
# the last row does, and the others are without a name. Unchanged files have no task: an address in a list is taken
# never to change; where a store tells no time there is a doubt. What lies below what cannot be had is not gone: '0' is
# the character after '/'.
_COMPARE = """
    CREATE INDEX row_names ON rows (name);
    CREATE INDEX file_names ON files (name);
    DELETE FROM files AS one WHERE name IN (SELECT name FROM files GROUP BY name HAVING count(*) > 1)
        AND EXISTS (SELECT 1 FROM files AS other WHERE other.name = one.name AND other.id < one.id);
    UPDATE rows AS one SET name = NULL WHERE name IN (SELECT name FROM rows GROUP BY name HAVING count(*) > 1)
        AND EXISTS (SELECT 1 FROM rows AS other WHERE other.name = one.name AND other.id > one.id);
    INSERT INTO tasks SELECT files.id, CASE
        WHEN trouble <> '' THEN 'trouble'
        WHEN rows.id NOT NULL AND files.size = -1 THEN ''
        WHEN rows.size = files.size AND rows.written = files.written AND files.written <> 0 THEN ''
        WHEN rows.size = files.size THEN 'compare'
        WHEN files.size <> -1
            AND (tried.size, tried.written, tried.changed) = (files.size, files.written, files.changed) THEN 'tried'
        ELSE 'encode' END AS task, rows.id
        FROM files LEFT JOIN rows ON rows.name = files.name LEFT JOIN tried ON tried.name = files.name
        WHERE task <> '';
    CREATE INDEX task_rows ON tasks (what, row, file);
    INSERT INTO lost SELECT row FROM tasks WHERE what = 'tried' AND row NOT NULL;
    INSERT INTO gone SELECT id FROM rows WHERE NOT EXISTS
        (SELECT 1 FROM files WHERE files.name = rows.name AND trouble <> 'missing');
    DELETE FROM gone WHERE row IN (SELECT rows.id
        FROM files JOIN rows ON rows.name > files.name || '/' AND rows.name < files.name || '0'
        WHERE trouble IN ('unreachable', 'skipped'))"""
# The pictures that are known not to be readable.
_FAILED = """
    SELECT files.name, files.problem AS reason, files.size, files.written, files.changed
        FROM tasks JOIN files ON files.id = tasks.file WHERE what = 'trouble'
    UNION ALL SELECT tried.* FROM tasks JOIN files ON files.id = tasks.file JOIN tried ON tried.name = files.name
        WHERE what = 'tried'"""
_FILE = "files.id, files.name, files.size, files.written, files.changed, files.path, files.seconds, files.notes"
# By its key: the other index would be sorted anew for each page. Elsewhere CROSS JOIN has SQLite look up the rows of a
# few entries, and not the other way round.
_TO_ENCODE = f"SELECT {_FILE} FROM tasks JOIN files ON files.id = tasks.file WHERE +what = 'encode'"
_ROW = "rows.id, rows.name, rows.size, rows.written, rows.segment, rows.place"


class Row(NamedTuple):
    """What the collection has of a picture, and where."""

    id: int
    name: str | None  # None of one that another row of the name replaces
    size: int
    written: int  # when the file was last written, nanoseconds since 1970
    segment: str
    place: int


class Task(NamedTuple):
    """A file, and the row that the collection has of it, or has of its content."""

    id: int
    file: File
    row: Row


class Catalog:
    """Files that were listed, and a collection's rows and failures: a context, after which they are gone.

    Add all of them, then `compare`.
    """

    def __init__(self, root: Location) -> None:
        """Begin with nothing; the names of files are paths from `root`, or addresses."""
        self._root = root
        self._segments: list[str] = []
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # read ahead by other threads
        self._db.executescript(f"{_SETTINGS}; PRAGMA cache_size = -{CACHE * 1000}; {_TABLES}; BEGIN")

    def __enter__(self) -> Catalog:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the database."""
        self._db.close()

    def add_files(self, files: Iterable[File]) -> None:
        """Add files as they are listed; of one name the first counts."""
        rows = (
            (one.name, one.size, *one.times, path, one.problem, one.trouble, one.seconds, "\n".join(one.notes) or None)
            for one, path in ((one, self._shorten(one)) for one in files)
        )
        self._add("INSERT INTO files VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _shorten(self, file: File) -> str | None:
        """Return where a file lies, unless its name says so."""
        path = str(file.path)  # a million locations would take seconds to make and compare
        return None if file.problem or path in (f"{self._root}/{file.name}", file.name) else path

    def _locate(self, name: str) -> Location | str:
        return name if "://" in name else self._root / name

    def add_rows(self, segment: str, rows: Iterable[tuple[int, str, int, int]]) -> None:
        """Add rows of one more segment: place, name, size and when the file was last written."""
        number = len(self._segments)
        self._segments.append(segment)
        entries = ((name, size, written, number, place) for place, name, size, written in rows)
        self._add("INSERT INTO rows VALUES (NULL, ?, ?, ?, ?, ?)", entries)

    def add_failed(self, failed: Iterable[FailedFile]) -> None:
        """Add pictures that could not be read before."""
        rows = ((one.name, one.reason, one.size, *one.times) for one in failed)
        self._add("INSERT OR REPLACE INTO tried VALUES (?, ?, ?, ?, ?)", rows)

    def compare(self) -> None:
        """Find out by name, size and time what is to be done."""
        for statement in _COMPARE.split(";\n"):
            self._ask(statement)

    def count(self, table: Literal["files", "rows", "gone", "lost"]) -> int:
        """Return how many files were listed, how many rows there are, and how many of them are gone or lost.

        Lost are rows of pictures that can no longer be read; rows that a name has beside its last are not counted.
        """
        if table in ("files", "rows"):
            return self._get_number(f"SELECT count({'name' if table == 'rows' else '*'}) FROM {table}")
        return self._get_number(f"SELECT count(name) FROM {table} CROSS JOIN rows ON rows.id = {table}.row")

    def count_tasks(self, *what: What) -> int:
        """Return how many files there are for which this is to be done."""
        marks = ", ".join("?" * len(what))
        return self._get_number(f"SELECT count(*) FROM tasks WHERE what IN ({marks})", what)

    def list_failed(self, *, new: bool = False) -> list[FailedFile]:
        """Return the pictures that are known not to be readable; with `new` those that were not listed so before."""
        entries = self._ask(f"{_FAILED} EXCEPT SELECT * FROM tried" if new else _FAILED)
        return [FailedFile(name, reason, size, (written, changed)) for name, reason, size, written, changed in entries]

    def list_outdated(self) -> list[str]:
        """Return the names of pictures that were listed as ones that cannot be read, and are so no longer."""
        return [name for (name,) in self._ask(f"SELECT name FROM tried EXCEPT SELECT name FROM ({_FAILED})")]

    def count_unreached(self) -> int:
        """Return how many of the listed files are not there, or cannot be had for the moment."""
        return self._get_number("SELECT count(*) FROM files WHERE trouble IN ('missing', 'unreachable')")

    def find_missing(self) -> Iterator[Path]:
        """Yield the files on this machine that are listed and not there, and of which the collection has rows."""
        for (name,) in self._ask(
            "SELECT files.name FROM gone CROSS JOIN rows ON rows.id = gone.row JOIN files ON files.name = rows.name"
        ):
            if isinstance(path := self._locate(name), Path):
                yield path

    def take_tasks(self, what: Literal["compare", "move"], most: int) -> list[Task]:
        """Return the first so many tasks that are not settled, in the order of the collection's rows."""
        found = self._ask(
            f"SELECT {_FILE}, {_ROW} FROM tasks JOIN files ON files.id = tasks.file JOIN rows ON rows.id = tasks.row "
            "WHERE what = ? ORDER BY tasks.row, tasks.file LIMIT ?",
            (what, most),
        )
        return [Task(one[0], self._make_file(one), self._make_row(one[8:])) for one in found]

    def settle(self, tasks: Iterable[Task], what: Literal["", "encode"] = "") -> None:
        """Mark tasks as done, or as files to encode."""
        self._add("UPDATE tasks SET what = ? WHERE file = ?", ((what, task.id) for task in tasks))

    def take_rows(self, table: Literal["gone", "lost"], most: int) -> list[Row]:
        """Take so many rows out of the table, in their order, and return them."""
        found = self._ask(
            f"SELECT {_ROW} FROM {table} CROSS JOIN rows ON rows.id = {table}.row ORDER BY {table}.row LIMIT ?", (most,)
        ).fetchall()
        self._add(f"DELETE FROM {table} WHERE row = ?", ((one[0],) for one in found))
        return [self._make_row(one) for one in found]

    def find_rows(self, names: Iterable[str]) -> list[Row]:
        """Return the rows of pictures by their names, of those that have one."""
        names = list(names)
        marks = ", ".join("?" * len(names))
        return [self._make_row(one) for one in self._ask(f"SELECT {_ROW} FROM rows WHERE name IN ({marks})", names)]

    def lose(self, rows: Iterable[Row]) -> None:
        """Mark rows as those of pictures that can no longer be read."""
        self._add("INSERT OR IGNORE INTO lost VALUES (?)", ((row.id,) for row in rows))

    def find_alike(self) -> tuple[Iterator[Row], Iterator[File]]:
        """Return rows that are gone and files that are to be encoded, of sizes that both have; both can be long."""
        self._ask(
            "INSERT INTO alike SELECT size FROM gone CROSS JOIN rows ON rows.id = gone.row WHERE name NOT NULL "
            "INTERSECT SELECT size FROM tasks JOIN files ON files.id = tasks.file WHERE what = 'encode' AND size <> -1"
        )
        rows = f"SELECT {_ROW} FROM gone CROSS JOIN rows ON rows.id = gone.row WHERE name NOT NULL"
        alike = "size IN (SELECT size FROM alike)"
        return (
            (self._make_row(one) for one in self._page(f"{rows} AND {alike}", "gone.row")),
            (self._make_file(one) for one in self._page(f"{_TO_ENCODE} AND {alike}", "tasks.file")),
        )

    def add_digests(self, rows: Iterable[tuple[str, Row]]) -> None:
        """Add rows that are gone with the digests of their contents."""
        self._add("INSERT INTO digests VALUES (?, ?, 0)", ((digest, row.id) for digest, row in rows))

    def move(self, contents: Iterable[tuple[File, str]]) -> None:
        """Let files take over the rows of their contents, which are given by digest, where there are any.

        Several files may take over one row, if no other has its content.
        """
        for file, digest in contents:
            select = "SELECT rowid, row FROM digests WHERE digest = ? ORDER BY used LIMIT 1"
            if found := self._ask(select, (digest,)).fetchone():
                self._ask("UPDATE digests SET used = used + 1 WHERE rowid = ?", found[:1])
                where = "file = (SELECT id FROM files WHERE name = ?)"
                self._ask(f"UPDATE tasks SET what = 'move', row = ? WHERE {where}", (found[1], file.name))

    def count_moved(self) -> int:
        """Return how many of the rows that are gone were taken over."""
        return self._get_number("SELECT count(*) FROM digests WHERE used > 0")

    def list_encode(self) -> FilesToEncode:
        """Return the files that are to be encoded, in the order of the list."""
        return FilesToEncode(self)

    def page_encode(self) -> Iterator[File]:
        """Yield the files that are to be encoded; use `list_encode`."""
        yield from (self._make_file(one) for one in self._page(_TO_ENCODE, "tasks.file"))

    def _page(self, select: str, key: str) -> Iterator[tuple[Any, ...]]:
        """Yield what is selected in the order of the key, its first column, so many entries at a time."""
        last = -1
        while page := self._ask(f"{select} AND {key} > ? ORDER BY {key} LIMIT {PAGE}", (last,)).fetchall():
            yield from page
            last = page[-1][0]

    def _make_file(self, entry: Sequence[Any]) -> File:
        _, name, size, written, changed, path, seconds, notes = entry[:8]
        place = self._locate(name) if path is None else locate(path)
        return File(place, name, size, (written, changed), seconds=seconds, notes=tuple((notes or "").splitlines()))

    def _make_row(self, entry: Sequence[Any]) -> Row:
        key, name, size, written, segment, place = entry
        return Row(key, name, size, written, self._segments[segment], place)

    def _get_number(self, select: str, values: Sequence[Any] = ()) -> int:
        return int(self._ask(select, values).fetchone()[0])

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        with _explain_errors():
            return self._db.execute(statement, values)

    def _add(self, statement: str, entries: Iterable[tuple[Any, ...]]) -> None:
        with _explain_errors():
            self._db.executemany(statement, entries)


class FilesToEncode:
    """The files of a catalog that are to be encoded, read of it as they are needed."""

    def __init__(self, catalog: Catalog) -> None:
        """Use `Catalog.list_encode`."""
        self._catalog, self._count = catalog, catalog.count_tasks("encode")

    def __len__(self) -> int:
        """Return how many there are."""
        return self._count

    def __iter__(self) -> Iterator[File]:
        """Yield them in the order of the list."""
        return self._catalog.page_encode()


@contextmanager
def _explain_errors() -> Iterator[None]:
    """Turn what SQLite raises, for want of room, into one sentence."""
    try:
        yield
    except sqlite3.Error as error:
        raise ClipsimError(
            f"The list of pictures cannot be kept on this machine's disk ({error}): make room there, or let the "
            "variable SQLITE_TMPDIR name another folder."
        ) from error
