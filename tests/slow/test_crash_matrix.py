"""Kills at every write of every kind of work, changed bits in every kind of file, and writers on several machines."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import ROOT
from support.collections import fill, make_rows, random_vectors, read_by_path
from support.s3 import serve_s3

from clipsim import ClipsimError, Collection
from clipsim.collections.store import PQ, Writer
from clipsim.collections.store.lists import FailedFile
from clipsim.collections.store.repair import repair
from clipsim.images import locate

# Does some work, and kills itself at the so-manieth time that a file gets a name or loses it.
KILLED = """
import os, signal, sys
from pathlib import Path
from clipsim.collections.store import Writer
from clipsim.collections.store.repair import repair
from support.collections import make_rows, random_vectors
folder, work, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
count = 0
def look(event, _):
    global count
    if event in ("os.rename", "os.link", "os.remove"):
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
if work == "repair":
    sys.addaudithook(look)
    repair(folder)
else:
    with Writer(folder, merged_rows=100) as writer:
        sys.addaudithook(look)
        if work == "add":
            writer.add(make_rows(5, 900), random_vectors(5, 16))
        elif work == "remove":
            writer.commit(removed={writer.manifest.segments[0][0]: [1, 2]})
        elif work == "merge":
            writer.merge()
        else:
            writer.build_index("pq")
"""
# Adds pictures, merges, and says what is done.
WRITES = """
import sys
from clipsim.collections.store import EmbeddingConfig, Writer
from support.collections import make_rows, random_vectors
place, first, turns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with Writer(place, EmbeddingConfig("made-up", "", 8), merged_rows=40) as writer:
    for turn in range(turns):
        start = first + 3 * turn
        writer.add(make_rows(3, start), random_vectors(3, 8, seed=start))
        print(start + 3, flush=True)
        if turn % 4 == 3:
            writer.merge()
"""


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))} | more


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A collection that has every kind of file."""
    folder = tmp_path / "made"
    fill(folder, random_vectors(300, 16), segments=12, index=PQ)
    with Writer(folder) as writer:
        first = writer.manifest.segments[0][0]
        writer.commit(removed={first: [3, 20]}, failed=[FailedFile("broken.jpg", "is broken", 7, (8, 9))])
    return folder


def list_kinds(folder: Path) -> dict[str, list[Path]]:
    """Return all files, by kind."""
    kinds: dict[str, list[Path]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        kind = "pointer" if path.name == "manifest.json" else path.name.partition("-")[0] + path.suffix
        kinds.setdefault(path.suffix if path.parent.name == "segments" else kind, []).append(path)
    return kinds


@pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGKILL")
@pytest.mark.parametrize("work", ["add", "remove", "merge", "index", "repair"])
def test_a_kill_at_any_write_leaves_the_state_before_or_after(made: Path, tmp_path: Path, work: str) -> None:
    whole = read_by_path(Collection.open(made))
    if work == "repair":
        for path in [*(made / "segments").glob("*.npy")][:2]:
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(data)
    after = whole.keys() | {f"{i}.jpg" for i in range(900, 905)} if work == "add" else whole.keys()
    kills = 0
    for last in range(1, 60):
        folder = shutil.copytree(made, tmp_path / f"{work}-{last}")
        command = [sys.executable, "-c", KILLED, str(folder), work, str(last)]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
        kills += done.returncode < 0
        assert done.returncode in (0, -9), done.stderr
        if work == "repair":
            repair(folder)
        collection = Collection.open(folder)
        assert collection.verify() == []
        found = read_by_path(collection)
        assert all(np.array_equal(found[name], whole[name]) for name in found.keys() & whole.keys())
        lost, new = whole.keys() - found.keys(), found.keys() - whole.keys()
        assert len(lost) <= {"repair": 50, "remove": 2}.get(work, 0) and new <= after
        with Writer(folder) as writer:  # the next one goes on
            writer.add(make_rows(1, 999), random_vectors(1, 16))
        assert Collection.open(folder).verify() == []
        shutil.rmtree(folder)
        if not done.returncode:
            break
    assert kills >= 4 and not done.returncode


def test_each_of_200_changed_bits_is_found_and_mended(made: Path, tmp_path: Path) -> None:
    places = random.Random(0)
    whole = read_by_path(Collection.open(made))
    kinds = list_kinds(made)
    assert len(kinds) == 7
    for i in range(200):
        folder = shutil.copytree(made, tmp_path / "flipped")
        counted = {folder / name for name in Collection.open(folder).manifest.files()}
        paths = list_kinds(folder)[sorted(kinds)[i % len(kinds)]]
        path = places.choice([path for path in paths if path.name.startswith("manifest") or path in counted])
        data = bytearray(path.read_bytes())
        data[places.randrange(len(data))] ^= 1 << places.randrange(8)
        path.write_bytes(data)
        try:
            assert Collection.open(folder).verify(), path
        except ClipsimError as error:
            assert "--repair" in str(error)
        assert repair(folder)
        collection = Collection.open(folder)
        found = read_by_path(collection)
        assert collection.verify() == [] and len(whole.keys() - found.keys()) <= 25
        assert all(np.array_equal(found[name], whole[name]) for name in found.keys() & whole.keys())
        shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGKILL")
@pytest.mark.parametrize("where", ["disk", "s3"])
def test_three_writers_on_two_machines_lose_nothing_that_was_reported_done(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_s3() as keys:
        place = str(tmp_path / "collection") if where == "disk" else "s3://bucket/collection"
        machines = ["one", "one", "two"]
        starts = [
            subprocess.Popen(
                [sys.executable, "-c", WRITES, place, str(1000 * i), "12"],
                env=environment(**keys, HF_ASSETS_CACHE=str(tmp_path / machine)),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for i, machine in enumerate(machines)
        ]
        reported = [0, 0, 0]
        victim = starts[2]
        assert victim.stdout
        for line in victim.stdout:
            reported[2] = int(line)
            if reported[2] >= 2015:
                victim.kill()
                break
        outputs = [process.communicate(timeout=300) for process in starts]
        for i in (0, 1):
            assert starts[i].returncode == 0, outputs[i][1]
            reported[i] = int(outputs[i][0].split()[-1])
        assert reported[:2] == [36, 1036]
        for name, value in keys.items():
            monkeypatch.setenv(name, value)
        collection = Collection.open(locate(place))
        assert collection.verify() == []
        found = read_by_path(collection)
        expected = {f"{n}.jpg" for i, end in enumerate(reported) for n in range(1000 * i, end)}
        assert expected <= found.keys() <= expected | {f"{n}.jpg" for n in range(reported[2], reported[2] + 6)}
        for start in (0, 33, 1015, 2012):
            vectors = random_vectors(3, 8, seed=start)
            assert all(np.array_equal(found[f"{start + i}.jpg"], vectors[i]) for i in range(3))
