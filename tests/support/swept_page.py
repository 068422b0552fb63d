"""A page that keeps files for seconds: `python -m support.swept_page SECONDS` with tests/ on its path."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from clipsim.encoders import Encoder
from clipsim.settings import Limits
from clipsim.web.page import build, launch
from clipsim.web.service import Service
from support import Bright


def main(kept_seconds: float) -> None:
    """Serve the page with a model that is there at once."""

    def load(*_: object, **__: object) -> Encoder:
        return Bright()

    uploads = Path(os.environ["GRADIO_TEMP_DIR"])
    launch(build(Service(Limits.from_environment(), uploads, load, kept_seconds)))


if __name__ == "__main__":
    main(float(sys.argv[1]))
