"""The commands for collections: `clipsim index`, `search`, `info` and `verify`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option
from typer.core import TyperCommand

from clipsim.cli.common import (
    CollectionArgument,
    DeviceOption,
    PrecisionOption,
    TableOrJson,
    check_model,
    say,
    show,
    show_progress,
)
from clipsim.errors import CaptionError, ClipsimError, UsageError
from clipsim.options import Choices, Contrast, Framing

if TYPE_CHECKING:
    from clipsim.collections import Engine, Hit, Report

COLUMNS = ("rank", "path", "cosine", "percentile", "verdict", "width", "height", "file_size", "modified", "model")
ALIKE = 0.97  # cosine of near duplicates


def index(
    folder: Annotated[
        str,
        Argument(
            metavar="FOLDER",
            help="with pictures, or a list of them: a text file with a path or an address a line, or a Parquet file; "
            "here or at an address such as s3://bucket/pictures",
        ),
    ],
    to: Annotated[str, Option(metavar="DIR", help="the collection's folder, made if it is missing; or an address")],
    column: Annotated[
        str | None,
        Option(help="of a Parquet file, that names the pictures; default: path, file or the like"),
    ] = None,
    model: Annotated[
        str | None, Option(help="of a new collection; see `clipsim models`; default: auto", callback=check_model)
    ] = None,
    framing: Annotated[Framing | None, Option(help="of a new collection, not tiles-best; default: crop")] = None,
    contrast: Annotated[Contrast | None, Option(help="of a new collection; default: as-is")] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    moved: Annotated[bool, Option("--moved", help="the collection's pictures lie in FOLDER now")] = False,
    kind: Annotated[
        Literal["exact", "pq", "ivf-pq"] | None,
        Option("--index", help="how it will be searched; default: what suits the number of pictures"),
    ] = None,
    engine: Annotated[Literal["local", "ray"], Option(help="what encodes")] = "local",
    address: Annotated[str, Option(help="with --engine ray: of a cluster; default: one on this machine")] = "",
    workers: Annotated[int, Option(metavar="N", help="with --engine ray: encoders; 0 for one a GPU or 4 cores")] = 0,
) -> None:
    """Bring a collection up to date with a folder of pictures.

    What is new or changed is encoded, what is gone is forgotten, the rest is left. A run that was killed goes on where
    it stopped. Exit status: 0 done, 1 not done or nothing could be read, 2 wrong use.
    """
    from clipsim.collections import index_folder

    chosen: Choices = {"precision": precision}
    if framing is not None:
        chosen["framing"] = framing
    if contrast is not None:
        chosen["contrast"] = contrast
    encoding = _choose_engine(engine, address, workers)
    with show_progress() as progress:
        done = index_folder(
            folder,
            to,
            model,
            device=device,
            column=column,
            moved=moved,
            index=kind,
            engine=encoding,
            progress=progress,
            **chosen,
        )
    _print_report(done, folder, to)


def _print_report(done: Report, folder: str, to: str) -> None:
    for bad in done.rejected:
        say(f"{bad.name} {bad.reason}.")
    total = done.added + done.changed + done.unchanged
    print(
        f"{total} pictures in {to}: {done.added} added, {done.changed} changed, {done.removed} removed, "
        f"{done.unchanged} unchanged, {len(done.rejected)} cannot be read; {done.seconds:.1f} s"
    )
    if not total:
        raise ClipsimError(f"None of the pictures in {folder} can be read: see what is wrong with each.")


def _choose_engine(engine: str, address: str, workers: int) -> Engine | None:
    if engine == "ray":
        from clipsim.collections.ray import Ray

        return Ray(address, workers)
    if address or workers:
        raise UsageError("--address and --workers go with --engine ray: add it, or leave them out.")
    return None


class SearchCommand(TyperCommand):
    """Lets `--duplicates` stand without a cosine, which typer's options cannot."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give `--duplicates` the usual cosine unless a number follows."""
        if "--duplicates" in args:
            place = args.index("--duplicates")
            if not _is_number(*args[place + 1 : place + 2]):
                args = [*args[:place], f"--duplicates={ALIKE}", *args[place + 1 :]]
        return super().parse_args(ctx, args)


