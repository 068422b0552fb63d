"""The command that scores every picture with its own caption: `clipsim pairs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option

import clipsim
from clipsim.cli import common
from clipsim.cli.common import say, show, show_progress
from clipsim.errors import ClipsimError, UsageError
from clipsim.options import Contrast, Framing, Options, Precision, Prompt

if TYPE_CHECKING:
    from clipsim.collections import Collection
    from clipsim.collections.ray import Ray
    from clipsim.encoders import Encoder
    from clipsim.pairs import Engine, ScoredList

_LIST = "CSV, JSON lines, Parquet, WebDataset tars, COCO, Flickr8k, CLIPScore's JSON, or a folder of a data set"
ListFile = Annotated[str, Argument(metavar="FILE", help=_LIST)]
Pictures = Annotated[str | None, Option("--images", metavar="ROOT", help="with the pictures; default: that of FILE")]
To = Annotated[
    str | None,
    Option("--to", metavar="OUT", help="write the rows: .csv, .jsonl, .parquet, or no ending for what suits them"),
]
Keep = Annotated[float | None, Option(metavar="SHARE", help="write only this share of the rows, the best")]
MinPercentile = Annotated[float | None, Option(metavar="N", help="write only rows with this percentile or more")]
Verdict = Annotated[
    Literal["match", "weak", "not recognised"] | None, Option(help="write only rows with this verdict or a better one")
]
CollectionFolder = Annotated[
    str | None, Option("--collection", metavar="DIR", help="made by `clipsim index`: its vectors are used again")
]
References = Annotated[str | None, Option(metavar="FILE", help="JSON with right captions by picture: RefCLIPScore")]
PictureColumn = Annotated[str | None, Option(metavar="NAME", help="of paths, addresses or bytes; default: as named")]
CaptionColumn = Annotated[str | None, Option(metavar="NAME", help="of captions; default: caption, text or the like")]
Negatives = Annotated[int, Option(metavar="K", min=1, help="captions of the list that each is ranked among")]
Report = Annotated[str | None, Option(metavar="FILE", help="write a report: .html; .png, .pdf, .svg: a histogram")]


def pairs(
    file: ListFile,
    images: Pictures = None,
    to: To = None,
    keep: Keep = None,
    min_percentile: MinPercentile = None,
    verdict: Verdict = None,
    collection: CollectionFolder = None,
    references: References = None,
    picture_column: PictureColumn = None,
    caption_column: CaptionColumn = None,
    negatives: Negatives = 100,
    report: Report = None,
    model: Annotated[str | None, Option(help="default: auto, or the collection's", callback=common.check)] = None,
    device: common.Device = "auto",
    precision: common.Precision = "auto",
    framing: Annotated[Framing | None, Option(help="default: crop, or the collection's")] = None,
    contrast: Annotated[Contrast | None, Option(help="default: as-is, or the collection's")] = None,
    prompt: common.Prompt = "as-written",
    engine: Annotated[Literal["local", "ray"], Option(help="what scores; ray takes Parquet")] = "local",
    address: Annotated[str, Option(help="with --engine ray: of a cluster; default: one on this machine")] = "",
    workers: Annotated[int, Option(metavar="N", help="with --engine ray: encoders; 0 for one a GPU or 4 cores")] = 0,
    format: common.TableOrJson = "table",
) -> None:
    """Score every picture of a list with its own caption, and write the rows that are good enough.

    A run that was killed goes on where it stopped. Exit status: 0 scored, 1 nothing could be scored, 2 wrong use.
    """
    from clipsim.pairs import Cut, PairSettings, open_pairs, score_list

    common.check_place("--report", report)
    cut = Cut(keep, min_percentile, verdict)
    if cut and to is None:
        raise UsageError("--keep, --min-percentile and --verdict say which rows are written: add --to.")
    ray = common.choose_ray(engine, address, workers)
    given = open_pairs(
        file, images, picture_column=picture_column, caption_column=caption_column, references=references
    )
    known = None if collection is None else clipsim.Collection.open(collection)
    options = _choose_options(known, framing, contrast, prompt)
    encoder = _load(known, model, device, precision)
    with show_progress(unit="rows") as bar:
        settings = PairSettings(negatives=negatives)
        done = score_list(
            given,
            encoder,
            to,
            options=options,
            settings=settings,
            cut=cut,
            collection=known,
            progress=bar,
            engine=_make_engine(ray, device),
        )
    _print(done, format)
    if report is not None:
        done.summary.save(report)
    if not done.summary.scored:
        raise ClipsimError(f"None of the rows of {Path(file).name} can be scored: see what is wrong with each.")


def _make_engine(ray: Ray | None, device: str) -> Engine | None:
    """Return what scores on Ray; None for this process."""
    if ray is None:
        return None
    from clipsim.pairs.ray import RayPairs

    return RayPairs(ray, device)


def _load(known: Collection | None, model: str | None, device: str, precision: Precision) -> Encoder:
    """Load the model that is asked for, else that of the collection."""
    from clipsim.encoders import load

    if known is not None and model is None:
        return known.manifest.embedding.load(device)
    return load(model or "auto", device, precision)


def _print(done: ScoredList, form: str) -> None:
    """Print the summary, and on the standard error what could not be scored and where the rows are."""
    from clipsim import report

    for remark in report.remark_pairs(done.summary):
        say(remark)
    if form == "json":
        print(json.dumps(done.summary.to_dict() | {"path": str(done.path or "")}, ensure_ascii=False, indent=2))
    else:
        show(report.pairs_to_blocks(done.summary))
    for path in (done.path, done.bad_path):
        if path is not None:
            say(f"{path} is written.")


def _choose_options(
    known: Collection | None, framing: Framing | None, contrast: Contrast | None, prompt: Prompt
) -> Options:
    """Return how pictures are put to the model: as a collection has them, unless something else is asked for."""
    base = known.manifest.embedding.options if known is not None else Options()
    options = Options(framing or base.framing, contrast or base.contrast, prompt)
    if known is not None and (options.framing, options.contrast) != (base.framing, base.contrast):
        raise UsageError(
            f"The collection has framing {base.framing} and contrast {base.contrast}: leave --framing and --contrast "
            "out, or --collection."
        )
    return options
