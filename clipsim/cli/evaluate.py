"""`python -m clipsim evaluate`: retrieval metrics of a collection's model on a file of captions."""

from __future__ import annotations

import argparse
import json
from typing import Any

from clipsim.evaluation.caption_files import some
from clipsim.evaluation.retrieval import CUTOFFS, Estimate, Evaluation, Retrieval, evaluate
from clipsim.options import PROMPTS
from clipsim.report.text import aligned, percent, printable


def add_command(commands: Any) -> None:
    """Add `evaluate` to the subparsers of the command line."""
    command: argparse.ArgumentParser = commands.add_parser(
        "evaluate",
        help="measure how well a collection's model finds pictures by captions",
        description="Recall at 1, 5 and 10, median rank and mean reciprocal rank of a collection's model on captions "
        "of its pictures, both ways, with 95 % confidence intervals. Exit status: 0 measured, 1 nothing could be "
        "measured, 2 wrong use.",
    )
    command.add_argument(
        "captions",
        metavar="CAPTIONS",
        help="a CSV with the columns file and caption, COCO captions as JSON, or a Flickr8k token file",
    )
    command.add_argument("--collection", metavar="DIR", required=True, help="made by `index`")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    command.add_argument("--prompt", default="as-written", choices=PROMPTS, help="as for `score`")
    command.add_argument("--format", default="table", choices=["table", "json"], help="default: table")
    command.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from clipsim.cli.main import progress_bar, say
    from clipsim.collections import Collection

    collection = Collection.open(options.collection)
    encoder = collection.manifest.embedding.load(options.device)
    with progress_bar(0, "caption") as progress:
        found = evaluate(options.captions, collection, encoder, prompt=options.prompt, progress=progress)
    for remark in remarks(found):
        say(remark)
    print(json.dumps(found.to_dict(), ensure_ascii=False, indent=2) if options.format == "json" else to_table(found))
    return 0


def remarks(found: Evaluation) -> list[str]:
    """What was left out, a sentence each."""
    sentences = {
        f"{found.left_out} captions are left out, since the collection does not hold their pictures, or several of the "
        f"name: {some(list(found.missing))}.": found.left_out,
        f"{found.blank} captions are blank and left out.": found.blank,
        f"{found.without} pictures of the collection have no caption.": found.without,
    }
    return [sentence for sentence, count in sentences.items() if count]


def to_table(found: Evaluation) -> str:
    """The metrics as aligned text for a terminal, a line each, with their intervals."""
    ways = {"text to image": found.text_to_image, "image to text": found.image_to_text}
    table = [["", *(cell for way in ways for cell in (way, "95 % interval"))]]
    table.append(["queries", *(cell for way in ways.values() for cell in (f"{way.queries} in {way.among}", ""))])
    for name, cells in zip(_NAMES, zip(*map(_cells, ways.values()), strict=True), strict=True):
        table.append([name, *(cell for pair in cells for cell in pair)])
    return f"model   {printable(found.model)}\nprompt  {found.prompt}\n\n{aligned(table, '<><><')}"


_NAMES = [*(f"recall at {k}" for k in CUTOFFS), "median rank", "mean reciprocal rank"]


def _cells(way: Retrieval) -> list[tuple[str, str]]:
    """Figure and interval in words, in the order of `_NAMES`."""
    return [
        *(_written(way.recall[k], percent) for k in CUTOFFS),
        _written(way.median_rank, "{:g}".format),
        _written(way.mean_reciprocal_rank, "{:.3f}".format),
    ]


def _written(estimate: Estimate, form: Any) -> tuple[str, str]:
    return form(estimate.value), f"{form(estimate.low)} to {form(estimate.high)}"
