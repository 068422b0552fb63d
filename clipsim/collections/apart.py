"""Running a generator in a process of its own, for libraries that may end the process that uses them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from clipsim.errors import ClipsimError

CHILD = "from clipsim.collections.apart import serve; serve()"
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 10.0  # seconds to end, when nobody wants more


class EndedError(ClipsimError):
    """The process ended before what it ran was done, and without an error of its own."""


def run_apart(function: Callable[..., Iterator[Any]], *arguments: Any) -> Iterator[Any]:
    """Yield what a generator function yields in a process of its own, which ends with this one.

    Function, arguments and results are pickled. What goes to the standard output and error there is left out.

    Raises:
        EndedError: the process ended otherwise.
        ClipsimError: what the function raises.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert child.stdin and child.stdout
    try:
        try:
            pickle.dump((function, arguments), child.stdin)
            child.stdin.flush()  # and not closed: that it is tells the child that this process is gone
            while (message := pickle.load(child.stdout)) is not None:
                if isinstance(message, Exception):
                    raise message
                yield message[0]
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            raise EndedError(f"A process ended with status {child.wait(PATIENCE)} before it was done.") from error
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for stream in (child.stdin, child.stdout):
        with suppress(BrokenPipeError):
            if stream:
                stream.close()


def serve() -> None:
    """Be the process of `run_apart`."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no message
    function, arguments = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    message: object = None
    try:
        for one in function(*arguments):
            _send(output, (one,))
    except Exception as error:
        message = error
    _send(output, message)


def _send(output: Any, message: object) -> None:
    try:
        data = pickle.dumps(message)
        if isinstance(message, Exception):
            pickle.loads(data)
    except Exception:  # not all exceptions can be pickled, or made again
        data = pickle.dumps(ClipsimError(str(message)))
    output.write(data)
    output.flush()


def _end_with_parent() -> None:
    sys.stdin.buffer.read(1)
    os._exit(1)
