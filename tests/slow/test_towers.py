"""Networks that are trained: they learn, what is saved is a plain checkpoint, and a killed run comes to the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support import ROOT
from support.encoders import Plain
from support.towers import (
    GROUPS,
    METHODS,
    compute_cosines,
    load,
    make_pictures,
    measure_difference,
    measure_recall,
    read_weights,
)

from clipsim.tuning.towers import train_towers

RUN = """
import sys
import time
from pathlib import Path
from support.towers import GROUPS, METHODS, load, make_pictures, measure_recall
from clipsim.tuning.towers import train_towers
method, base, to = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
validate = measure_recall if method == "lora" else None
tell = lambda done, of: print(done, flush=True)
train_towers(make_pictures(), GROUPS, load(base), METHODS[method], to, validate, tell)
"""


@pytest.fixture
def base(family: str, tiny_clip: Path, tiny_siglip: Path) -> Path:
    return {"clip": tiny_clip, "siglip": tiny_siglip}[family]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_a_network_learns_and_transformers_alone_scores_the_same(
    family: str, method: str, base: Path, tmp_path: Path
) -> None:
    before = load(base)
    folder = train_towers(make_pictures(), GROUPS, before, METHODS[method], tmp_path / "tuned")
    after, plain = load(folder), Plain(family, folder)
    assert measure_recall(before) <= 0.25 and measure_recall(after) >= 0.5
    assert after.logit_scale == before.logit_scale
    pictures = make_pictures(seed=1000)
    images = np.stack([plain.image(image) for image, _ in pictures])
    texts = np.stack([plain.text(captions[0]) for _, captions in pictures])
    assert compute_cosines(after) == pytest.approx(texts @ images.T, abs=1e-5)
    assert read_weights(folder).keys() == read_weights(base).keys()  # nothing of LoRA is left


def test_the_command_goes_on_where_it_was_killed(tiny_siglip: Path, tmp_path: Path) -> None:
    pictures = [one for seed in range(0, 3000, 500) for one in make_pictures(seed)]
    for row, (image, captions) in enumerate(pictures):
        image.save(tmp_path / f"{row}.png")
        with (tmp_path / "captions.csv").open("a", encoding="utf-8") as file:
            file.write(("" if row else "file,caption\n") + "".join(f'{row}.png,"{text}"\n' for text in captions))

    def begin(to: str) -> subprocess.Popen[str]:
        words = ["tune", tmp_path / "captions.csv", "--model", tiny_siglip, "--to", tmp_path / to, "--method", "full"]
        words += ["--epochs", 60, "--learning-rate", 1e-3, "--batch", 16, "--may-lose", 100, "--device", "cpu"]
        command = [sys.executable, "-m", "clipsim", *map(str, words)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    with begin("whole") as process:
        assert "median rank" in process.communicate()[0]
    with begin("killed") as process:
        while not list((tmp_path / "killed.work").glob("*.training/checkpoint-*/whole.json")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    with begin("killed") as process:
        process.communicate()
    assert process.returncode == 0
    assert measure_difference([tmp_path / "whole", tmp_path / "killed"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["killed", "whole"]


@pytest.mark.parametrize(("family", "method"), [("clip", "lora"), ("siglip", "full")])
def test_killed_again_and_again_it_comes_to_the_same_weights(method: str, base: Path, tmp_path: Path) -> None:
    validate = measure_recall if method == "lora" else None
    whole = train_towers(make_pictures(), GROUPS, load(base), METHODS[method], tmp_path / "whole", validate)
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", RUN, method, *map(str, (base, killed))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))}
    began = []
    for last in (17, 43):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout
            steps = map(int, process.stdout)
            began.append(next(steps))
            while next(steps) < last:
                pass
            process.send_signal(signal.SIGKILL)
        assert not killed.exists()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    assert began == [0, 10]
    assert measure_difference([whole, killed]) == 0
    logs = [[row.rpartition(",")[0] for row in (one / "training.csv").open()] for one in (whole, killed)]  # no seconds
    assert logs[0] == logs[1]
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".training")] == []
