"""Where a model runs, and which number formats the hardware calculates in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch

from clipsim.errors import EncoderError


def resolve_device(wanted: str) -> str:
    """Return the torch device that `wanted` stands for; auto is CUDA, else Apple MPS, else CPU.

    Args:
        wanted: a name that `clipsim.encoders.check_device` accepts.

    Raises:
        EncoderError: this machine has no such device.
    """
    if wanted == "cpu":
        return wanted
    available = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    if wanted == "auto":
        return next((kind for kind, count in available.items() if count), "cpu")
    kind, _, index = wanted.partition(":")
    if int(index or 0) >= available[kind]:
        raise EncoderError(f"device {wanted!r} is not on this machine: use auto or cpu")
    return wanted


def find_half_format(device: str) -> torch.dtype | None:
    """Return the 16-bit number format that the device calculates in; None if it has none."""
    if device != "cpu":
        return torch.float16
    abilities = read_capabilities()
    return torch.bfloat16 if abilities.get("avx512_bf16") or abilities.get("amx_bf16") else None


def read_capabilities() -> Mapping[str, Any]:
    """Return what torch knows about the processor; older releases of torch know nothing."""
    known: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return known


def borrow_gpu(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Wrap a function that needs a GPU for a ZeroGPU Space, where no other code has one; elsewhere change nothing.

    There app.py imports `spaces` before torch, as it has to.
    """
    return sys.modules["spaces"].GPU(function) if "spaces" in sys.modules else function
