"""Linear layers of a tower with one copy of their weights: joined, or packed in fewer bits than float32 for oneDNN."""

from __future__ import annotations

import ctypes
import mmap
import sys
from abc import abstractmethod
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn.functional import linear, silu

Activation = Callable[[torch.Tensor], torch.Tensor]
# By transformers' name: activations that oneDNN computes with the product.
_FUSED: dict[str, tuple[str, list[float], str]] = {
    "none": ("none", [], ""),
    "silu": ("swish", [], ""),
    "gelu": ("gelu", [], "none"),
    "gelu_pytorch_tanh": ("gelu", [], "tanh"),
}


class Packed(torch.nn.Module):
    """`activation(values @ weight.T + bias)`, or without an activation the product and `added` to it."""

    bias: torch.Tensor

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor, activation: Activation | None = None, name: str = "none"
    ) -> None:
        """Take weights of shape (out, in) and biases of shape (out,), in float32, and an activation with its name."""
        super().__init__()
        self.width, self.fused = weight.shape[1], _FUSED.get(name)
        self.activation: Activation = activation or torch.nn.Identity()
        self.pack(weight, bias)

    def forward(self, values: torch.Tensor, added: torch.Tensor | None = None) -> torch.Tensor:
        """Return shape (..., out) for values of shape (..., in), which may be overwritten.

        Where torch keeps gradients, they go through to the values, by weights that are unpacked for it.
        """
        if not torch.is_grad_enabled():
            return self.multiply(values, added)
        return self.activation(linear(values, self.unpack(), self.bias))

    @abstractmethod
    def pack(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Keep the weights and biases."""

    @abstractmethod
    def multiply(self, values: torch.Tensor, added: torch.Tensor | None) -> torch.Tensor:
        """Compute `forward` without gradients."""

    @abstractmethod
    def unpack(self) -> torch.Tensor:
        """Return the weights as they were rounded, shape (out, in)."""

    @staticmethod
    def prepare(layer: Any) -> torch.Tensor | None:  # noqa: ARG004  # the default changes nothing
        """Change the weights of a layer so that they pack well; return a factor for its activation's output, if any."""
        return None


class HalfLinear(Packed):
    """A product of bfloat16, summed in float32."""

    format = torch.bfloat16

    def pack(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Keep the weights and biases."""
        self.packed, self.bias = torch.ops.mkldnn._reorder_linear_weight(weight.to(self.format)), bias.to(self.format)

    def multiply(self, values: torch.Tensor, added: torch.Tensor | None) -> torch.Tensor:
        """Compute `forward` without gradients."""
        products: torch.Tensor
        if added is not None:
            products = torch.ops.mkldnn._linear_pointwise.binary(values, added, self.packed, self.bias, "add")
            return products
        fused = self.fused or _FUSED["none"]
        products = torch.ops.mkldnn._linear_pointwise(values, self.packed, self.bias, *fused)
        return products if self.fused else self.activation(products)

    def unpack(self) -> torch.Tensor:
        """Return the weights as they were rounded, shape (out, in)."""
        identity = torch.eye(self.width, dtype=self.format)
        weight: torch.Tensor = torch.ops.mkldnn._linear_pointwise(identity, self.packed, None, *_FUSED["none"]).T
        return weight


class FullLinear(HalfLinear):
    """A product of float32."""

    format = torch.float32


class Patches(torch.nn.Module):
    """A convolution whose steps are as long as its kernel, as one product, for which weights can be packed."""

    def __init__(self, convolution: Any, packing: type[HalfLinear]) -> None:
        """Pack the weights of a convolution, shape (out, channels, side, side)."""
        super().__init__()
        weight, bias = convolution.weight, convolution.bias
        self.side = weight.shape[-1]
        self.product = packing(weight.flatten(1), torch.zeros(len(weight)) if bias is None else bias)
        self.weight = self.product.bias  # whose number format callers ask for

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return shape (n, out, rows, columns) for pixels of shape (n, channels, height, width)."""
        rows, columns = (length // self.side for length in pixels.shape[-2:])
        cut = pixels[..., : rows * self.side, : columns * self.side]
        cells = cut.reshape(*cut.shape[:2], rows, self.side, columns, self.side).permute(0, 2, 4, 1, 3, 5)
        tokens: torch.Tensor = self.product(cells.flatten(3))
        return tokens.permute(0, 3, 1, 2)


def join_parts(block: Any) -> None:
    """Join the weights of query, key and value into `block.joined`, of which those are then parts."""
    parts = (block.q_proj, block.k_proj, block.v_proj)
    block.joined = SimpleNamespace()
    for kind in ("weight", "bias"):
        read = [getattr(part, kind).data for part in parts]
        setattr(block.joined, kind, torch.cat(read))
        for part, before, own in zip(parts, read, getattr(block.joined, kind).chunk(3), strict=True):
            getattr(part, kind).data = own
            forget(before)


def pack_patches(embeddings: Any, packing: type[Packed]) -> None:
    """Put a product, of bfloat16 or else of float32, in the place of the convolution that makes tokens of patches."""
    first = packing if issubclass(packing, HalfLinear) else FullLinear
    embeddings.patch_embedding = Patches(embeddings.patch_embedding, first)


def pack_layer(layer: Any, packing: type[Packed], hidden_act: str) -> None:
    """Put packed parts into a layer of `vit.arrange`, which frees its float weights."""
    block, mlp = layer.self_attn, layer.mlp
    read = [part.weight.data for part in (block.out_proj, mlp.fc1, mlp.fc2)]
    activation = mlp.activation_fn
    if hidden_act == "quick_gelu":  # silu(1.702 x) / 1.702, of which the factors go into the weights
        mlp.fc1.weight.data, mlp.fc1.bias.data = 1.702 * mlp.fc1.weight, 1.702 * mlp.fc1.bias
        mlp.fc2.weight.data, activation, hidden_act = mlp.fc2.weight / 1.702, silu, "silu"
    factor = packing.prepare(layer)
    needless = factor is None or bool((factor == 1).all())
    scaled = activation if needless else lambda values: activation(values).mul_(factor)
    block.joined = packing(block.joined.weight, block.joined.bias)
    block.out_proj = packing(block.out_proj.weight, block.out_proj.bias)
    mlp.fc1 = packing(mlp.fc1.weight, mlp.fc1.bias, scaled, hidden_act)
    mlp.fc2 = packing(mlp.fc2.weight, mlp.fc2.bias)
    del block.q_proj, block.k_proj, block.v_proj, mlp.activation_fn
    for weight in read:
        forget(weight)
    mlp.activation_fn = torch.nn.Identity()  # it is fc1's now


def forget(weight: torch.Tensor) -> None:
    """Give back the memory of a weight that nobody needs any more: a file that is mapped stays there as a whole.

    On Linux alone. What reads the weight again gets it from the file, if that is where it was.
    """
    if sys.platform == "linux" and weight.device.type == "cpu":
        first = -(-weight.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE  # of the pages that are the weight's alone
        length = (weight.data_ptr() + weight.nbytes - first) // mmap.PAGESIZE * mmap.PAGESIZE
        if length > 0:
            ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(length), mmap.MADV_DONTNEED)
