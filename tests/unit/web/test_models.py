"""The encoders of a server: loaded once for all, and what who waits for one is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import ByMean, paint

import clipsim
from clipsim import ClipsimError, Encoder
from clipsim.embedding import VectorCache
from clipsim.encoders import DEFAULT, MODELS
from clipsim.images import decode_here
from clipsim.settings import Limits
from clipsim.web.models import Models
from clipsim.web.service import Question, Service

CACHE = 1_000_000
HUB_MODELS = {model.name for model in MODELS if model.hub_id}


class Lazy(ByMean):
    """Reads its weights when it is told to, and counts how often."""

    name = "lazy"
    ready = False
    reads = 0

    def ensure_loaded(self, *, words: bool = True) -> None:
        assert words
        self.ready = True
        self.reads += 1


def load_lazily(name: str, *, precision: str, progress: Callable[[int, int], None]) -> Encoder:
    assert name and precision
    progress(120, 605)
    return Lazy()


@pytest.fixture
def models() -> Models:
    return Models(load_lazily, VectorCache(CACHE), decode_here)


def test_who_waits_is_told_of_the_download_and_the_reading_and_nothing_the_second_time(models: Models) -> None:
    told: list[Any] = []
    for _ in range(2):
        models.make_ready("auto", "auto", lambda *what: told.append(what))
    loading, downloading = ("loading", DEFAULT.name, 0, 0), ("downloading", DEFAULT.name, 120, 605)
    assert told == [loading, downloading, ("reading", "lazy", 0, 0)]
    encoder = models.get("auto")
    assert isinstance(encoder, Lazy) and encoder.reads == 1
    assert models.loaded() == [encoder]


def test_a_small_checkpoint_is_read_before_the_first_picture(tiny_clip: Path, tmp_path: Path) -> None:
    service, told = Service(Limits(), tmp_path), list[Any]()
    question = Question([paint(9, 9)], "the cat", model=str(tiny_clip))
    service.make_ready(question, "", lambda *what: told.append(what))
    assert [step for step, *_ in told] == ["loading", "reading"]
    assert service.encoder(str(tiny_clip)).ready
    service.make_ready(question, "", lambda *what: told.append(what))
    assert len(told) == 2


def test_who_comes_while_another_loads_is_told_of_that_download_and_gets_that_encoder() -> None:
    begun, go = threading.Event(), threading.Event()
    loads = []

    def load(name: str, *, precision: str, progress: Callable[[int, int], None]) -> Encoder:
        loads.append((name, precision))
        progress(120, 605)
        begun.set()
        assert go.wait(30)
        return ByMean()

    def tell(*what: Any) -> None:
        told.append(what)
        if len(told) == 3:
            go.set()

    models, told, got = Models(load, VectorCache(CACHE), decode_here), list[Any](), list[Encoder]()
    other = threading.Thread(target=lambda: got.append(models.get("clip-vit-l-14")))
    other.start()
    assert begun.wait(30)
    encoder = models.get("clip-vit-l-14", tell=tell)
    other.join(30)
    assert got == [encoder] and loads == [("clip-vit-l-14", "auto")]
    assert set(told) == {("downloading", "clip-vit-l-14", 120, 605)}


def test_one_model_is_had_while_another_loads() -> None:
    begun, go = threading.Event(), threading.Event()

    def load(name: str, **_: Any) -> Encoder:
        if name == "slow":
            begun.set()
            assert go.wait(30)
        return ByMean()

    models = Models(load, VectorCache(CACHE), decode_here)
    slow = threading.Thread(target=models.get, args=("slow",))
    slow.start()
    assert begun.wait(30)
    assert models.get("quick").name == "by mean"
    go.set()
    slow.join(30)


def test_who_waits_can_end_it_and_the_next_one_loads(models: Models) -> None:
    def end(step: str, *_: Any) -> None:
        if step == "downloading":
            raise ClipsimError("Cancelled.")

    with pytest.raises(ClipsimError, match="Cancelled"):
        models.get("auto", tell=end)
    assert models.get("auto").name == "lazy"


def test_nothing_is_unavailable_while_the_hub_may_be_reached(
    models: Models, no_network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert models.list_unavailable() == HUB_MODELS
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert models.list_unavailable() == frozenset()
    assert not no_network.exists()


def test_after_auto_became_the_stand_in_what_is_not_here_is_unavailable(
    no_network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = Models(clipsim.load, VectorCache(CACHE), decode_here)
    assert models.get("auto").name == "stand-in"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert models.list_unavailable() == HUB_MODELS
    assert not no_network.exists()
