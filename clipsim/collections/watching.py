"""Following a folder: waiting for its changes, and keeping the model loaded meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from clipsim.collections.encoding import EncodedPart, Files, encode_files
from clipsim.collections.store.manifest import EmbeddingConfig
from clipsim.collections.store.runs import get_mark
from clipsim.encoders import Encoder
from clipsim.errors import ClipsimError, UsageError
from clipsim.images import Location, locate

if TYPE_CHECKING:
    from watchfiles import Change

TICK = 0.5  # seconds after which a watch looks whether it is to end


@dataclass(frozen=True)
class Pace:
    """When a change is followed, in seconds."""

    quiet: float = 1.0  # without a change, after which what was written is taken to be whole
    longest: float = 60.0  # after the first change, however much is being written
    recheck: float = 600.0  # without a change, after which the folder is looked through in any case
    rest: float = 1.0  # between two runs, as a multiple of what the last one took: half of the time is others'


class KeptModel:
    """An `Engine` in this process that keeps its models loaded from one run to the next.

    Attributes:
        loaded: the models, by how they encode; none before there is something to encode.
    """

    def __init__(self) -> None:
        """Load nothing."""
        self.loaded: dict[EmbeddingConfig, Encoder] = {}

    def __call__(
        self, files: Files, folder: Location, config: EmbeddingConfig, device: str, /
    ) -> Iterator[EncodedPart]:
        """Encode files as `encode_files` does."""
        if config not in self.loaded:
            self.loaded[config] = config.load(device)
        return encode_files(files, folder, config, device, encoder=self.loaded[config], mark=get_mark())


def wait_for_changes(
    source: str | Location, folder: str | Location, pace: Pace = Pace(), stop: Event | None = None
) -> Iterator[None]:
    """Yield at once, and then whenever a folder of pictures, or a list, may have changed, until `stop` is set.

    What happens while the caller is at work is kept for the next time. Hidden files, and those of the collection in
    `folder`, do not count. Where changes are not told, as of a folder on another machine, all that comes is the recheck
    of `pace`; WATCHFILES_FORCE_POLLING makes watchfiles look by itself there.

    Raises:
        UsageError: the source lies at an address, or watchfiles is not installed.
        ClipsimError: there is no such folder or list when this begins, or it cannot be watched.
    """
    source, own, stop = locate(source), locate(folder), stop or Event()
    if not isinstance(source, Path):
        raise UsageError(f"{source} is at an address, where changes are not told: watch a folder on this machine.")
    if not source.exists():
        raise ClipsimError(f"{source} is not there: give a folder, or a list.")
    source, own = source.resolve(), own.resolve() if isinstance(own, Path) else source / ".nothing"
    while not stop.is_set():
        try:
            yield from _watch(source, own, pace, stop)
        except FileNotFoundError:  # unmounted, it may come back
            yield
            stop.wait(pace.recheck)


def _watch(source: Path, own: Path, pace: Pace, stop: Event) -> Iterator[None]:
    """Yield once the watch is set, and for each change; end when there was none for long.

    The next watch is a new one: a folder that was unmounted and mounted again is another one.
    """
    try:
        import watchfiles
    except ImportError as error:
        raise UsageError('What watches folders is not installed: run pip install "clipsim[watch]".') from error
    alone = source.is_file()

    def counts(_: Change, path: str) -> bool:
        one = Path(path)
        if alone:
            return one == source
        inside = one.relative_to(source).parts if one.is_relative_to(source) else ()
        return not any(part.startswith(".") for part in inside) and not one.is_relative_to(own)

    try:
        last = None
        for changes in watchfiles.watch(
            source.parent if alone else source,
            watch_filter=counts,
            recursive=not alone,
            step=round(pace.quiet * 1000),
            debounce=round(pace.longest * 1000),
            rust_timeout=round(TICK * 1000),
            yield_on_timeout=True,
            stop_event=stop,
            ignore_permission_denied=True,
        ):
            began = time.monotonic()
            if last is not None and not changes:
                if began - last > pace.recheck:
                    return
                continue
            yield
            last = time.monotonic()
            stop.wait((last - began) * pace.rest)
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:
        sentence = f"{source} cannot be watched ({error}): allow more by fs.inotify.max_user_watches, or set "
        raise ClipsimError(f"{sentence}WATCHFILES_FORCE_POLLING=1.") from error
