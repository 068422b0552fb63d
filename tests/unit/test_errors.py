"""Errors: each has a code and a status for programs, and crosses processes whole."""

from __future__ import annotations

import pickle

import pytest

from clipsim.errors import (
    CODES,
    STATUSES,
    BusyError,
    CaptionError,
    ChoiceError,
    ClipsimError,
    DiskFullError,
    EncoderError,
    ImageError,
    LimitError,
    UsageError,
)

ERRORS = [
    (ClipsimError("It broke."), "failed", 500),
    (ClipsimError("It took long.", code="too_slow"), "too_slow", 504),
    (UsageError("So it cannot be asked."), "bad_value", 400),
    (CaptionError("It is empty.", code="no_caption"), "no_caption", 400),
    (CaptionError("It is no text."), "bad_caption", 400),
    (ChoiceError("model", "x", ["auto"]), "unknown_model", 400),
    (ChoiceError("framing", "x", ["crop"]), "unknown_choice", 400),
    (LimitError("images", 3, 2), "too_many_pictures", 413),
    (LimitError("captions", 3, 2), "too_many_captions", 413),
    (LimitError("caption", 3, 2), "caption_too_long", 413),
    (LimitError("text", 3, 2), "text_too_long", 413),
    (LimitError("body_bytes", 3, 2), "body_too_large", 413),
    (ImageError("a.jpg", "is damaged"), "unreadable_picture", 422),
    (ImageError("a.jpg", "is large", code="file_too_large"), "file_too_large", 413),
    (EncoderError("It cannot be had."), "model_unavailable", 503),
    (BusyError(7), "busy", 429),
    (DiskFullError(7), "disk_full", 507),
]


@pytest.mark.parametrize(("error", "code", "status"), ERRORS, ids=str)
def test_an_error_has_a_code_and_a_status(error: ClipsimError, code: str, status: int) -> None:
    assert (error.code, error.http_status) == (code, status)
    assert code in CODES


@pytest.mark.parametrize("error", [error for error, _, _ in ERRORS], ids=str)
def test_an_error_crosses_processes_with_all_that_it_carries(error: ClipsimError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    assert (again.code, again.http_status) == (error.code, error.http_status)


def test_a_busy_server_says_when_to_ask_again() -> None:
    error = BusyError(7, "Three of your requests wait")
    assert error.retry_after == 7
    assert str(error) == "Three of your requests wait: ask again in 7 s."


def test_every_status_belongs_to_a_code() -> None:
    assert set(STATUSES) < set(CODES)
    assert len(set(CODES)) == len(CODES)
