"""EfficientNet-Lite's convolutions, run with less work than the network's own forward does.

Batch norms are folded into the convolutions before them, channels lie last in memory, and on a CPU oneDNN, which torch
carries, clamps and adds in the step that convolves. In float32 the results are the network's own to rounding. There
a picture's bits do not depend on its batch, on any number of threads: with channels last a convolution is a product for
each place, summed over channels. Elsewhere they may, unless batches have one size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch.nn.functional import conv2d, pad
from torch.nn.utils.fusion import fuse_conv_bn_eval

from clipsim.encoders.devices import read_capabilities

# Blocks at the front that stay in float32: what they round goes through all others. Of none, 1, 3 and 6, of the 21 of
# EfficientNet-Lite2 in bfloat16, a picture takes 13, 13, 16 and 18 ms, and the features are off by 20, 12, 8 and 7e-3.
WIDE_BLOCKS = 3


@dataclass(frozen=True)
class Convolution:
    """A convolution with its batch norm in it.

    Attributes:
        weight: shape (out, in a group, height, width).
        bias: shape (out,).
        stride: along each side.
        padding: zeros on each side.
        groups: of channels that do not meet.
        clamps: whether its output is clamped to 0 to 6.
        skips: whether what went into the block is added to its output.
        fused: whether oneDNN clamps and adds in the same step.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    stride: int
    padding: int
    groups: int
    clamps: bool = True
    skips: bool = False
    fused: bool = False

    def run(self, values: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """Convolve values of shape (n, in, height, width); `before` is what `skips` adds."""
        place = [self.padding] * 2, [self.stride] * 2, [1, 1], self.groups
        if self.fused:
            given = values, self.weight, self.bias
            run: Any = torch.ops.mkldnn._convolution_pointwise
            if self.skips:
                added: torch.Tensor = run.binary(values, before, *given[1:], *place, "add", 1.0, None, [], None)
                return added
            fused: torch.Tensor = run(*given, *place, *(("hardtanh", [0.0, 6.0]) if self.clamps else ("none", [])), "")
            return fused
        made = conv2d(values, self.weight, self.bias, self.stride, self.padding, groups=self.groups)
        if self.clamps:
            made.clamp_(0, 6)
        return made.add_(before) if self.skips else made


class FoldedNetwork:
    """The network's features; what its last layer makes of them is left to the caller.

    Attributes:
        fused: whether it is run in fewer steps, and then a picture's bits do not depend on its batch.
        classify: the last layer, pooled features of shape (..., 1280) to logits of shape (..., 1000), in float32.
    """

    def __init__(
        self, kind: str, path: Path, device: str, dtype: torch.dtype = torch.float32, fused: bool | None = None
    ) -> None:
        """Read the weights, and fold them in float32 before most of them get their format.

        Args:
            kind: as `EfficientNet` names it.
            path: a file with its weights.
            device: of torch.
            dtype: what it calculates in behind the first `WIDE_BLOCKS` blocks.
            fused: see there; by default where `can_fuse`.
        """
        with torch.device("meta"):  # no random weights are drawn that the file's replace
            network = EfficientNet.from_name(kind)
        network.load_state_dict(torch.load(path, weights_only=True), assign=True)
        network.eval().requires_grad_(False)
        self.classify = network._fc.to(device)
        self.fused = can_fuse(device) if fused is None else fused
        place: dict[str, Any] = {"device": device, "fused": self.fused}
        self._stem = _fold(network._conv_stem, network._bn0, dtype=torch.float32, **place)
        formats = [torch.float32 if i < WIDE_BLOCKS else dtype for i in range(len(network._blocks))]
        pairs = zip(network._blocks, formats, strict=True)
        self._blocks = [_fold_block(block, dtype=own, **place) for block, own in pairs]
        self._head = _fold(network._conv_head, network._bn1, dtype=dtype, **place)

    def extract_features(self, values: torch.Tensor) -> torch.Tensor:
        """Return the last grid, float32 of shape (n, 1280, rows, columns), of pixel values (n, 3, height, width)."""
        values = values.to(memory_format=torch.channels_last)
        values = self._stem.run(values, values)
        for block in self._blocks:
            before = values = values.to(block[0].weight.dtype)
            for part in block:
                values = part.run(values, before)
        return self._head.run(values, values).float()


def can_fuse(device: str) -> bool:
    """Return whether oneDNN convolves there, which was measured on x86 processors."""
    mkldnn: Any = torch.backends.mkldnn
    x86 = device == "cpu" and read_capabilities().get("architecture") == "x86_64"
    return x86 and mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


def _fold_block(block: Any, **place: Any) -> list[Convolution]:
    """Return an inverted residual block's convolutions, in their order."""
    parts = [_fold(block._depthwise_conv, block._bn1, **place)]
    if hasattr(block, "_expand_conv"):
        parts.insert(0, _fold(block._expand_conv, block._bn0, **place))
    known = block._block_args
    skips = bool(block.id_skip) and known.stride == 1 and known.input_filters == known.output_filters
    return [*parts, _fold(block._project_conv, block._bn2, clamps=False, skips=skips, **place)]


def _fold(part: Any, norm: Any, *, device: str, dtype: torch.dtype, **known: bool) -> Convolution:
    """Return a convolution of the package with the batch norm behind it."""
    made = fuse_conv_bn_eval(part, norm)
    weight: torch.Tensor = made.weight
    left, right, *_ = getattr(made.static_padding, "padding", (0, 0))
    if left < right:
        # TensorFlow's "same" pads an even side behind only; a kernel with zeros in front takes as much on both sides
        weight = pad(weight, (right - left, 0, right - left, 0))
    placed = weight.to(device, dtype, memory_format=torch.channels_last)
    return Convolution(placed, made.bias.to(device, dtype), part.stride[0], right, part.groups, **known)
