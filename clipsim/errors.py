"""What clipsim raises on purpose. Each message is one sentence: what was wrong with which input, and what to do."""


class ClipsimError(Exception):
    """Base of every error that clipsim raises on purpose; `str(error)` is fit to be shown to a person."""


class ImageError(ClipsimError):
    """A picture cannot be read.

    Attributes:
        name: the picture's name, as the caller knows it.
        reason: what is wrong with it and what to do, a clause that reads on from the name.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.reason = reason


class CaptionError(ClipsimError):
    """The caption cannot be scored: it is empty, is not valid text, or came together with a reference image."""


class EncoderError(ClipsimError):
    """A model or device is unknown, cannot be had, or does not work."""