def _is_number(word: str = "") -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def search(
    folder: CollectionArgument,
    caption: Annotated[str | None, Argument(metavar="CAPTION", help="what the pictures should show")] = None,
    image: Annotated[str | None, Option(metavar="IMAGE", help="find what is like this picture instead")] = None,
    duplicates: Annotated[
        float | None,
        Option(
            metavar="[COSINE]",
            help=f"list groups of near duplicates instead: pictures joined by this cosine ({ALIKE}) or a higher one",
        ),
    ] = None,
    top: Annotated[int, Option(metavar="N", min=1, help="how many")] = 10,
    path: Annotated[str | None, Option(metavar="GLOB", help="only paths that fit, such as '2026/*.jpg'")] = None,
    after: Annotated[
        str | None, Option(metavar="DATE", help="only files last written then or later, such as 2026-03-31")
    ] = None,
    before: Annotated[str | None, Option(metavar="DATE", help="only files last written before")] = None,
    exact: Annotated[bool, Option("--exact", help="compare with every picture, whatever index there is")] = False,
    device: DeviceOption = "auto",
    format: Annotated[Literal["table", "json", "csv", "jsonl"], Option(help="of the answer")] = "table",
) -> None:
    """Find the pictures of a collection that fit a caption or are like a picture.

    Exit status: 0 found, 1 nothing found, 2 wrong use.
    """
    from clipsim.collections import Collection

    if sum(one is not None for one in (caption, image, duplicates)) != 1:
        raise CaptionError("Give a caption, or --image, or --duplicates: one of them.")
    collection = Collection.open(folder)
    if duplicates is not None:
        _print_groups(collection.duplicates(duplicates), format)
        return
    encoder = collection.manifest.embedding.load(device)
    for note in encoder.notes:
        say(note)
    query = collection.vector_of(Path(image), encoder) if image is not None else caption or ""
    hits = collection.search(query, encoder, top, path=path, after=after, before=before, exact=exact)
    model = collection.manifest.embedding.model
    _print_hits(hits, {"caption": caption, "image": image, "model": model, "pictures": len(collection)}, format)
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


def _print_hits(hits: Sequence[Hit], asked: dict[str, Any], form: str) -> None:
    from clipsim import report

    rows = [_row(hit, asked["model"]) for hit in hits]
    if form == "json":
        print(json.dumps(asked | {"hits": rows}, indent=2, ensure_ascii=False))
    elif form == "jsonl":
        print("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), end="")
    elif form == "csv":
        print(report.write_rows(COLUMNS, rows), end="")
    elif hits:
        better = ["" if hit.percentile is None else report.percentile(hit.percentile) for hit in hits]
        cells = [
            [str(hit.rank), f"{hit.cosine:.3f}", fits, hit.verdict or "", hit.path]
            for hit, fits in zip(hits, better, strict=True)
        ]
        show([report.TextTable(["rank", "cosine", "better than", "verdict", "path"], cells, ">>><<")])


def _row(hit: Hit, model: str) -> dict[str, Any]:
    """Return a hit by the names of `COLUMNS`."""
    modified = datetime.fromtimestamp(hit.mtime).astimezone().isoformat(timespec="seconds")
    figures = (hit.rank, hit.path, hit.cosine, hit.percentile, hit.verdict)
    return dict(zip(COLUMNS, (*figures, *hit.size, hit.file_size, modified, model), strict=True))


def info(folder: CollectionArgument, format: TableOrJson = "table") -> None:
    """Say what a collection holds."""
    from clipsim.collections import Collection
    from clipsim.images import storage
    from clipsim.report import TextTable

    collection = Collection.open(folder)
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
    }
    if format == "json":
        print(json.dumps(facts, indent=2))
    else:
        show([TextTable(["", ""], [[name, str(fact)] for name, fact in facts.items()], "<<")])


def verify(folder: CollectionArgument) -> None:
    """Read all of a collection and say what is wrong with it; the exit status is 1 if anything is."""
    from clipsim.collections import Collection

    collection = Collection.open(folder)
    problems = collection.verify()
    for problem in problems:
        say(problem)
    if problems:
        raise ClipsimError(f"{folder} is damaged: index the pictures anew into an empty folder.")
    print(f"{folder} is sound: {len(collection)} pictures.")
