"""Indexing that is killed: what was reported done is there, and the next run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from support import paint
from support.collections import read_by_path

from clipsim import Collection, index_folder
from clipsim.collections.store import Writer

RUN = """
import sys
from functools import partial
import clipsim
from clipsim.collections.encoding import encode_files
source, folder, model = sys.argv[1:]
engine = partial(encode_files, part=8)
clipsim.index_folder(source, folder, model, engine=engine, progress=lambda done, of: print(done, flush=True))
"""


def test_killed_again_and_again_it_goes_on_and_nothing_reported_done_is_lost(tmp_path: Path, tiny_clip: Path) -> None:
    source, folder = tmp_path / "many", tmp_path / "collection"
    source.mkdir()
    for seed in range(100):
        paint(40, 40, seed).save(source / f"{seed}.png")
    command = [sys.executable, "-c", RUN, *map(str, (source, folder, tiny_clip))]
    done = 0
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        start = done
        for line in process.stdout:
            done = int(line)
            if done > start + 16:
                time.sleep(0.003 * (done % 7))
                process.send_signal(signal.SIGKILL)
                break
        process.wait(30)
        process.stdout.close()
        collection = Collection.open(folder)
        assert len(collection) >= done and collection.verify() == []
    subprocess.run(command, check=True, capture_output=True)
    collection = Collection.open(folder)
    assert len(collection) == 100 and collection.verify() == []
    for path in folder.rglob("*"):  # what was left goes when it is a day old, since nobody knows that it is no one's
        os.utime(path, (0, 10**9))
    with Writer(folder):
        pass
    assert not list(folder.rglob("*.partial")) and Collection.open(folder).verify() == []
    index_folder(source, clean := tmp_path / "clean", str(tiny_clip))
    ours, theirs = read_by_path(collection), read_by_path(Collection.open(clean))
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[path], theirs[path]) for path in ours)
