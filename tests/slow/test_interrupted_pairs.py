"""Scoring a list that is killed: the next run goes on, and the output is the same, byte for byte."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from support import paint

RUN = """
import sys
import clipsim
from clipsim.pairs import PairSettings, open_pairs, score_list
path, to, model = sys.argv[1:]
score_list(open_pairs(path), clipsim.load(model), to, settings=PairSettings(block=8),
           progress=lambda done, of: print(done, flush=True))
"""


def test_killed_three_times_it_writes_the_same_bytes(tmp_path: Path, tiny_clip: Path) -> None:
    lines = ["file,caption"]
    for seed in range(60):
        paint(40, 40, seed).save(tmp_path / f"{seed}.png")
        lines += [f"{seed}.png,the cat {seed}", f"{(seed * 7) % 60}.png,the dog {seed % 9}"]
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines))
    command = [sys.executable, "-c", RUN, str(path)]
    for _ in range(3):
        process = subprocess.Popen([*command, str(tmp_path / "killed.parquet"), str(tiny_clip)], stdout=subprocess.PIPE)
        assert process.stdout
        for count, line in enumerate(process.stdout):
            if count == 2:
                time.sleep(0.002 * (int(line) % 5))
                process.send_signal(signal.SIGKILL)
                break
        process.wait(60)
        process.stdout.close()
        assert not (tmp_path / "killed.parquet").exists()
    for name in ("killed", "whole"):
        to = str(tmp_path / f"{name}.parquet")
        subprocess.run([*command, to, str(tiny_clip)], check=True, capture_output=True)
    assert (tmp_path / "killed.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert not list(tmp_path.glob(".*"))
