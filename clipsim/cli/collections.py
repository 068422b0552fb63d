"""The commands for collections: `clipsim index`, `search`, `info`, `verify` and `evaluate`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Exit, Option
from typer.core import TyperCommand

import clipsim
from clipsim.cli import common
from clipsim.cli.common import say, show, show_progress, show_table
from clipsim.cli.watching import follow
from clipsim.errors import CaptionError, ClipsimError
from clipsim.options import Choices, Contrast, Framing

if TYPE_CHECKING:
    from clipsim.collections import Engine, Hit, Report

COLUMNS = ("rank", "path", "cosine", "percentile", "verdict", "width", "height", "file_size", "modified", "model")
ALIKE = 0.97  # cosine of near duplicates
UNREACHED = 3  # exit status of `index` where something was not there or could not be fetched
_SOURCE = "with pictures, or a list of them: a path or an address a line, or Parquet; here or at an address"
_MODEL = "of a new collection, default: auto; or one whose vectors a collection is to have too"
_REMOVALS = "let the collection lose more than half of its pictures, or a folder of a list that is not there"
_DUPLICATES = f"list groups of near duplicates instead: joined by this cosine ({ALIKE}), a higher one, or their look"
_EXACT = "compare with every picture, whatever index there is; with --duplicates, only files equal to the byte"
_AFTER = "only files last written then or later, such as 2026-03-31"
_ALSO = "another collection to search with it, for one ranking; may be given several times"
_CAPTIONS = "a CSV with the columns file and caption, COCO captions as JSON, or a Flickr8k token file"


def index(
    folder: Annotated[str, Argument(metavar="FOLDER", help=_SOURCE)],
    to: Annotated[str, Option(metavar="DIR", help="the collection's folder, made if it is missing; or an address")],
    column: Annotated[str | None, Option(help="of a Parquet file, with the paths; default: path or the like")] = None,
    model: Annotated[str | None, Option(help=_MODEL, callback=common.check)] = None,
    framing: Annotated[Framing | None, Option(help="of a new collection, not tiles-best; default: crop")] = None,
    contrast: Annotated[Contrast | None, Option(help="of a new collection; default: as-is")] = None,
    device: common.Device = "auto",
    precision: common.Precision = "auto",
    follow_links: Annotated[bool, Option("--follow-links", help="follow links to folders")] = False,
    allow_removals: Annotated[bool, Option("--allow-removals", help=_REMOVALS)] = False,
    moved: Annotated[bool, Option("--moved", help="the collection's pictures lie in FOLDER now")] = False,
    index: Annotated[Literal["exact", "pq", "ivf-pq"] | None, Option(help="how it will be searched")] = None,
    check: Annotated[bool, Option("--check", help="read the collection, and stop if a byte of it has changed")] = False,
    repair: Annotated[bool, Option("--repair", help="drop what is damaged, and encode only that again")] = False,
    engine: Annotated[Literal["local", "ray"], Option(help="what encodes")] = "local",
    address: Annotated[str, Option(help="with --engine ray: of a cluster; default: one on this machine")] = "",
    workers: Annotated[int, Option(metavar="N", help="with --engine ray: encoders; 0 for one a GPU or 4 cores")] = 0,
    watch: Annotated[bool, Option("--watch", help="go on, and follow what changes until interrupted")] = False,
) -> None:
    """Bring a collection up to date with a folder of pictures.

    What is new or changed is encoded, what was moved keeps its vector, what is gone is forgotten, the rest is left. A
    run that was killed goes on where it stopped. Exit status: 0 done, 1 not done or nothing could be read, 2 wrong use,
    3 done but for what was not there or could not be fetched, which the next run tries again.
    """
    ray = common.choose_ray(engine, address, workers)
    given: Choices = {"precision": precision}
    if framing is not None:
        given["framing"] = framing
    if contrast is not None:
        given["contrast"] = contrast

    def run(engine: Engine | None) -> Report:
        with show_progress() as bar:
            return clipsim.index_folder(
                folder,
                to,
                model,
                device=device,
                column=column,
                follow_links=follow_links,
                moved=moved,
                allow_removals=allow_removals,
                index=index,
                check=check,
                repair=repair,
                engine=engine,
                progress=bar,
                **given,
            )

    if watch:
        follow(folder, to, lambda kept: run(ray or kept), partial(_say_done, folder, to))
        return
    done = run(ray)
    _say_done(folder, to, done)
    if done.unreached or any(one.unreached for one in done.further.values()):
        raise Exit(UNREACHED)


def _say_done(folder: str, to: str, done: Report) -> None:
    """Print what a run did, for each model of the collection; a `ClipsimError` if the collection has no picture."""
    for note in dict.fromkeys(note for one in (done, *done.further.values()) for note in one.notes):
        say(note)
    for bad in done.rejected:
        say(f"{bad.name} {bad.reason}.")
    _print_counts(to, done)
    for model, further in done.further.items():
        _print_counts(f"{to} by {model}", further)
    if not done.pictures:
        raise ClipsimError(f"None of the pictures in {folder} can be read: see what is wrong with each.")


def _print_counts(to: str, done: Report) -> None:
    moves = f" ({done.moved} moved)" if done.moved else ""
    print(
        f"{done.pictures} pictures in {to}: {done.added} added, {done.changed} changed, {done.removed} removed, "
        f"{done.unchanged} unchanged{moves}, {len(done.rejected)} cannot be read; {done.seconds:.1f} s",
        flush=True,
    )


class SearchCommand(TyperCommand):
    """Lets `--duplicates` stand without a cosine, which typer's options cannot."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give `--duplicates` the usual cosine unless a number follows."""
        if "--duplicates" in args:
            place = args.index("--duplicates")
            try:
                float(args[place + 1])
            except (IndexError, ValueError):
                args = [*args[:place], f"--duplicates={ALIKE}", *args[place + 1 :]]
        return super().parse_args(ctx, args)


