"""What the commands share: the types of their arguments and options, messages, tables, a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from typer import Argument, CallbackParam, Option

from clipsim import options
from clipsim.errors import UsageError

if TYPE_CHECKING:
    from clipsim.collections.ray import Ray
    from clipsim.embedding import Progress
    from clipsim.report import Block

T = TypeVar("T", str, list[str], str | None)


def check(chosen: T, parameter: CallbackParam) -> T:
    """Return the device, or the names of models; raise a `ChoiceError` with the known ones if it can be none."""
    from clipsim import encoders

    if parameter.name == "second_opinion" and isinstance(chosen, str):
        from clipsim.judges import check_judge

        check_judge(chosen)
        return chosen
    for name in [chosen] if isinstance(chosen, str) else chosen or ():
        (encoders.check_device if parameter.name == "device" else encoders.check_name)(name)
    return chosen


def _choose(what: str, choices: Mapping[Any, str]) -> Any:
    return Option(help=f"{what}. {'; '.join(f'{name}: {meaning}' for name, meaning in choices.items())}")


_PROMPTS = {
    name: f"“{templates[0].replace('{}', '…')}”" if len(templates) == 1 else f"the mean of {len(templates)} such"
    for name, templates in options.PROMPTS.items()
}
Caption = Annotated[str, Argument(metavar="CAPTION", help="what the pictures should show")]
Images = Annotated[list[str], Argument(metavar="IMAGE...", help="files, and folders, which are walked")]
Folder = Annotated[str, Argument(metavar="DIR", help="the collection's folder")]
Model = Annotated[str, Option(help="see `clipsim models`", callback=check)]
Device = Annotated[str, Option(help="auto, cpu, cuda, cuda:N or mps", callback=check)]
Precision = Annotated[options.Precision, _choose("what the model calculates in", options.PRECISIONS)]
Framing = Annotated[options.Framing, _choose("what of a picture the model sees", options.FRAMINGS)]
Contrast = Annotated[options.Contrast, _choose("the contrast of a picture", options.CONTRASTS)]
Prompt = Annotated[options.Prompt, _choose("the sentence in which the model reads the caption", _PROMPTS)]
SecondOpinion = Annotated[
    str | None,
    Option(metavar="JUDGE", help="ask blip-itm, vqascore or a judge in a folder of the best pictures", callback=check),
]
Opinions = Annotated[int, Option(metavar="N", min=1, help="of how many pictures a second opinion is asked")]
Cache = Annotated[str | None, Option(metavar="FILE", help="keep vectors in this file: nothing is encoded twice")]
TableOrJson = Annotated[Literal["table", "json"], Option(help="of the answer")]
TableJsonOrCsv = Annotated[Literal["table", "json", "csv"], Option(help="of the answer")]


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


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]], sides: str) -> None:
    """Print a `clipsim.report.TextTable`."""
    from clipsim.report import TextTable

    show([TextTable(head, rows, sides)])


def refuse(why: str, options: Mapping[str, bool]) -> None:
    """Raise a `UsageError` that says why, a clause, if any of these options was given, by name, and which."""
    if given := [option for option, was_given in options.items() if was_given]:
        raise UsageError(f"{why}: leave out {', '.join(given)}.")


def check_place(option: str, path: str | None) -> None:
    """Raise a `UsageError` unless a report can be written to the path that the option was given, if it was."""
    from clipsim.report import ENDINGS

    if path is not None and (Path(path).suffix.lower() not in ENDINGS or not Path(path).parent.is_dir()):
        endings = f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        raise UsageError(f"{path} cannot be written: give {option} a file in a folder that is there, {endings}.")


def choose_ray(engine: str, address: str, workers: int) -> Ray | None:
    """Return the engine ray if it is wanted; a `UsageError` for options of it that stand without it."""
    if engine != "ray":
        if address or workers:
            raise UsageError("--address and --workers go with --engine ray: add it, or leave them out.")
        return None
    from clipsim.collections.ray import Ray

    return Ray(address, workers)


@contextmanager
def show_progress(total: int = 0, unit: str = "pictures") -> Iterator[Progress]:
    """Draw a bar with rate and time left on a terminal, nothing in a pipe; `total` may be known only later."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich import progress as rich
    from rich.console import Console

    words = rich.TextColumn("{task.description} {task.fields[rate]}")
    columns = (rich.BarColumn(), rich.MofNCompleteColumn(), words, rich.TimeRemainingColumn())
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(unit, total=total or None, rate="")

        def advance(done: int, of: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, total=of or None, rate=f"{speed:.1f}/s" if speed else "")

        yield advance
