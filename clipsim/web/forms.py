"""What a REST call sends, in a form, as JSON or in its address: read within limits, files to the disk."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_origin

from anyio.to_thread import run_sync
from gradio.route_utils import GradioMultiPartParser
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from clipsim.errors import ClipsimError, LimitError, UsageError
from clipsim.settings import Limits
from clipsim.web.bodies import FORM, PATIENCE, read_call

FIELD_BYTES = 65_536  # of a field that is no file: more than any text may have
MOST_FIELDS = 200
TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off", "")


class _Parser(GradioMultiPartParser):
    """Writes files to a folder as they arrive; gradio's own bounds the length of files, but not of fields."""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._current_part
        if part.file is None and len(part.data) + end - start > FIELD_BYTES:
            raise MultiPartException("A field is too long")
        super().on_part_data(data, start, end)


@asynccontextmanager
async def read_values(
    request: Request, hints: Mapping[str, Any], limits: Limits, uploads: Path
) -> AsyncIterator[dict[str, Any]]:
    """Read the values of an endpoint's parameters, whose types are `hints`; files are there until the end.

    Raises:
        ClipsimError: the body is too long, or in another form, or has a field that is no parameter.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "GET":
        yield _convert(request.query_params.multi_items(), hints)
    elif kind == FORM:
        folder = Path(await run_sync(lambda: tempfile.mkdtemp(dir=_made(uploads), prefix="v1-")))
        try:
            form = await _parse(request, limits, folder)
            yield _convert(form.multi_items(), hints)
        finally:
            await run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
    elif kind == "application/json":
        yield _read_json(b"".join([part async for part in _limited(request, "body_bytes", limits)]), hints)
    else:
        raise UsageError(f"The call is neither a form nor JSON: send {FORM} or application/json.")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def _limited(request: Request, what: str, limits: Limits) -> AsyncGenerator[bytes, None]:
    """Yield the body of a call in parts, up to a limit."""
    arrived, limit = 0, vars(limits)[what]
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise LimitError(what, int(announced), limit)
    parts = aiter(request.stream())
    while True:
        try:
            part = await asyncio.wait_for(anext(parts), PATIENCE)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise ClipsimError(f"Nothing came for {PATIENCE} s: send it again.", code="too_slow") from error
        arrived += len(part)
        if arrived > limit:
            raise LimitError(what, arrived, limit)
        yield part


async def _parse(request: Request, limits: Limits, folder: Path) -> FormData:
    stream = _limited(request, "form_bytes", limits)
    parser = _Parser(
        request.headers,
        stream,
        max_files=limits.images + 1,  # and the reference image
        max_fields=MOST_FIELDS,
        max_file_size=limits.file_bytes,
        upload_dir=folder,
    )
    try:
        return await parser.parse()
    except MultiPartException as error:
        if "Too many files" in error.message:
            raise LimitError("images", limits.images + 2, limits.images) from error
        if "maximum allowed size" in error.message:
            text = f"A file is larger than {limits.file_bytes / 1e6:g} MB, the limit: make it smaller first."
            raise ClipsimError(text, code="file_too_large") from error
        raise UsageError(f"The form cannot be read: {error.message}.") from error
    except ClipsimError:
        raise
    except Exception as error:  # of the parser, for what is no form
        raise UsageError("The form cannot be read: send multipart/form-data as RFC 7578 says.") from error


def _read_json(body: bytes, hints: Mapping[str, Any]) -> dict[str, Any]:
    values = read_call(body or b"{}")
    _check_names(values, hints)
    return {name: value for name, value in values.items() if value is not None}


def _convert(items: list[tuple[str, Any]], hints: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of fields, which are texts and files, in the types of the parameters."""
    _check_names(dict(items), hints)
    values: dict[str, Any] = {}
    for name, value in items:
        is_file = isinstance(value, UploadFile)
        if is_file != (name in ("pictures", "reference")):
            raise UsageError(f"The field {name} is {'a file' if is_file else 'no file'}: see /v1/openapi.json.")
        sent = {"path": value.file.name, "orig_name": value.filename} if is_file else value
        if get_origin(hints[name]) is list:
            values.setdefault(name, []).append(sent)
        elif name in values:
            raise UsageError(f"The field {name} is there twice: send it once.")
        else:
            values[name] = sent if is_file else _convert_text(name, value, hints[name])
    return values


def _convert_text(name: str, text: str, hint: Any) -> Any:
    if hint is bool:
        if text.strip().lower() not in (*TRUE, *FALSE):
            raise UsageError(f"The value of {name} is not true or false.")
        return text.strip().lower() in TRUE
    if hint is int:
        try:
            return int(text)
        except ValueError as error:
            raise UsageError(f"The value of {name} is not a whole number.") from error
    return text


def _check_names(values: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    for unknown in (name for name in values if name not in hints):
        takes = f"this call takes {', '.join(hints)}" if hints else "this call takes none"
        raise UsageError(f"There is no field {unknown[:60]!r}: {takes}.")
