"""Tune by training the networks: how far to go towards what came out is chosen as a head's strength is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clipsim.embedding import Progress
from clipsim.encoders import Encoder
from clipsim.evaluation import normalize_text
from clipsim.images import Source
from clipsim.options import PROMPTS
from clipsim.tuning.choosing import Trial, choose
from clipsim.tuning.cutoffs import learn_cutoffs
from clipsim.tuning.elsewhere import encode_material
from clipsim.tuning.features import look_at
from clipsim.tuning.measures import Measures, Texts, measure, score_queries
from clipsim.tuning.results import Comparison, Tuned
from clipsim.tuning.task import Task, fresh_folder, start_outcome
from clipsim.tuning.towers import interpolate, train_towers
from clipsim.tuning.towers_settings import Method

STRENGTHS = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)  # of the way from the base to what training came to
LONGER = ", or train it longer or in larger steps (epochs and learning_rate)"
VALIDATION = 0  # the fold that training does not see


@dataclass(frozen=True)
class _Part:
    """Some of a task's pictures, as files, with their texts."""

    names: list[str]
    files: list[tuple[Source, str]]


def tune_networks(task: Task, folder: Path, progress: Progress | None) -> Tuned:
    """Train, choose a strength, measure it, and save the checkpoint that lies so far from the base."""
    fold, test = task.split.fold, task.split.test
    parts = {
        "learned": _take(task, ~test & (fold != VALIDATION)),
        "validated": _take(task, ~test & (fold == VALIDATION)),
        "test": _take(task, test),
    }
    chance = task.texts.take(np.flatnonzero(~test & (fold == VALIDATION))).chance
    validated, before = _score(task, task.base, parts["validated"])
    counts = {"learned": len(parts["learned"].names), "validated": len(parts["validated"].names)}
    with _work_folder(folder) as work:
        trained = _train(task, parts, work / "trained", progress)
        trials = []
        for strength in STRENGTHS if task.options.strength is None else (task.options.strength,):
            with _mixed(task, trained, strength, work) as encoder:
                after = _score(task, encoder, parts["validated"])[0]
                lost = 100 * (
                    task.elsewhere.measure_model(task.base).headline - task.elsewhere.measure_model(encoder).headline
                )
                trials.append(Trial(strength, None, float(after.mean()), after - validated, lost, chance))
        best, refused = choose(trials, task.options.may_lose, before, LONGER)
        if best is None:
            kept = f"What training came to is kept in {work}, for the same request with another limit; else delete it."
            return start_outcome(task, None, before, f"{refused} {kept}", counts)
        outcome = start_outcome(task, best, before, refused, counts)
        with _mixed(task, trained, best.strength, work) as encoder:
            outcome = replace(
                outcome,
                test=Comparison(
                    "pictures that were held out",
                    _measure(task, task.base, parts["test"]),
                    _measure(task, encoder, parts["test"]),
                ),
                elsewhere=Comparison(
                    task.elsewhere.origin,
                    task.elsewhere.measure_model(task.base),
                    task.elsewhere.measure_model(encoder),
                ),
            )
        with fresh_folder(folder) as fresh:
            interpolate(_folder_of(task.base), trained, best.strength, fresh)
            for record in ("training.csv", "training.json"):
                if (trained / record).is_file():
                    shutil.copyfile(trained / record, fresh / record)
    return _calibrate(task, folder, outcome)


def _take(task: Task, rows: np.ndarray) -> _Part:
    names = [task.gallery.pictures[row].name for row in np.flatnonzero(rows)]
    return _Part(names, [(task.given.files[name], name) for name in names])


@contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """Give a folder beside `folder` that goes once there is a model: until then the same call goes on from it."""
    work = folder.absolute().with_name(f"{folder.absolute().name}.work")
    work.mkdir(exist_ok=True)
    yield work
    if folder.exists():
        shutil.rmtree(work, ignore_errors=True)


def _folder_of(base: Encoder) -> Path:
    return base.folder or Path()


def _train(task: Task, parts: dict[str, _Part], to: Path, progress: Progress | None) -> Path:
    """Train on the pictures to learn from, and validate on others; labels are read in the prompt templates."""
    templates = PROMPTS["ensemble"] if task.given.labelled else PROMPTS["as-written"]
    pictures, groups = [], []
    numbers: dict[tuple[str, ...], int] = {}
    for name in parts["learned"].names:
        own = task.given.texts[name]
        said = tuple(template.replace("{}", text) for template in templates for text in own)
        pictures.append((task.given.files[name], said))
        groups.append(numbers.setdefault(tuple(sorted(normalize_text(text) for text in own)), len(numbers)))
    method: Method = "full" if task.options.method == "full" else "lora"
    settings = replace(task.options.towers, method=method, seed=task.options.seed)
    base: Any = task.base
    return train_towers(
        pictures, groups, base, settings, to, lambda one: _score(task, one, parts["validated"])[1], progress
    )


@contextmanager
def _mixed(task: Task, trained: Path, strength: float, work: Path) -> Iterator[Encoder]:
    """Load what lies a part of the way from the base to the trained checkpoint."""
    from clipsim.encoders.checkpoint import CheckpointEncoder

    place = work / f"at-{strength:g}"
    shutil.rmtree(place, ignore_errors=True)
    interpolate(_folder_of(task.base), trained, strength, place)
    yield CheckpointEncoder(place.name, place, task.base.device, task.base.precision)
    shutil.rmtree(place, ignore_errors=True)


def _encode(task: Task, encoder: Encoder, part: _Part) -> tuple[np.ndarray, Texts]:
    """Return pictures' vectors and their texts, by one encoder."""
    texts, _ = encode_material(task.given, part.names, encoder)
    return look_at(part.files, encoder)[1].vectors, texts


def _score(task: Task, encoder: Encoder, part: _Part) -> tuple[np.ndarray, float]:
    """Return what validation goes by, of each picture and on average."""
    scores = score_queries(*_encode(task, encoder, part))[0]
    return scores, float(scores.mean())


def _measure(task: Task, encoder: Encoder, part: _Part) -> Measures:
    return measure(*_encode(task, encoder, part))


def _calibrate(task: Task, folder: Path, outcome: Tuned) -> Tuned:
    """Learn cut-offs from the pictures that training did not see."""
    from clipsim.encoders import load

    rows = task.split.test | (task.split.fold == VALIDATION)
    part, encoder = _take(task, rows), load(str(folder))
    gallery, seen = look_at(part.files, encoder)
    texts, _ = encode_material(task.given, part.names, encoder)
    cutoffs, notes = learn_cutoffs(task.given, gallery, seen.vectors, texts, folder)
    return replace(outcome, saved=str(folder), cutoffs=cutoffs, notes=notes)
