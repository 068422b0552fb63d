"""`clipsim index --watch`: the same run again and again, whenever the folder changes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from clipsim.cli.common import say
from clipsim.errors import ClipsimError, EncoderError, UsageError

if TYPE_CHECKING:
    from clipsim.collections import Engine, Report


def follow(source: str, to: str, run: Callable[[Engine], Report], tell: Callable[[Report], object]) -> None:
    """Call `run` now and for each change of the source, until the process is interrupted or terminated.

    `run` is given an engine that keeps its model loaded. Its report is told where something was done. What keeps one
    run from being done is said, and the next change waited for; wrong use, and a model that cannot be had, end it.
    """
    from clipsim.collections.watching import KeptModel, wait_for_changes

    engine, rejected = KeptModel(), None
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for _ in wait_for_changes(source, to):
            try:
                done = run(engine)
                if done.added or done.changed or done.removed or done.rejected != rejected:
                    tell(done)
                rejected = done.rejected
            except (UsageError, EncoderError):
                raise
            except ClipsimError as error:
                say(str(error))
    except KeyboardInterrupt:
        say(f"{source} is no longer watched; what was reported done is kept.")
    finally:
        signal.signal(signal.SIGTERM, before)
