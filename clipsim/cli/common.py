"""What the commands share: the types of their options, messages, answers, a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from typer import Argument, Option

from clipsim.options import CONTRASTS, FRAMINGS, PRECISIONS, PROMPTS, Contrast, Framing, Precision, Prompt

if TYPE_CHECKING:
    from clipsim.embedding import Progress
    from clipsim.report import Block

T = TypeVar("T", str, list[str], str | None)


def _list_choices(choices: Mapping[Any, str]) -> str:
    return "; ".join(f"{name}: {meaning}" for name, meaning in choices.items())


def check_model(chosen: T) -> T:
    """Return the name or names of models; raise a `ChoiceError` that lists the known ones if one can be none."""
    from clipsim.encoders import check_name

    for name in [chosen] if isinstance(chosen, str) else chosen or ():
        check_name(name)
    return chosen


def _check_device(name: str) -> str:
    from clipsim.encoders import check_device

    check_device(name)
    return name


_SENTENCES = {
    name: f"“{templates[0].replace('{}', '…')}”" if len(templates) == 1 else f"the mean of {len(templates)} such"
    for name, templates in PROMPTS.items()
}
CaptionArgument = Annotated[str, Argument(metavar="CAPTION", help="what the pictures should show")]
ImagesArgument = Annotated[list[str], Argument(metavar="IMAGE...", help="files, and folders, which are walked")]
CollectionArgument = Annotated[str, Argument(metavar="DIR", help="the collection's folder")]
ModelOption = Annotated[str, Option(help="see `clipsim models`", callback=check_model)]
DeviceOption = Annotated[str, Option(help="auto, cpu, cuda, cuda:N or mps", callback=_check_device)]
PrecisionOption = Annotated[Precision, Option(help=f"what the model calculates in. {_list_choices(PRECISIONS)}")]
FramingOption = Annotated[Framing, Option(help=f"what of a picture the model sees. {_list_choices(FRAMINGS)}")]
ContrastOption = Annotated[Contrast, Option(help=f"the contrast of a picture. {_list_choices(CONTRASTS)}")]
PromptOption = Annotated[
    Prompt, Option(help=f"the sentence in which the model reads the caption. {_list_choices(_SENTENCES)}")
]
ReferenceOption = Annotated[str | None, Option(metavar="IMAGE", help="compare with this image, and leave CAPTION out")]
CacheOption = Annotated[str | None, Option(metavar="FILE", help="keep vectors in this file: nothing is encoded twice")]
TableOrJson = Annotated[Literal["table", "json"], Option("--format", help="of the answer")]
TableJsonOrCsv = Annotated[Literal["table", "json", "csv"], Option("--format", help="of the answer")]


def say(message: str) -> None:
    """Tell the user, on the standard error."""
    from clipsim.report import printable

    print(f"clipsim: {printable(message)}", file=sys.stderr)


def show(blocks: Sequence[Block]) -> None:
    """Print blocks below each other: coloured and fitted on a terminal, as plain aligned text when piped."""
    if not sys.stdout.isatty():
        print("\n\n".join(map(str, blocks)))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    for i, block in enumerate(blocks):
        console.print(*([""] if i else []), block, sep="\n", soft_wrap=isinstance(block, str))


@contextmanager
def show_progress(total: int = 0, unit: str = "pictures") -> Iterator[Progress]:
    """Draw a bar with rate and time left on a terminal, nothing in a pipe; `total` may be known only later."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich import progress as rich
    from rich.console import Console

    words = [rich.TextColumn(text) for text in (unit, "{task.fields[rate]}")]
    columns = (rich.BarColumn(), rich.MofNCompleteColumn(), *words, rich.TimeRemainingColumn())
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total or None, rate="")

        def advance(done: int, of: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, total=of or None, rate=f"{speed:.1f}/s" if speed else "")

        yield advance
