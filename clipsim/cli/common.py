"""What the commands share: the types of their options, messages, answers, a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from clipsim.options import CONTRASTS, FRAMINGS, PROMPTS, Contrast, Framing, Precision, Prompt

if TYPE_CHECKING:
    from clipsim.embedding import Progress
    from clipsim.report import Block


def _list_choices(choices: Mapping[Any, str]) -> str:
    return "; ".join(f"{name}: {meaning}" for name, meaning in choices.items())


def check_model(name: str | None) -> str | None:
    """Return the name of a model; raise a `ChoiceError` that lists the known ones if it can be none."""
    if name is not None:
        check_models([name])
    return name


def check_models(names: list[str]) -> list[str]:
    """Return the names of models; raise a `ChoiceError` that lists the known ones if one can be none."""
    from clipsim.encoders import check_name

    for name in names:
        check_name(name)
    return names


def check_device(name: str) -> str:
    """Return the name of a device; raise a `ChoiceError` that lists the known ones if it is none."""
    from clipsim.encoders import check_device as check

    check(name)
    return name


_SENTENCES = {
    name: f"“{templates[0].replace('{}', '…')}”" if len(templates) == 1 else f"the mean of {len(templates)} such"
    for name, templates in PROMPTS.items()
}
CaptionArgument = Annotated[str, typer.Argument(metavar="CAPTION", help="what the pictures should show")]
ImagesArgument = Annotated[list[str], typer.Argument(metavar="IMAGE...", help="files, and folders, which are walked")]
CollectionArgument = Annotated[str, typer.Argument(metavar="DIR", help="the collection's folder")]
ModelOption = Annotated[str, typer.Option(help="see `clipsim models`", callback=check_model)]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps", callback=check_device)]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        help="full: float32; half: float16 or bfloat16, and large JPEGs at a smaller size, which is faster and moves "
        "cosines in the third decimal; auto: half on CUDA, else full"
    ),
]
FramingOption = Annotated[Framing, typer.Option(help=f"what of a picture the model sees. {_list_choices(FRAMINGS)}")]
ContrastOption = Annotated[Contrast, typer.Option(help=f"the contrast of a picture. {_list_choices(CONTRASTS)}")]
PromptOption = Annotated[
    Prompt, typer.Option(help=f"the sentence in which the model reads the caption. {_list_choices(_SENTENCES)}")
]
CacheOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="keep vectors, not pictures, in this file: no picture is encoded twice"),
]
TableOrJson = Annotated[Literal["table", "json"], typer.Option("--format", help="of the answer")]
TableJsonOrCsv = Annotated[Literal["table", "json", "csv"], typer.Option("--format", help="of the answer")]


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