def search(
    folder: common.Folder,
    caption: Annotated[str | None, Argument(metavar="CAPTION", help="what the pictures should show")] = None,
    image: Annotated[str | None, Option(metavar="IMAGE", help="find what is like this picture instead")] = None,
    duplicates: Annotated[float | None, Option(metavar="[COSINE]", help=_DUPLICATES)] = None,
    top: Annotated[int, Option(metavar="N", min=1, help="how many")] = 10,
    path: Annotated[str | None, Option(metavar="GLOB", help="only paths that fit, such as '2026/*.jpg'")] = None,
    after: Annotated[str | None, Option(metavar="DATE", help=_AFTER)] = None,
    before: Annotated[str | None, Option(metavar="DATE", help="only files last written before")] = None,
    exact: Annotated[bool, Option("--exact", help=_EXACT)] = False,
    also: Annotated[list[str] | None, Option(metavar="DIR", help=_ALSO)] = None,
    model: Annotated[
        str | None, Option(help="whose vectors, if there are those of several; default: the first")
    ] = None,
    device: common.Device = "auto",
    format: Annotated[Literal["table", "json", "csv", "jsonl"], Option(help="of the answer")] = "table",
) -> None:
    """Find the pictures of a collection that fit a caption or are like a picture.

    Exit status: 0 found, 1 nothing found, 2 wrong use.
    """
    if sum(one is not None for one in (caption, image, duplicates)) != 1:
        raise CaptionError("Give a caption, or --image, or --duplicates: one of them.")
    collection = clipsim.Collection.open(folder, model)
    if duplicates is not None:
        _print_groups(collection.duplicates(duplicates, exact=exact), format)
        return
    from clipsim.scoring import note_caption

    for note in collection.manifest.notes:
        say(note)
    encoder = collection.manifest.embedding.load(device)
    for note in (*encoder.notes, *(note_caption(caption, encoder) if caption and caption.strip() else ())):
        say(note)
    query = collection.vector_of(Path(image), encoder) if image is not None else caption or ""
    others = [clipsim.Collection.open(one, model) for one in also or ()]
    hits = collection.search(query, encoder, top, path=path, after=after, before=before, exact=exact, also=others)
    about = {"model": collection.manifest.embedding.model, "pictures": sum(map(len, [collection, *others]))}
    _print_hits(hits, {"caption": caption, "image": image, **about}, format, bool(others))
    if not hits:
        raise ClipsimError(
            "Nothing was found: the collection is empty, or no picture passes --path, --after and --before."
        )


def _print_groups(groups: Sequence[Sequence[str]], form: str) -> None:
    from clipsim import report

    if form == "table":
        show(["\n".join(map(report.printable, group)) for group in groups] or ["There are no duplicates."])
    elif form == "csv":
        rows = [{"group": i, "path": path} for i, group in enumerate(groups, 1) for path in group]
        print(report.write_rows(("group", "path"), rows), end="")
    else:
        print(json.dumps(groups, indent=2) if form == "json" else "\n".join(map(json.dumps, groups)))


