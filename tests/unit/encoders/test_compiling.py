"""Networks that torch compiles where the environment asks for it, and what is said where it cannot."""

from __future__ import annotations

from shutil import which

import numpy as np
import pytest
import torch
from support import paint

from clipsim.encoders.torch_encoder import TorchEncoder
from clipsim.errors import EncoderError, UsageError
from clipsim.settings import COMPILE, wants_compiling


class Small(TorchEncoder):
    """One product."""

    width = 8

    def __init__(self) -> None:
        super().__init__("small", "cpu")

    def _load(self) -> None:
        self._weight = torch.randn(3 * 16 * 16, self.width, generator=torch.Generator().manual_seed(0))

    def _image_vectors(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.float().flatten(1) @ self._weight

    def _text_vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def _relevance(self, pixels: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class ByOneDnn(Small):
    """The same by an operator of oneDNN, for which torch's compiler has no kernel without a graph of its own making."""

    def _image_vectors(self, pixels: torch.Tensor) -> torch.Tensor:
        flat = pixels.float().flatten(1)
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(flat, self._weight.T, None, "none", [], "")
        return product


VIEWS = [paint(16, 16, seed=seed) for seed in range(21)]


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="needs oneDNN")  # type: ignore[no-untyped-call]
def test_a_network_that_cannot_be_compiled_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMPILE, "1")
    with pytest.raises(EncoderError, match=r"^small cannot be compiled here \(.*\): take CLIPSIM_COMPILE away$"):
        ByOneDnn().encode_views(VIEWS)


@pytest.mark.skipif(not which("g++"), reason="torch compiles by g++ on a CPU")
def test_a_network_that_is_compiled_gives_the_same_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Small().encode_views(VIEWS)
    monkeypatch.setenv(COMPILE, "1")
    encoder = Small()
    assert encoder.encode_views([]).shape == (0, 8)
    for count in (21, 1, 4):
        assert np.abs(encoder.encode_views(VIEWS[:count]) - plain[:count]).max() < 1e-5
    assert encoder._compiled is not None


@pytest.mark.parametrize(("value", "wanted"), [("", False), ("0", False), (" 1 ", True)])
def test_compiling_is_asked_for_by_the_environment(monkeypatch: pytest.MonkeyPatch, value: str, wanted: bool) -> None:
    monkeypatch.setenv(COMPILE, value)
    assert wants_compiling() == wanted


def test_what_is_neither_yes_nor_no_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMPILE, "yes")
    with pytest.raises(UsageError, match="CLIPSIM_COMPILE is 'yes': set it to 1, or to 0"):
        wants_compiling()
