"""A request on a server, from what a stranger sends to a `Result`: checked, within limits, by one encoder for all."""

from __future__ import annotations

import base64
import binascii
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from gradio.utils import get_upload_folder

from clipsim.embedding import Item, Progress
from clipsim.encoders.base import Encoder
from clipsim.encoders.registry import load
from clipsim.errors import ClipsimError, ImageError, LimitError, UsageError
from clipsim.options import Options, Precision
from clipsim.scoring import (
    CaptionTable,
    Comparison,
    Result,
    compare_models,
    encode_background,
    score_captions,
    score_images,
)
from clipsim.settings import Limits

KEPT_MODELS = 2  # in memory at once; the one that was asked for longest ago goes first

R = TypeVar("R", Result, CaptionTable)

LIMITS = Limits.from_environment()
_kept: dict[tuple[str, str], Encoder] = {}  # by the name and precision under which they were asked for
_choosing = threading.Lock()


def encoder(name: str, precision: Precision = "auto") -> Encoder:
    """The encoder of that name and precision, one for all visitors.

    Raises:
        EncoderError: as `clipsim.load`.
    """
    with _choosing:
        chosen = (name, precision)
        _kept[chosen] = _kept.pop(chosen) if chosen in _kept else load(name, precision=precision)
        while len(_kept) > KEPT_MODELS:
            del _kept[next(iter(_kept))]  # a request that still uses it keeps it until it is done
        return _kept[chosen]


def loaded() -> list[Encoder]:
    """The encoders in memory whose weights are read."""
    return [one for one in list(_kept.values()) if one.ready]


def preload() -> None:
    """Read the default model's weights in the background, while the page is already up."""

    def read_weights() -> None:
        try:
            one = encoder("auto")
            one.encode_texts(["a photo"])
            encode_background(one)
        except ClipsimError:
            return  # the first request meets the same error and shows it

    threading.Thread(target=read_weights, daemon=True, name="preload").start()


