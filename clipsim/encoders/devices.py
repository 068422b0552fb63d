"""Where a model runs, and which number formats the hardware calculates in."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch

from clipsim.errors import EncoderError

# By glibc's malloc.h, and in bytes: from which on a block is mapped by itself, the most that it allows, and how much
# stays at the top that nobody uses.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
OWN_MAPPING, KEPT_MEMORY = 32 << 20, 256 << 20


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


def has_int8() -> bool:
    """Return whether the processor multiplies bytes in one step, as x86 does by VNNI or AMX; others were not tried."""
    abilities = read_capabilities()
    return any(abilities.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))


def read_capabilities() -> Mapping[str, Any]:
    """Return what torch knows about the processor; older releases of torch know nothing."""
    known: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return known


def keep_freed_memory() -> None:
    """Have glibc keep memory that was freed for the next batch, up to `KEPT_MEMORY`, where the user has not said it.

    A batch frees and takes tens of megabytes for each layer, and Linux would fill each page with zeros anew.
    """
    if sys.platform == "linux" and not any(name.startswith("MALLOC_") for name in os.environ):
        with suppress(AttributeError):  # of other libraries than glibc
            allocator = ctypes.CDLL(None)
            allocator.mallopt(M_MMAP_THRESHOLD, OWN_MAPPING)
            allocator.mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY)


def borrow_gpu(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Wrap a function that needs a GPU for a ZeroGPU Space, where no other code has one; elsewhere change nothing.

    There app.py imports `spaces` before torch, as it has to.
    """
    return sys.modules["spaces"].GPU(function) if is_gpu_borrowed() else function


def is_gpu_borrowed() -> bool:
    """Return whether a GPU is lent by the call, to one at once, as on a ZeroGPU Space."""
    return "spaces" in sys.modules
