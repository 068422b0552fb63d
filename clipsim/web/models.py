"""The encoders that a server keeps in memory, one for all visitors, and what somebody who waits for one is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal

from clipsim.embedding import VectorCache, use_cache, use_clock, use_decoder
from clipsim.encoders import DEFAULT, STAND_IN, Encoder, is_offline, list_absent
from clipsim.images import Decoder
from clipsim.options import Precision
from clipsim.web.turns import Turns

KEPT_MODELS = 2  # in memory at once; the one that was used longest ago goes first
POLL_SECONDS = 0.3  # between what is told to who waits for a model that somebody else loads

Step = Literal["loading", "downloading", "reading"]
Tell = Callable[[Step, str, int, int], None]  # takes what is done, the model's name, bytes that are had, bytes in all


class _Load:
    """A model that is being loaded: by one, for all who wait for it.

    Attributes:
        loading: held by who loads it.
        state: bytes that were downloaded, and in all.
    """

    def __init__(self) -> None:
        self.loading = threading.Lock()
        self.state = (0, 0)


class Models:
    """The encoders by the name and precision that were asked for; their vectors are kept in `cache`."""

    def __init__(
        self,
        load_encoder: Callable[..., Encoder],
        cache: VectorCache,
        decode: Decoder,
        clock: Callable[[float], object] = lambda _: None,
    ) -> None:
        """Load nothing before it is asked for; all share `cache`, and their pictures are opened by `decode`.

        `clock` is told what each batch of pictures takes, in seconds.
        """
        self._load, self.cache, self._decode, self._clock = load_encoder, cache, decode, clock
        self._encoders: dict[tuple[str, str], Encoder] = {}
        self._loads: dict[tuple[str, str], _Load] = {}
        self._changing = threading.Lock()
        self._turns = Turns()

    def get(self, name: str, precision: Precision = "auto", tell: Tell | None = None) -> Encoder:
        """Return the encoder of that name and precision, which `tell` hears of if it has to be loaded.

        Raises:
            ClipsimError: what `clipsim.load` or `tell` raises.
        """
        chosen = (name, precision)
        if encoder := self._find(chosen):
            return encoder
        title = DEFAULT.name if name == "auto" else name

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
            return self._find(chosen) or self._keep(chosen, self._load(name, precision=precision, progress=progress))
        finally:
            with self._changing:
                self._loads.pop(chosen, None)
            load.loading.release()

    def make_ready(self, name: str, precision: Precision, tell: Tell | None = None) -> None:
        """Load a model and read its weights, unless that is done; raise as `get`, and what reading raises."""
        encoder = self.get(name, precision, tell)
        if not encoder.ready:
            if tell:
                tell("reading", encoder.name, 0, 0)
            encoder.ensure_loaded()

    def loaded(self) -> list[Encoder]:
        """Return the encoders whose weights are read."""
        return [encoder for encoder in list(self._encoders.values()) if encoder.ready]

    def list_unavailable(self) -> frozenset[str]:
        """Return the names of models that cannot be had here, without asking the network.

        Their files are not on this machine, and the hub is switched off or did not give "auto" its model.
        """
        asked = [encoder for (name, _), encoder in list(self._encoders.items()) if name == "auto"]
        unreached = any(encoder.family == STAND_IN.family for encoder in asked)
        return list_absent() if unreached or is_offline() else frozenset()

    def _find(self, chosen: tuple[str, str]) -> Encoder | None:
        with self._changing:
            encoder = self._encoders.pop(chosen, None)
            if encoder:
                self._encoders[chosen] = encoder  # the last is the one that was used last
            return encoder

    def _keep(self, chosen: tuple[str, str], encoder: Encoder) -> Encoder:
        use_cache(encoder, self.cache)
        use_decoder(encoder, self._decode)
        encoder.turn = self._turns
        use_clock(encoder, self._clock)
        with self._changing:
            self._encoders[chosen] = encoder
            while len(self._encoders) > KEPT_MODELS:
                del self._encoders[next(iter(self._encoders))]  # a request that still uses it keeps it until it is done
        return encoder
