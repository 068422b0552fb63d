"""Products of bytes: weights with a scale for each output, values with one for each token, found at each call.

A picture's vector does not depend on what else is in the batch. Some channels reach much farther than others, which
would leave few steps for these: `prepare` evens that out in the float weights, after SmoothQuant (Xiao et al. 2023,
arXiv:2211.10438, equation 4 with alpha 0.5). It reads off the weights how far a channel reaches, and needs no pictures.
"""

from __future__ import annotations

from typing import Any, cast

import torch

from clipsim.encoders.packed import Packed

EVEN = 2.0  # times the shortest reach: channels that differ by less than this are left as they are
ZERO = 128  # what stands for 0: signed values go through oneDNN's reference code, which nobody would wait for


class Int8Linear(Packed):
    """A product of bytes, summed in whole numbers; all else is float32."""

    def pack(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Keep the weights, quantised, and the biases."""
        self.scales, self.bias = _scale_rows(weight)[:, 0], bias.clone()
        quantised = (weight / self.scales[:, None]).round().to(torch.int8)
        self.packed = torch.ops.onednn.qlinear_prepack(quantised, None)
        self.zeros = torch.zeros(len(weight), dtype=torch.int64)

    def multiply(self, values: torch.Tensor, added: torch.Tensor | None) -> torch.Tensor:
        """Compute `forward` without gradients; the values are overwritten."""
        scales = _scale_rows(values)
        products = self._multiply_bytes(values.mul_(scales.reciprocal()).round_().to(torch.int8))
        if added is None:
            return self.activation(torch.addcmul(self.bias, products, scales, out=products))
        return torch.addcmul(added, products, scales, out=products).add_(self.bias)

    def unpack(self) -> torch.Tensor:
        """Return the weights as they were rounded, shape (out, in)."""
        return self._multiply_bytes(torch.eye(self.width, dtype=torch.int8)).T

    @staticmethod
    def prepare(layer: Any) -> torch.Tensor:
        """Even out how far the channels reach that a layer's products take; return the factor behind its activation."""
        block, mlp = layer.self_attn, layer.mlp
        value = slice(-len(block.out_proj.weight), None)  # behind query and key
        factor = _smooth(layer.layer_norm1, block.joined, value, block.out_proj)
        block.joined.weight[value] *= factor[:, None]
        block.joined.bias[value] *= factor
        return _smooth(layer.layer_norm2, mlp.fc1, slice(None), mlp.fc2)  # which does not go through an activation

    def _multiply_bytes(self, values: torch.Tensor) -> torch.Tensor:
        unsigned, kept = values.bitwise_xor_(-ZERO).view(torch.uint8), (self.packed, self.scales, self.zeros)
        plain: tuple[Any, ...] = (None, 1.0, 0, torch.float32, "none", [], "")
        return cast(torch.Tensor, torch.ops.onednn.qlinear_pointwise(unsigned, 1.0, ZERO, *kept, *plain))


def _smooth(norm: Any, part: Any, rows: slice, after: Any) -> torch.Tensor:
    """Smooth what a product takes from a norm; return the factor for those of its outputs that another one takes."""
    square = norm.weight.square() + norm.bias.square()  # of what the norm gives, in the mean
    reach = (part.weight[rows].square() @ square + part.bias[rows].square()).sqrt()  # were its channels independent
    divisor = _balance(square.sqrt(), part)
    norm.weight.data, norm.bias.data = norm.weight / divisor, norm.bias / divisor
    return _balance(reach, after).reciprocal()


def _balance(reach: torch.Tensor, part: Any) -> torch.Tensor:
    """Multiply a product's weights by what its values, which reach so far, are to be divided by: shape (in,)."""
    divisor: torch.Tensor = (reach / part.weight.abs().amax(dim=0).clamp_min(1e-6)).sqrt().clamp_min(1e-3)
    divisor = divisor if divisor.max() > EVEN * divisor.min() else torch.ones_like(divisor)
    part.weight.data = part.weight * divisor
    return divisor


def _scale_rows(values: torch.Tensor) -> torch.Tensor:
    """Return what the numbers of each row are divided by to lie from -127 to 127: shape (..., 1)."""
    largest: torch.Tensor = torch.maximum(values.amax(-1, keepdim=True), -values.amin(-1, keepdim=True))
    return largest.div_(127).clamp_min_(1e-14)
