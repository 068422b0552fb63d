"""The commands that learn from captioned pictures: `clipsim calibrate` and `clipsim tune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

import clipsim
from clipsim.cli import common
from clipsim.cli.common import say, show, show_progress
from clipsim.errors import ClipsimError, UsageError
from clipsim.options import Options

if TYPE_CHECKING:
    from clipsim.tuning import TowerSettings

Pairs = Annotated[
    str,
    Argument(
        metavar="PAIRS", help="a CSV with the columns file and caption, COCO captions as JSON, or a Flickr8k token file"
    ),
]
Pictures = Annotated[str | None, Option(metavar="FOLDER", help="with the pictures; default: that of PAIRS")]
Report = Annotated[str | None, Option(metavar="FILE", help="write a report: .html, or the plot as .png, .pdf or .svg")]
FalseMatches = Annotated[
    float, Option(metavar="SHARE", help="of random pairs that may be called a match; weak are five times as many")
]
DryRun = Annotated[bool, Option("--dry-run", help="measure only, and go on with the cut-offs that there are")]
TunePairs = Annotated[
    str,
    Argument(
        metavar="PAIRS",
        help="captions as for calibrate; a CSV with the columns file and label; or a folder with one for each label",
    ),
]
To = Annotated[str, Option("--to", metavar="DIR", help="the folder to write, which is not there yet or empty")]
Method = Annotated[
    Literal["head", "lora", "full"],
    Option(help="head: a map in closed form on any model, seconds; lora, full: train a CLIP or SigLIP's networks"),
]
Strength = Annotated[str, Option(metavar="auto|NUMBER", help="how much of the change is kept; auto chooses")]
KeepGeneral = Annotated[
    str | None, Option(metavar="FILE", help="general pictures with captions or labels, which may not be lost")
]
MayLose = Annotated[float, Option(metavar="POINTS", help="that general pictures may lose")]
Epochs = Annotated[
    int | None, Option(help="lora, full: how often each picture is seen; default: 20, or 200 steps", min=1)
]
LearningRate = Annotated[
    float | None, Option(metavar="RATE", help="lora, full: default 2e-4 or 5e-6, more for networks that are narrow")
]
Batch = Annotated[int | None, Option(help="lora, full: pictures a step; default: 64", min=2)]
Rank = Annotated[int | None, Option(help="lora: of its matrices; default: 2", min=1)]
Seed = Annotated[int, Option(help="of the split of the pictures", min=0)]


def calibrate(
    pairs: Pairs,
    model: common.Model = "auto",
    pictures: Pictures = None,
    device: common.Device = "auto",
    precision: common.Precision = "auto",
    framing: common.Framing = "crop",
    contrast: common.Contrast = "as-is",
    prompt: common.Prompt = "as-written",
    false_matches: FalseMatches = 0.01,
    report: Report = None,
    dry_run: DryRun = False,
    format: common.TableOrJson = "table",
) -> None:
    """Learn a model's cut-offs from your own captioned pictures, 50 at least, and use them from now on.

    They are kept beside the model, and every command, the page and the API use them. All rates are of pictures and
    captions that were held out. Exit status: 0 done, 1 it could not be kept or written, 2 wrong use.
    """
    from clipsim.report import calibration_to_blocks, remark_calibration
    from clipsim.tuning import Aims

    common.check_place("--report", report)
    if not 0 < false_matches <= 0.1:
        raise UsageError(f"--false-matches is {false_matches:g}: give a share above 0, and 0.1 at most.")
    aims, options = Aims(false_matches, 5 * false_matches), Options(framing, contrast, prompt, precision)
    with show_progress(unit="pictures and captions") as bar:
        found = clipsim.calibrate(
            pairs, model, pictures=pictures, device=device, options=options, aims=aims, keep=not dry_run, progress=bar
        )
    for remark in remark_calibration(found):
        say(remark)
    if format == "json":
        print(found.to_json())
    else:
        show(calibration_to_blocks(found))
    if report is not None:
        found.save(report)


def tune(
    pairs: TunePairs,
    to: To,
    model: common.Model = "auto",
    method: Method = "head",
    strength: Strength = "auto",
    keep_general: KeepGeneral = None,
    may_lose: MayLose = 1.0,
    seed: Seed = 0,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    batch: Batch = None,
    rank: Rank = None,
    pictures: Pictures = None,
    device: common.Device = "auto",
    cache: common.Cache = None,
    format: common.TableOrJson = "table",
) -> None:
    """Tune a model to your own pictures, 20 at least, and save it if it is better and loses nothing elsewhere.

    The folder that comes out is given to --model wherever a model's name is, and has a report in it. All figures are of
    pictures that were held out. Exit status: 0 saved, 1 not saved, for the reason that is told, 2 wrong use.
    """
    from clipsim.cli.steps import FILE_BYTES
    from clipsim.embedding import VectorCache, use_cache
    from clipsim.encoders import load
    from clipsim.report import remark_tuning, tuning_to_blocks
    from clipsim.tuning import TuneOptions, check_folder

    towers = _choose_towers(method, epochs=epochs, learning_rate=learning_rate, batch=batch, rank=rank)
    options = TuneOptions(method, _parse_strength(strength), may_lose, keep_general, seed, towers)
    check_folder(Path(to))
    encoder = load(model, device)
    if cache is not None:
        use_cache(encoder, VectorCache(FILE_BYTES, Path(cache)))
    with show_progress(unit="pictures") as bar:
        found = clipsim.tune(pairs, encoder, to=to, pictures=pictures, options=options, progress=bar)
    for remark in remark_tuning(found):
        say(remark)
    if format == "json":
        print(found.to_json())
    else:
        show(tuning_to_blocks(found))
    if not found.saved:
        raise ClipsimError(f"Nothing was saved. {found.refused}")


def _choose_towers(method: str, **given: float | None) -> TowerSettings:
    """Return how networks are trained, by the options that were given.

    Raises:
        UsageError: an option is of no use to the method.
    """
    from clipsim.tuning import TowerSettings

    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name in chosen:
        if method == "head" or (name == "rank" and method == "full"):
            raise UsageError(
                f"--{name.replace('_', '-')} is of no use to {method}: leave it out, or use --method lora."
            )
    return TowerSettings(**chosen if method == "head" else {"method": method, **chosen})


def _parse_strength(text: str) -> float | None:
    try:
        return None if text == "auto" else float(text)
    except ValueError:
        raise UsageError(f"--strength is {text!r}: give a number, or auto.") from None
