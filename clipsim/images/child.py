"""A process that decodes pictures for `clipsim.images.children`: `python -m clipsim.images.child DESCRIPTOR`.

It answers jobs until its parent is gone, each within as much time and memory as the job allows. It imports no more than
reading and framing take, so that it is small and there soon.
"""

from __future__ import annotations

import logging
import pickle
import resource
import signal
import sys
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from clipsim.errors import ImageError
from clipsim.images.costs import WORST_BYTES, estimate_bytes
from clipsim.images.jobs import ALL, READY, Job, Reply, pack
from clipsim.images.reading import open_image

LEFT = 100_000_000  # bytes that may be left after a job, of libraries that it needed too; with more the process ends


def main(connection: Connection) -> None:
    """Answer jobs until the other end is closed, or more memory is left than should be."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's, which is for the parent
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what a decoder has in memory when it crashes is a visitor's
    logging.disable()  # or what Pillow and its formats remark on a stranger's picture goes to the log
    warnings.simplefilter("ignore")
    Image.init()  # all formats, or they count as memory of the first picture
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the other children are the other threads
    start = _measure_memory()
    while _measure_memory() <= start + LEFT:
        try:
            connection.send_bytes(READY)
            job: Job = pickle.loads(connection.recv_bytes())
            # the system ends this process when the time is up, also where the parent is gone meanwhile
            signal.setitimer(signal.ITIMER_PROF, job.seconds)
            connection.send_bytes(pack(_answer(job, start)))
            signal.setitimer(signal.ITIMER_PROF, 0)
            del job  # or its bytes stay in memory until the next has come
        except (EOFError, OSError):  # the parent is gone
            return


def _answer(job: Job, start: int) -> Reply:
    """Do a job in at most the memory that it may take, beside that of this process at its `start`."""
    since, image = time.process_time(), None
    _limit_memory(start + job.allowed if start else resource.RLIM_INFINITY)
    try:
        image = open_image(job.source, job.name)
        needs = estimate_bytes(image)
        if needs > job.allowed:
            return Reply(needs=needs)
        return Reply(job.work(image, job.name))
    except MemoryError:
        lacks_memory = True
    except ImageError as error:
        lacks_memory = job.allowed < job.most and _may_lack_memory(error.__cause__, image, job.allowed)
        if not lacks_memory:
            return Reply(error=error)
    except Exception as error:
        return Reply(error=RuntimeError(f"{type(error).__name__} in the work on a picture: {error}"))
    finally:
        _limit_memory(resource.RLIM_INFINITY)
    return Reply(needs=ALL, spent=time.process_time() - since)


def _may_lack_memory(cause: BaseException | None, image: Image.Image | None, allowed: int) -> bool:
    """Return whether a picture may be readable with more memory than it was allowed: not every decoder says so."""
    if cause is None or isinstance(cause, UnidentifiedImageError):
        return False
    if isinstance(cause, MemoryError) or "memory" in str(cause).lower() or image is None:
        return True
    return image.width * image.height * WORST_BYTES > allowed


def _limit_memory(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


def _measure_memory() -> int:
    """Return the bytes of this process's address space; 0 where the system does not tell, and none is limited."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
