"""Tokenizers that are not transformers', with as much of its manners as `TorchEncoder` needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Tokenizer:
    """A tokenizer of another library."""

    pad_token_id = 0  # as captions are filled up, whatever stands for that token

    def __init__(self, encode: Callable[[str, bool], list[int]], size: int) -> None:
        """Take its function, from a text and whether to add the first and the end token to ids, and how many it has."""
        self._encode, self._size = encode, size

    def __len__(self) -> int:
        """Return how many tokens there are."""
        return self._size

    def __call__(
        self, texts: str | list[str], *, max_length: int | None = None, add_special_tokens: bool = True, **_: Any
    ) -> dict[str, Any]:
        """Return the ids of one or several texts, cut to `max_length` with the end token kept."""
        if isinstance(texts, str):
            return {"input_ids": self([texts], add_special_tokens=add_special_tokens)["input_ids"][0]}
        ids = [self._encode(text, add_special_tokens) for text in texts]
        if max_length:
            ids = [one if len(one) <= max_length else [*one[: max_length - 1], one[-1]] for one in ids]
        return {"input_ids": ids}
