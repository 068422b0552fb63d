"""The commands for collections: `python -m clipsim index`, `search`, `info` and `verify`."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipsim.collections.store.ann import EXACT, KINDS
from clipsim.encoders import check_device
from clipsim.encoders.registry import check_name
from clipsim.errors import CaptionError, ClipsimError, UsageError
from clipsim.images import storage
from clipsim.options import CONTRASTS, FRAMINGS, PRECISIONS, Choices
from clipsim.report import text as report

if TYPE_CHECKING:
    from clipsim.collections import Collection, Engine, Hit

COLUMNS = ("rank", "path", "cosine", "percentile", "verdict", "width", "height", "file_size", "modified", "model")
DONE, NOTHING = 0, 1


def add_commands(commands: Any) -> None:
    """Add them to the parser's commands; each sets `run`, which returns the exit status."""
    _add_index(commands)
    _add_search(commands)
    for name, run, text in (
        ("info", _info, "say what a collection holds"),
        ("verify", _verify, "read all of a collection and say what is wrong with it; exit status 1 if anything is"),
    ):
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.add_argument("collection", metavar="DIR", help="the collection's folder")
        if name == "info":
            command.add_argument("--format", default="table", choices=["table", "json"], help="default: table")
        command.set_defaults(run=run)


def _add_index(commands: Any) -> None:
    from clipsim.cli.main import checked

    index = commands.add_parser(
        "index",
        help="bring a collection up to date with a folder of pictures",
        description="Encode what is new or changed in a folder, forget what is gone, leave the rest. A run that was "
        "killed goes on where it stopped. Exit status: 0 done, 1 not done or nothing could be read, 2 wrong use.",
    )
    index.add_argument(
        "folder",
        metavar="FOLDER",
        help="with pictures, or a list of them: a text file with a path or an address a line, or a Parquet file; here "
        "or at an address such as s3://bucket/pictures",
    )
    index.add_argument(
        "--to", metavar="DIR", required=True, help="the collection's folder, made if it is missing; or an address"
    )
    index.add_argument(
        "--column", help="of a Parquet file, that names the pictures; default: path, file, url or the like"
    )
    index.add_argument("--model", type=checked(check_name), help="of a new collection; see `models`; default: auto")
    index.add_argument("--framing", choices=FRAMINGS, help="of a new collection, not tiles-best; default: crop")
    index.add_argument("--contrast", choices=CONTRASTS, help="of a new collection; default: as-is")
    index.add_argument("--device", default="auto", type=checked(check_device), help="auto, cpu, cuda, cuda:N or mps")
    index.add_argument("--precision", default="auto", choices=PRECISIONS, help="as for `score`")
    index.add_argument("--moved", action="store_true", help="the collection's pictures lie in FOLDER now")
    index.add_argument(
        "--index", choices=KINDS, help="how it will be searched; default: what suits the number of pictures"
    )
    index.add_argument("--engine", default="local", choices=["local", "ray"], help="what encodes; default: local")
    index.add_argument("--address", default="", help="with --engine ray: of a cluster; default: one on this machine")
    index.add_argument(
        "--workers", type=int, default=0, metavar="N", help="with --engine ray: encoders; default: one a GPU or 4 cores"
    )
    index.set_defaults(run=_index)


def _add_search(commands: Any) -> None:
    search = commands.add_parser(
        "search",
        help="find the pictures of a collection that fit a caption or are like a picture",
        description="Find the pictures that fit best. Exit status: 0 found, 1 nothing found, 2 wrong use.",
    )
    search.add_argument("collection", metavar="DIR", help="the collection's folder")
    search.add_argument("caption", metavar="CAPTION", nargs="?", help="what they should show")
    search.add_argument("--image", metavar="PICTURE", help="find what is like this picture instead")
    search.add_argument(
        "--duplicates",
        metavar="COSINE",
        nargs="?",
        type=float,
        const=0.97,
        help="list groups of near duplicates instead: pictures joined by this cosine or a higher one (0.97)",
    )
    search.add_argument("--top", metavar="N", type=_positive, default=10, help="how many; default: 10")
    search.add_argument("--path", metavar="GLOB", help="only paths that fit, such as '2026/*.jpg'")
    search.add_argument("--after", metavar="DATE", help="only files last written then or later, such as 2026-03-31")
    search.add_argument("--before", metavar="DATE", help="only files last written before")
    search.add_argument("--exact", action="store_true", help="compare with every picture, whatever index there is")
    search.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    search.add_argument("--format", default="table", choices=["table", "json", "csv", "jsonl"], help="default: table")
    search.set_defaults(run=_search)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("give 1 or more")
    return number


