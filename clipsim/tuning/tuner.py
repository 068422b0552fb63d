"""From captioned or labelled pictures to a model of one's own, if it is better and forgets nothing."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from clipsim.embedding import Progress
from clipsim.encoders import Encoder, load
from clipsim.tuning.data import TunePairs, read_material
from clipsim.tuning.results import Tuned
from clipsim.tuning.saving import choose_base
from clipsim.tuning.settings import TuneOptions
from clipsim.tuning.task import check_folder, prepare
from clipsim.tuning.towers import check_extra
from clipsim.tuning.tune_head import tune_head
from clipsim.tuning.tune_towers import tune_networks


def tune(
    pairs: TunePairs,
    model: str | Encoder = "auto",
    *,
    to: str | Path,
    pictures: str | Path | None = None,
    device: str = "auto",
    options: TuneOptions = TuneOptions(),
    progress: Progress | None = None,
    **choices: Any,
) -> Tuned:
    """Tune a model to captioned or labelled pictures, and save it if it is better and loses nothing elsewhere.

    Args:
        pairs: a file as `clipsim evaluate` reads it, a CSV with the columns file and label, a folder with a folder for
            each label, or a list of `(picture's file, caption)`.
        model: a name as for `clipsim.load`, or what that returned.
        to: the folder to write, which must not be there yet, or be empty. It loads wherever a model's name does.
        pictures: the folder that files are looked for in; None for that of the file.
        device: as for `clipsim.load`; it counts where `model` is a name.
        options: how to tune.
        progress: called with (pictures encoded or steps done, all of them).
        choices: fields of `options`, which they replace.

    Raises:
        CaptionError: the pictures cannot be read, are fewer than 20, or have one and the same caption.
        ChoiceError: the model, the device or the method is not known.
        ClipsimError: the folder cannot be written, or what training needs is not installed.
        EncoderError: the model cannot be loaded.
        UsageError: an option cannot be, or the folder holds something.
    """
    start, options, folder = time.perf_counter(), options.replace(**choices), Path(to)
    check_folder(folder)
    if options.method != "head":
        check_extra()
    given = read_material(pairs, pictures)
    encoder = load(model, device) if isinstance(model, str) else model
    base, notes = choose_base(encoder, given, options)
    task = prepare(given, base, encoder, options, progress)
    found = tune_head(task, folder) if options.method == "head" else tune_networks(task, folder, progress)
    tuned = replace(
        found, notes=(*notes, *given.notes, *task.split.notes, *found.notes), seconds=time.perf_counter() - start
    )
    if tuned.saved:
        write_report(folder, tuned)
    return tuned


def write_report(folder: Path, tuned: Tuned) -> None:
    """Write the model card and the report beside the model, in three forms."""
    (folder / "README.md").write_text(tuned.describe(), encoding="utf-8")
    (folder / "report.json").write_text(tuned.to_json() + "\n", encoding="utf-8")
    (folder / "report.html").write_text(tuned.to_html(), encoding="utf-8")
