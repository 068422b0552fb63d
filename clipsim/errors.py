"""Errors that clipsim raises on purpose.

Each message is one sentence: what was wrong with which input, and what to do. For programs each error has a code, from
which the HTTP status of the server follows; each class has the exit status of the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

Code = Literal[
    "no_pictures",
    "no_caption",
    "bad_caption",
    "caption_and_reference",
    "not_uploaded",
    "web_address",
    "unreadable_picture",
    "too_many_pixels",
    "file_too_large",
    "nothing_scored",
    "too_many_pictures",
    "too_many_captions",
    "caption_too_long",
    "text_too_long",
    "body_too_large",
    "bad_value",
    "unknown_choice",
    "unknown_model",
    "same_model",
    "model_unavailable",
    "unknown_collection",
    "unknown_picture",
    "not_kept",
    "not_found",
    "busy",
    "disk_full",
    "too_slow",
    "cancelled",
    "failed",
    "internal",
]
CODES: tuple[Code, ...] = get_args(Code)
STATUSES: Mapping[Code, int] = {  # of HTTP; for what is not here it is 400, the request is wrong
    "unreadable_picture": 422,
    "too_many_pixels": 422,
    "nothing_scored": 422,
    "file_too_large": 413,
    "too_many_pictures": 413,
    "too_many_captions": 413,
    "caption_too_long": 413,
    "text_too_long": 413,
    "body_too_large": 413,
    "model_unavailable": 503,
    "unknown_collection": 404,
    "unknown_picture": 404,
    "not_kept": 410,
    "not_found": 404,
    "busy": 429,
    "disk_full": 507,
    "too_slow": 504,
    "cancelled": 499,  # as nginx calls a request that the client ended
    "failed": 500,
    "internal": 500,  # what nobody foresaw: no `ClipsimError`, but answered as one
}


class ClipsimError(Exception):
    """Base of every error that clipsim raises on purpose; `str(error)` is fit to be shown to a person.

    Attributes:
        code: what went wrong, for programs: one of `CODES`. The class has one, which a cause of its own replaces.
    """

    code: Code = "failed"
    exit_code = 1

    def __init__(self, sentence: str = "", *, code: Code | None = None) -> None:
        """Say in a sentence what went wrong, with a `code` unless it is that of the class."""
        super().__init__(sentence)
        if code:
            self.code = code

    @property
    def http_status(self) -> int:
        """The status of a server's answer."""
        return STATUSES.get(self.code, 400)

    def __reduce__(self) -> tuple[object, ...]:
        """Let the error cross processes with all that it carries."""
        return type(self).__new__, (type(self), *self.args), vars(self)


class UsageError(ClipsimError):
    """The request itself is wrong: no other data or machine would make it right."""

    code: Code = "bad_value"
    exit_code = 2


class CaptionError(UsageError):
    """The caption cannot be scored: it is empty, is not valid text, or came together with a reference image."""

    code: Code = "bad_caption"


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
        code: Code = "unknown_model" if what == "model" else "unknown_choice"
        super().__init__(f"{what} {choice!r} is not known: use {', '.join(self.choices)}", code=code)


class LimitError(UsageError):
    """A request is larger than a limit allows.

    Attributes:
        what: the field of `clipsim.settings.Limits` that was passed, or "statements" of one text.
        count: how many there are.
        limit: how many there may be.
    """

    _KINDS: Mapping[str, tuple[Code, str]] = {  # read only
        "images": ("too_many_pictures", "There are {count} pictures, and the limit is {limit}: send fewer at once."),
        "captions": ("too_many_captions", "There are {count} captions, and the limit is {limit}: send fewer at once."),
        "caption": ("caption_too_long", "The caption has {count} characters, and the limit is {limit}: shorten it."),
        "statements": (
            "too_many_captions",
            "The text has {count} statements, and the limit is {limit}: check fewer at once.",
        ),
        "text": ("text_too_long", "A text has {count} characters, and the limit is {limit}: shorten it."),
        "body_bytes": (
            "body_too_large",
            "The call is longer than {megabytes:g} MB, the limit: upload the pictures first.",
        ),
        "form_bytes": (
            "body_too_large",
            "The form is longer than {megabytes:g} MB, the limit: send fewer pictures at once.",
        ),
    }

    def __init__(self, what: str, count: int, limit: int) -> None:
        """Say how many there are and how many there may be."""
        self.what, self.count, self.limit = what, count, limit
        code, sentence = self._KINDS[what]
        super().__init__(sentence.format(count=count, limit=limit, megabytes=limit / 1e6), code=code)


class ImageError(ClipsimError):
    """A picture cannot be read.

    Attributes:
        name: the picture's name, as the caller knows it.
        reason: what is wrong with it and what to do, a clause that reads on from the name.
    """

    code: Code = "unreadable_picture"

    def __init__(self, name: str, reason: str, *, code: Code | None = None) -> None:
        """Say which picture it is and why it cannot be read."""
        self.name, self.reason = name, reason
        super().__init__(f"{name} {reason}", code=code)


class EncoderError(ClipsimError):
    """A model cannot be loaded, a device is not on this machine, or a model does not work."""

    code: Code = "model_unavailable"


class BusyError(ClipsimError):
    """A server has too much to do, for all or for this client.

    Attributes:
        retry_after: after how many seconds to ask again, a whole number.
    """

    code: Code = "busy"

    def __init__(self, retry_after: int, why: str = "Too many requests wait") -> None:
        """Say why the request is refused, a clause, and when to ask again."""
        self.retry_after = retry_after
        super().__init__(f"{why}: ask again in {retry_after} s.")


class DiskFullError(BusyError):
    """A server has no room for more files."""

    code: Code = "disk_full"

    def __init__(self, retry_after: int) -> None:
        """Say when to send the files again."""
        super().__init__(retry_after, "There is no room for more files")