def _print_hits(hits: Sequence[Hit], query: dict[str, Any], form: str, several: bool) -> None:
    """Print what was found; of `several` collections, in which of them too."""
    from clipsim import report

    rows = [_describe_hit(hit, query["model"]) | ({"collection": hit.collection} if several else {}) for hit in hits]
    own = (*COLUMNS, "collection") if several else COLUMNS
    if form == "json":
        scores = [{"name": row["path"], **{key: one for key, one in row.items() if key != "path"}} for row in rows]
        # "hits" is for programs that were written before there were "scores"; the next version is without
        print(json.dumps(query | {"scores": scores, "hits": rows}, indent=2, ensure_ascii=False))
    elif form == "jsonl":
        print("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), end="")
    elif form == "csv":
        print(report.write_rows(own, [{name: row[name] for name in own} for row in rows]), end="")
    elif hits:
        columns = [column for column in report.SCORE_COLUMNS if column.name in COLUMNS]
        ends = [[hit.path, *([hit.collection] if several else [])] for hit in hits]
        cells = [[*(column.cell(hit) for column in columns), *end] for hit, end in zip(hits, ends, strict=True)]
        titles = [*(column.title for column in columns), "path", *(["collection"] if several else [])]
        show_table(titles, cells, ">>><" + "<" * len(titles[4:]))


def _describe_hit(hit: Hit, model: str) -> dict[str, Any]:
    modified = datetime.fromtimestamp(hit.mtime).astimezone().isoformat(timespec="seconds")
    figures = (hit.rank, hit.path, hit.cosine, hit.percentile, hit.verdict)
    row = dict(zip(COLUMNS, (*figures, *hit.size, hit.file_size, modified, model), strict=True))
    return row | ({"parts": [asdict(part) for part in hit.parts]} if hit.parts else {})


def info(folder: common.Folder, format: common.TableOrJson = "table") -> None:
    """Say what a collection holds."""
    from clipsim.collections.models import find_models
    from clipsim.images import storage

    collection = clipsim.Collection.open(folder)
    manifest, config = collection.manifest, collection.manifest.embedding
    files = [collection.folder / name for name in manifest.files()]
    facts = {
        "pictures": len(collection),
        "cannot be read": len(collection.rejected),
        "source": manifest.source,
        "model": config.model,
        "revision": config.revision,
        "precision": config.options.precision,
        "width": config.width,
        "framing": config.options.framing,
        "contrast": config.options.contrast,
        "segments": len(manifest.segments),
        "index": "approximate" if manifest.index else "exact",
        "bytes": sum(storage.get_size(file) for file in files if storage.exists(file)),
        "format": manifest.format,
        "further models": [one.model for one in find_models(collection.folder).values() if one],
    }
    if format == "json":
        print(json.dumps(facts, indent=2))
    else:
        show_table(
            ["", ""],
            [[name, ", ".join(fact) if isinstance(fact, list) else str(fact)] for name, fact in facts.items()],
            "<<",
        )


def verify(folder: common.Folder) -> None:
    """Read all of a collection and say what is wrong with it; the exit status is 1 if anything is."""
    from clipsim.collections.models import find_models

    collection = clipsim.Collection.open(folder)
    further = [clipsim.Collection.open(place) for place in find_models(collection.folder)]
    problems = [problem for one in (collection, *further) for problem in one.verify()]
    for problem in problems:
        say(problem)
    if problems:
        raise ClipsimError(f"{folder} is damaged: run index with --repair.")
    print(f"{folder} is sound: {len(collection)} pictures.")


def evaluate(
    captions: Annotated[str, Argument(metavar="CAPTIONS", help=_CAPTIONS)],
    collection: Annotated[str, Option(metavar="DIR", help="made by `clipsim index`")],
    device: common.Device = "auto",
    prompt: common.Prompt = "as-written",
    format: common.TableOrJson = "table",
) -> None:
    """Measure how well a collection's model finds pictures by captions, and captions by pictures.

    Recall at 1, 5 and 10, median rank and mean reciprocal rank, with 95 % confidence intervals. Exit status: 0
    measured, 1 nothing could be measured, 2 wrong use.
    """
    from clipsim import evaluation, report

    opened = clipsim.Collection.open(collection)
    encoder = opened.manifest.embedding.load(device)
    with show_progress(unit="captions") as bar:
        found = evaluation.evaluate(captions, opened, encoder, prompt=prompt, progress=bar)
    for remark in report.remark_evaluation(found):
        say(remark)
    if format == "json":
        print(json.dumps(found.to_dict(), ensure_ascii=False, indent=2))
    else:
        show(report.evaluation_to_blocks(found))
