"""Pictures that the page shows, as files that it names: an answer that carried them would stay in memory with them."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gradio.context import LocalContext
from gradio.route_utils import API_PREFIX, get_root_url

from clipsim.errors import DiskFullError
from clipsim.web.sweeper import UploadFolder

FOLDER = "shown"  # below that of uploads
_CARRIED = re.compile(r'(?<=\bsrc=")data:image/(jpeg|png|webp);base64,([A-Za-z0-9+/]+=*)(?=")')


class ShownPictures:
    """The files below the upload folder that fragments of the page name; they go in their time, like an upload."""

    def __init__(self, files: UploadFolder) -> None:
        """Write nothing yet."""
        self._files = files

    def name_all(self, update: dict[Any, Any]) -> dict[Any, Any]:
        """Return new values of components with the pictures in their HTML named."""
        return {component: self.name(value) if isinstance(value, str) else value for component, value in update.items()}

    def name(self, html: str) -> str:
        """Return HTML with the address of a file in place of each picture that it carries in a data: address.

        Where there is no room for files it goes on to carry them.
        """
        home = escape(f"{_find_home()}{API_PREFIX}/file=")  # what a request says of the server's name is a stranger's

        def write(carried: re.Match[str]) -> str:
            try:
                return home + quote(self._keep(base64.b64decode(carried[2]), carried[1]).as_posix(), safe="/:")
            except (OSError, DiskFullError):
                return carried[0]

        return _CARRIED.sub(write, html)

    def _keep(self, data: bytes, kind: str) -> Path:
        """Write a picture under its digest, unless it is there, and return where it is."""
        path = self._files.folder / FOLDER / f"{hashlib.sha256(data).hexdigest()}.{kind}"
        if path.exists():
            self._files.use(path)
            return path
        self._files.grow(len(data))
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(secrets.token_hex(16))
        part.write_bytes(data)
        part.replace(path)
        return path


def _find_home() -> str:
    """Return the address of the server as the visitor's browser knows it, so that widgets in other pages find files."""
    request, blocks = LocalContext.request.get(None), LocalContext.blocks.get(None)
    asked: Any = request and request.request  # starlette's own, of which gradio makes the addresses of its files too
    if asked is None or blocks is None:
        return ""
    path = str(asked.url.path)
    return get_root_url(asked, path[max(path.rfind(API_PREFIX), 0) :], blocks.app.root_path)
