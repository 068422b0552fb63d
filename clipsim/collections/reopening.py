"""Asking a collection once more where others have written to it since it was opened."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from clipsim.collections.store.segments import GoneError

if TYPE_CHECKING:
    from clipsim.collections.collection import Collection

P = ParamSpec("P")
T = TypeVar("T")


def retry_once(ask: Callable[Concatenate[Collection, P], T]) -> Callable[Concatenate[Collection, P], T]:
    """Let a method ask the collection as it is now, if files are gone that it had when it was opened.

    It is for what is answered whole: rows and vectors that are asked for one after the other would not fit together.
    """

    @wraps(ask)
    def ask_again(collection: Collection, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return ask(collection, *args, **kwargs)
        except GoneError:
            return ask(type(collection).open(collection.folder), *args, **kwargs)

    return ask_again
