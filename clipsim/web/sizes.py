"""How much of the memory plain data take, so that what is kept can be limited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

OBJECT_BYTES = 64  # about what a number, or the frame of anything else, takes


def measure(value: Any) -> int:
    """Return about how many bytes data take: texts and bytes by their length, all else by how many there are."""
    if isinstance(value, str | bytes):
        return OBJECT_BYTES + len(value)
    if isinstance(value, Mapping):
        return OBJECT_BYTES + sum(measure(key) + measure(one) for key, one in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        numbers = sum(isinstance(one, float | int) for one in value)
        others = (measure(one) for one in value if not isinstance(one, float | int))
        return OBJECT_BYTES * (1 + numbers) + sum(others)
    if is_dataclass(value):
        return measure(vars(value)) if hasattr(value, "__dict__") else OBJECT_BYTES
    return OBJECT_BYTES