def keep_quiet() -> None:
    """Keep what strangers send out of the log: a traceback may quote it, so that only the kind of the error is kept."""

    def without_traceback(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[0]:
            record.msg, record.args, record.exc_info = f"{record.exc_info[0].__name__} in a request", (), None
        return True

    logging.getLogger("uvicorn.error").addFilter(without_traceback)
    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # it says what is wrong with a damaged file


def sweep(seconds: float) -> None:
    """Delete what earlier runs left in the upload folder, if older than that; a run that is killed clears nothing."""
    folder = Path(get_upload_folder())
    until = time.time() - seconds
    for path in sorted(folder.rglob("*"), reverse=True):  # files before the folders that they are in
        with suppress(OSError):  # gone meanwhile, or a folder that is not empty
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif path.lstat().st_mtime < until:
                path.unlink()


def answer(
    pictures: list[Item],
    caption: str | None,
    reference: Item | None,
    model: str,
    progress: Progress | None = None,
    may_be_empty: bool = False,
    options: Options = Options(),
    words: bool = False,
    heatmap: bool = False,
    thumbnails: bool = False,
) -> Result:
    """Score what `received` gave, within the limits; the other arguments are those of `score_images`.

    Raises:
        ClipsimError: more pictures or a longer caption than the limits allow, too slow, nothing that could be scored
            (unless that `may_be_empty`), or what `score_images` raises.
    """
    check_size(pictures, [caption or ""])
    one = encoder(model, options.precision)
    result = score_images(
        pictures,
        caption,
        one,
        reference=reference,
        options=options,
        words=words,
        heatmap=heatmap,
        thumbnails=thumbnails,
        progress=_in_time(progress),
    )
    return result if may_be_empty else _not_empty(result, result.scores)


def answer_captions(
    pictures: list[Item],
    captions: list[str],
    model: str,
    progress: Progress | None = None,
    options: Options = Options(),
) -> CaptionTable:
    """The same for several captions.

    Raises:
        ClipsimError: as `answer`, and more captions than the limits allow.
    """
    if len(captions) > LIMITS.captions:
        raise LimitError("captions", len(captions), LIMITS.captions)
    check_size(pictures, captions)
    one = encoder(model, options.precision)
    table = score_captions(pictures, captions, one, progress=_in_time(progress), options=options)
    return _not_empty(table, table.pictures)


def answer_models(
    pictures: list[Item],
    caption: str,
    models: list[str],
    progress: Progress | None = None,
    options: Options = Options(),
    reference: Item | None = None,
    words: bool = False,
    heatmap: bool = False,
    thumbnails: bool = False,
) -> Comparison:
    """The same for two models; the other arguments are those of `score_images`.

    Raises:
        ClipsimError: as `answer`, and other than two different models.
    """
    if len(models) != KEPT_MODELS:
        raise UsageError(f"There are {len(models)} models to compare: choose two.")
    check_size(pictures, [caption])
    encoders = [encoder(model, options.precision) for model in models]
    comparison = compare_models(
        pictures,
        caption,
        encoders,
        reference=reference,
        options=options,
        words=words,
        heatmap=heatmap,
        thumbnails=thumbnails,
        progress=_in_time(progress),
    )
    _not_empty(comparison.results[0], comparison.pictures)
    return comparison


def check_size(pictures: Sequence[Item], captions: Sequence[str]) -> None:
    """Raise a `ClipsimError` if there are more pictures, or a longer caption, than the limits allow."""
    if len(pictures) > LIMITS.images:
        raise LimitError("images", len(pictures), LIMITS.images)
    longest = max(map(len, captions), default=0)
    if longest > LIMITS.caption:
        raise LimitError("caption", longest, LIMITS.caption)


def _not_empty(answered: R, scored: Sequence[Any]) -> R:
    if not scored:
        reasons = " ".join(f"{rejected.name} {rejected.reason}." for rejected in answered.rejected)
        raise ClipsimError(f"Nothing could be scored: {reasons}")
    return answered


def _in_time(progress: Progress | None) -> Progress:
    until = time.monotonic() + LIMITS.seconds

    def check(done: int, total: int) -> None:
        if progress:
            progress(done, total)
        if done < total and time.monotonic() > until:
            raise ClipsimError(
                f"After {LIMITS.seconds} s only {done} of {total} pictures were scored: send fewer at once."
            )

    return check


def received(sent: Any) -> Item:
    """What a client sent as a picture, checked: an uploaded file, or a data: address with the picture in it.

    Raises:
        ImageError: a path that was not uploaded, a web address (they are never fetched), or too large a file.
    """
    if isinstance(sent, dict):  # gradio's FileData
        path, name = sent.get("path"), sent.get("orig_name")
    else:
        path, name = sent, None
    if not isinstance(path, str) or not path:
        raise ImageError("A picture", "has no file: upload it first, then score it.")
    if path.startswith("data:"):
        return _inline(path), Path(str(name or "picture")).name
    if path.startswith(("http:", "https:")):
        raise ImageError(
            path, "is a web address, which is not fetched: upload the file, or send it as a data: address."
        )
    return uploaded(path), Path(str(name or path)).name


def uploaded(path: str) -> Path:
    """The path of a file that this server received or ships.

    Raises:
        ImageError: any other path. A caller of the API can put any string where a path belongs.
    """
    try:
        file = Path(path)
        inside = file.resolve().is_relative_to(Path(get_upload_folder()).resolve())
        size = file.stat().st_size if inside else 0
    except (OSError, ValueError):
        inside = False
    if not inside:
        raise ImageError(Path(path).name, "was not uploaded: upload it first, then score it.")
    if size > LIMITS.file_bytes:
        raise _too_large(file.name)
    return file


def _inline(address: str) -> bytes:
    """The bytes in a data: address (RFC 2397) in base64."""
    head, comma, data = address.partition(",")
    if not comma or not head.endswith(";base64"):
        raise ImageError("A data: address", "is not in base64: send data:image/jpeg;base64,...")
    if len(data) * 3 // 4 > LIMITS.file_bytes:
        raise _too_large("A data: address")
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ImageError("A data: address", "is not in base64: send data:image/jpeg;base64,...") from error


def _too_large(name: str) -> ImageError:
    return ImageError(name, f"is larger than {LIMITS.file_bytes / 1e6:g} MB, the limit: make it smaller first.")
