"""Models that are loaded once for all who ask for them, and what somebody who waits for one is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

POLL_SECONDS = 0.3  # between what is told to who waits for a model that somebody else loads

Step = Literal["loading", "downloading", "reading", "judging"]
Tell = Callable[[Step, str, int, int], None]  # takes what is done, the model's name, how much is done, and in all
T = TypeVar("T")


class _Load:
    """A model that is being loaded: by one, for all who wait for it.

    Attributes:
        loading: held by who loads it.
        state: bytes that were downloaded, and in all.
    """

    def __init__(self) -> None:
        self.loading = threading.Lock()
        self.state = (0, 0)


class Loaded(Generic[T]):
    """Models by the name and precision that were asked for; the one that was used longest ago goes first."""

    def __init__(self, load: Callable[..., T], most: int, prepare: Callable[[T], None]) -> None:
        """Load by `load`, and keep `most` of them in memory, each after `prepare`."""
        self._load, self._most, self._prepare = load, most, prepare
        self._models: dict[tuple[str, str], T] = {}
        self._loads: dict[tuple[str, str], _Load] = {}
        self._changing = threading.Lock()

    def get(self, chosen: tuple[str, str], title: str, tell: Tell | None = None) -> T:
        """Return the model of that name and precision, which `tell` hears of by its title if it has to be loaded.

        Raises:
            ClipsimError: what `load` or `tell` raises.
        """
        if model := self._find(chosen):
            return model

        def hear() -> None:
            if tell:
                tell("downloading" if load.state[1] else "loading", title, *load.state)

        def progress(done: int, total: int) -> None:
            load.state = (done, total)
            hear()

        with self._changing:
            load = self._loads.setdefault(chosen, _Load())
        hear()
        while not load.loading.acquire(timeout=POLL_SECONDS):
            hear()
        try:
            name, precision = chosen
            return self._find(chosen) or self._keep(chosen, self._load(name, precision=precision, progress=progress))
        finally:
            with self._changing:
                self._loads.pop(chosen, None)
            load.loading.release()

    def list(self) -> dict[tuple[str, str], T]:
        """Return what is kept."""
        with self._changing:
            return dict(self._models)

    def _find(self, chosen: tuple[str, str]) -> T | None:
        with self._changing:
            model = self._models.pop(chosen, None)
            if model:
                self._models[chosen] = model  # the last is the one that was used last
            return model

    def _keep(self, chosen: tuple[str, str], model: T) -> T:
        self._prepare(model)
        with self._changing:
            self._models[chosen] = model
            while len(self._models) > self._most:
                del self._models[next(iter(self._models))]  # a request that still uses it keeps it until it is done
        return model
