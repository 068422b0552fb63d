"""The command `clipsim evaluate`: retrieval metrics of a collection's model on a file of captions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from clipsim.cli.common import DeviceOption, PromptOption, TableOrJson, say, show, show_progress

if TYPE_CHECKING:
    pass


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
    from clipsim import report
    from clipsim.collections import Collection
    from clipsim.evaluation import evaluate as measure

    opened = Collection.open(collection)
    encoder = opened.manifest.embedding.load(device)
    with show_progress(unit="captions") as progress:
        found = measure(captions, opened, encoder, prompt=prompt, progress=progress)
    for remark in report.remark_evaluation(found):
        say(remark)
    if format == "json":
        print(json.dumps(found.to_dict(), ensure_ascii=False, indent=2))
    else:
        show(report.evaluation_to_blocks(found))
