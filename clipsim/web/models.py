"""The encoders and judges that a server keeps in memory, one for all visitors."""

from __future__ import annotations

from collections.abc import Callable

from clipsim.embedding import VectorCache, use_cache, use_clock, use_decoder
from clipsim.encoders import DEFAULT, STAND_IN, Encoder, is_offline, list_absent
from clipsim.images import Decoder
from clipsim.judges import Judge, list_absent_judges, load_judge
from clipsim.options import Precision
from clipsim.web.loading import Loaded, Tell
from clipsim.web.turns import Turns

KEPT_MODELS = 2  # in memory at once; the one that was used longest ago goes first
KEPT_JUDGES = 1


class Models:
    """The encoders and judges by the name and precision that were asked for; their answers are kept in `cache`."""

    def __init__(
        self,
        load_encoder: Callable[..., Encoder],
        cache: VectorCache,
        decode: Decoder,
        clock: Callable[[float], object] = lambda _: None,
        load_judge: Callable[..., Judge] = load_judge,
    ) -> None:
        """Load nothing before it is asked for; all share `cache`, and their pictures are opened by `decode`.

        `clock` is told what each batch of pictures takes an encoder, in seconds.
        """
        self.cache, self._decode, self._clock = cache, decode, clock
        self._turns = Turns()
        self._encoders = Loaded(load_encoder, KEPT_MODELS, self._prepare_encoder)
        self._judges = Loaded(load_judge, KEPT_JUDGES, self._prepare)

    def get(self, name: str, precision: Precision = "auto", tell: Tell | None = None) -> Encoder:
        """Return the encoder of that name and precision, which `tell` hears of if it has to be loaded.

        Raises:
            ClipsimError: what `clipsim.load` or `tell` raises.
        """
        return self._encoders.get((name, precision), DEFAULT.name if name == "auto" else name, tell)

    def get_judge(self, name: str, precision: Precision = "auto", tell: Tell | None = None) -> Judge:
        """Return as `get` the judge of that name and precision, its weights read; raise as `clipsim.load_judge`."""
        judge = self._judges.get((name, precision), name, tell)
        if not judge.ready:
            if tell:
                tell("reading", judge.name, 0, 0)
            judge.ensure_loaded()
        return judge

    def make_ready(self, name: str, precision: Precision, tell: Tell | None = None) -> None:
        """Load a model and read its weights, unless that is done; raise as `get`, and what reading raises."""
        encoder = self.get(name, precision, tell)
        if not encoder.ready:
            if tell:
                tell("reading", encoder.name, 0, 0)
            encoder.ensure_loaded()

    def loaded(self) -> list[Encoder]:
        """Return the encoders whose weights are read."""
        return [encoder for encoder in self._encoders.list().values() if encoder.ready]

    def list_unavailable(self) -> frozenset[str]:
        """Return the names of models that cannot be had here, without asking the network.

        Their files are not on this machine, and the hub is switched off or did not give "auto" its model.
        """
        return list_absent() if self._is_cut_off() else frozenset()

    def list_unavailable_judges(self) -> frozenset[str]:
        """Return as `list_unavailable` the names of judges."""
        return list_absent_judges() if self._is_cut_off() else frozenset()

    def _is_cut_off(self) -> bool:
        asked = [encoder for (name, _), encoder in self._encoders.list().items() if name == "auto"]
        return is_offline() or any(encoder.family == STAND_IN.family for encoder in asked)

    def _prepare_encoder(self, encoder: Encoder) -> None:
        self._prepare(encoder)
        use_clock(encoder, self._clock)

    def _prepare(self, model: Encoder | Judge) -> None:
        use_cache(model, self.cache)
        use_decoder(model, self._decode)
        model.turn = self._turns
