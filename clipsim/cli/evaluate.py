"""The command `clipsim evaluate`: retrieval metrics of a collection's model on a file of captions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from clipsim.cli.common import DeviceOption, PromptOption, TableOrJson, say, show, show_progress

if TYPE_CHECKING:
    from clipsim.evaluation.retrieval import Evaluation, Retrieval
    from clipsim.report import Block


def evaluate(
    captions: Annotated[
        str,
        Argument(
            metavar="CAPTIONS",
            help="a CSV with the columns file and caption, COCO captions as JSON, or a Flickr8k token file",
        ),
    ],
    collection: Annotated[str, Option(metavar="DIR", help="made by `clipsim index`")],
    device: DeviceOption = "auto",
    prompt: PromptOption = "as-written",
    format: TableOrJson = "table",
) -> None:
    """Measure how well a collection's model finds pictures by captions, and captions by pictures.

    Recall at 1, 5 and 10, median rank and mean reciprocal rank, with 95 % confidence intervals. Exit status: 0
    measured, 1 nothing could be measured, 2 wrong use.
    """
    from clipsim.collections import Collection
    from clipsim.evaluation import retrieval

    opened = Collection.open(collection)
    encoder = opened.manifest.embedding.load(device)
    with show_progress(unit="captions") as progress:
        found = retrieval.evaluate(captions, opened, encoder, prompt=prompt, progress=progress)
    for remark in _remarks(found):
        say(remark)
    if format == "json":
        print(json.dumps(found.to_dict(), ensure_ascii=False, indent=2))
    else:
        show(_to_blocks(found))


def _remarks(found: Evaluation) -> list[str]:
    """Return what was left out, a sentence each."""
    from clipsim.evaluation.caption_files import some

    sentences = {
        f"{found.left_out} captions are left out, since the collection does not hold their pictures, or several of the "
        f"name: {some(list(found.missing))}.": found.left_out,
        f"{found.blank} captions are blank and left out.": found.blank,
        f"{found.without} pictures of the collection have no caption.": found.without,
    }
    return [sentence for sentence, count in sentences.items() if count]


def _to_blocks(found: Evaluation) -> list[Block]:
    """Return the metrics as a table, a line each, with their intervals."""
    from clipsim.evaluation.retrieval import CUTOFFS
    from clipsim.report import TextTable, printable

    ways = {"text to image": found.text_to_image, "image to text": found.image_to_text}
    names = ["queries", *(f"recall at {k}" for k in CUTOFFS), "median rank", "mean reciprocal rank"]
    columns = [names, *(column for way in ways.values() for column in _columns(way))]
    head = ["", *(title for way in ways for title in (way, "95 % interval"))]
    return [
        f"model   {printable(found.model)}\nprompt  {found.prompt}",
        TextTable(head, list(zip(*columns, strict=True)), "<><><"),
    ]


def _columns(way: Retrieval) -> tuple[list[str], list[str]]:
    """Return figures and their intervals in words."""
    from clipsim.report import percent

    estimates = [
        *((estimate, percent) for estimate in way.recall.values()),
        (way.median_rank, "{:g}".format),
        (way.mean_reciprocal_rank, "{:.3f}".format),
    ]
    return (
        [f"{way.queries} in {way.among}", *(form(one.value) for one, form in estimates)],
        ["", *(f"{form(one.low)} to {form(one.high)}" for one, form in estimates)],
    )