def _index(options: argparse.Namespace) -> int:
    from clipsim.cli.main import progress_bar, say
    from clipsim.collections import index_folder

    engine = _engine(options)
    chosen: Choices = {"precision": options.precision}
    if options.framing:
        chosen["framing"] = options.framing
    if options.contrast:
        chosen["contrast"] = options.contrast
    with progress_bar(0) as progress:
        done = index_folder(
            options.folder,
            options.to,
            options.model,
            device=options.device,
            column=options.column,
            moved=options.moved,
            index=options.index,
            engine=engine,
            progress=progress,
            **chosen,
        )
    for bad in done.rejected:
        say(f"{bad.name} {bad.reason}.")
    total = done.added + done.changed + done.unchanged
    print(
        f"{total} pictures in {options.to}: {done.added} added, {done.changed} changed, {done.removed} removed, "
        f"{done.unchanged} unchanged, {len(done.rejected)} cannot be read; {done.seconds:.1f} s"
    )
    return DONE if total else NOTHING


def _engine(options: argparse.Namespace) -> Engine | None:
    if options.engine == "ray":
        from clipsim.collections.ray import Ray

        return Ray(options.address, options.workers, options.device)
    if options.address or options.workers:
        raise UsageError("--address and --workers go with --engine ray: add it, or leave them out.")
    return None


def _search(options: argparse.Namespace) -> int:
    from clipsim.cli.main import say
    from clipsim.collections import Collection

    if sum(one is not None for one in (options.caption, options.image, options.duplicates)) != 1:
        raise CaptionError("Give a caption, or --image, or --duplicates: one of them.")
    collection = Collection.open(options.collection)
    if options.duplicates is not None:
        return _duplicates(collection, options)
    encoder = collection.manifest.embedding.load(options.device)
    for note in encoder.notes:
        say(note)
    query = options.caption if options.image is None else collection.vector_of(Path(options.image), encoder)
    hits = collection.search(
        query,
        encoder,
        options.top,
        path=options.path,
        after=options.after,
        before=options.before,
        exact=options.exact,
    )
    if not hits:
        say("Nothing was found: the collection is empty, or no picture passes --path, --after and --before.")
    print(_form(hits, collection, options), end="")
    return DONE if hits else NOTHING


def _duplicates(collection: Collection, options: argparse.Namespace) -> int:
    groups = collection.duplicates(options.duplicates)
    if options.format == "table":
        print("\n\n".join("\n".join(map(report.printable, group)) for group in groups) or "There are no duplicates.")
    elif options.format == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([("group", "path"), *((i, path) for i, group in enumerate(groups, 1) for path in group)])
    else:
        print(json.dumps(groups, indent=2) if options.format == "json" else "\n".join(map(json.dumps, groups)))
    return DONE


def _form(hits: Sequence[Hit], collection: Collection, options: argparse.Namespace) -> str:
    model = collection.manifest.embedding.model
    rows = [_plain(hit, model) for hit in hits]
    if options.format == "json":
        asked = {"caption": options.caption, "image": options.image, "model": model, "pictures": len(collection)}
        return json.dumps(asked | {"hits": rows}, indent=2, ensure_ascii=False) + "\n"
    if options.format == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if options.format == "csv":
        return report.to_rows(COLUMNS, rows)
    return report.aligned([["rank", "cosine", "better than", "verdict", "path"], *map(_cells, hits)], ">>><<") + "\n"


def _plain(hit: Hit, model: str) -> dict[str, Any]:
    return {
        "rank": hit.rank,
        "path": hit.path,
        "cosine": hit.cosine,
        "percentile": hit.percentile,
        "verdict": hit.verdict,
        "width": hit.size[0],
        "height": hit.size[1],
        "file_size": hit.file_size,
        "modified": _date(hit.mtime),
        "model": model,
    }


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _cells(hit: Hit) -> list[str]:
    better = "" if hit.percentile is None else report.percentile(hit.percentile)
    return [str(hit.rank), f"{hit.cosine:.3f}", better, hit.verdict or "", report.printable(hit.path)]


def _info(options: argparse.Namespace) -> int:
    from clipsim.collections import Collection

    collection = Collection.open(options.collection)
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
        "index": "approximate" if manifest.index else EXACT,
        "bytes": sum(storage.size(file) for file in files if storage.exists(file)),
        "format": manifest.format,
    }
    if options.format == "json":
        print(json.dumps(facts, indent=2))
    else:
        print(report.aligned([["", ""], *([name, report.printable(str(fact))] for name, fact in facts.items())], "<<"))
    return DONE


def _verify(options: argparse.Namespace) -> int:
    from clipsim.cli.main import say
    from clipsim.collections import Collection

    collection = Collection.open(options.collection)
    problems = collection.verify()
    for problem in problems:
        say(problem)
    if problems:
        raise ClipsimError(f"{options.collection} is damaged: index the pictures anew into an empty folder.")
    print(f"{options.collection} is sound: {len(collection)} pictures.")
    return DONE
