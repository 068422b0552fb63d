"""Errors that clipsim raises on purpose.

Each message is one sentence: what was wrong with which input, and what to do. Each class has the exit status of the
command line and the HTTP status of the server.
"""

from __future__ import annotations

from collections.abc import Iterable


class ClipsimError(Exception):
    """Base of every error that clipsim raises on purpose; `str(error)` is fit to be shown to a person."""

    exit_code = 1
    http_status = 400

    def __reduce__(self) -> tuple[object, ...]:
        """Let the error cross processes with all that it carries."""
        return type(self).__new__, (type(self), *self.args), vars(self)


class UsageError(ClipsimError):
    """The request itself is wrong: no other data or machine would make it right."""

    exit_code = 2


class CaptionError(UsageError):
    """The caption cannot be scored: it is empty, is not valid text, or came together with a reference image."""


class ChoiceError(UsageError):
    """A name is not one of those that can be chosen.

    Attributes:
        what: what was to be chosen, for instance "framing".
        choice: what was given.
        choices: what may be given.
    """

    def __init__(self, what: str, choice: object, choices: Iterable[str]) -> None:
        """Say what was given and what may be."""
        self.what, self.choice, self.choices = what, choice, tuple(choices)
        super().__init__(f"{what} {choice!r} is not known: use {', '.join(self.choices)}")


class LimitError(UsageError):
    """A request is larger than a limit allows.

    Attributes:
        what: the field of `clipsim.settings.Limits` that was passed.
        count: how many there are.
        limit: how many there may be.
    """

    http_status = 413
    _SENTENCES = {  # noqa: RUF012  # read only
        "images": "There are {count} pictures, and the limit is {limit}: send fewer at once.",
        "captions": "There are {count} captions, and the limit is {limit}: send fewer at once.",
        "caption": "The caption has {count} characters, and the limit is {limit}: shorten it.",
        "text": "A text has {count} characters, and the limit is {limit}: shorten it.",
        "body_bytes": "The call is longer than {megabytes:g} MB, the limit: upload the pictures first.",
    }

    def __init__(self, what: str, count: int, limit: int) -> None:
        """Say how many there are and how many there may be."""
        self.what, self.count, self.limit = what, count, limit
        super().__init__(self._SENTENCES[what].format(count=count, limit=limit, megabytes=limit / 1e6))


class ImageError(ClipsimError):
    """A picture cannot be read.

    Attributes:
        name: the picture's name, as the caller knows it.
        reason: what is wrong with it and what to do, a clause that reads on from the name.
    """

    http_status = 422

    def __init__(self, name: str, reason: str) -> None:
        """Say which picture it is and why it cannot be read."""
        self.name, self.reason = name, reason
        super().__init__(f"{name} {reason}")


class EncoderError(ClipsimError):
    """A model cannot be loaded, a device is not on this machine, or a model does not work."""

    http_status = 503
