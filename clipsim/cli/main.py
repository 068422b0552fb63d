"""The command `clipsim`: its commands, and how it ends."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from typer.main import get_command

import clipsim
from clipsim.cli import check, collections, models, pairs, score, tuning
from clipsim.cli.common import say
from clipsim.errors import ClipsimError

app = typer.Typer(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 1 nothing could be done, 2 wrong use, 130 interrupted.

    `arguments` are words without the name of the program; None for those of this process.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name need not be valid text; it is shown with escapes then
            stream.reconfigure(errors="backslashreplace")
    warnings.filterwarnings("ignore", "Image size .* exceeds limit")  # of Pillow; the project's own limit is lower
    try:
        get_command(app).main(arguments, prog_name="clipsim")
    except ClipsimError as error:
        say(str(error))
        return error.exit_code
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 1
    return 0


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"clipsim {clipsim.__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show it and exit.")]


@app.callback()
def describe(version: Version = False) -> None:
    """How well does this caption fit these pictures?"""


_COMMANDS: tuple[Callable[..., None], ...] = (score.score, score.table, score.compare, pairs.pairs, collections.index)
_COMMANDS += (check.check,)
_COMMANDS += (collections.search, collections.info, collections.verify, collections.evaluate)
_COMMANDS += (tuning.calibrate, tuning.tune, models.models)
for command in _COMMANDS:
    app.command(cls=collections.SearchCommand if command is collections.search else None)(command)


@app.command("app")
def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on, such as 0.0.0.0 for other machines")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on", min=1, max=65535)] = None,
) -> None:
    """Open the page in the browser, and serve it until it is interrupted."""
    from clipsim.web.page import launch

    launch(host=host, port=port, in_browser=host is None and sys.stdout.isatty())
