"""The Space's entry: builds the page and serves it."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

# A folder of its own for uploads, which `sweep` may clear; gradio's is shared by all that runs gradio.
os.environ.setdefault("GRADIO_TEMP_DIR", str(Path(tempfile.gettempdir()) / "clipsim"))

with suppress(ImportError):
    import spaces  # noqa: F401  # ZeroGPU Spaces bring it, and it must come before torch

from clipsim.web import page as ui
from clipsim.web import service

demo = ui.build()

if __name__ == "__main__":
    service.keep_quiet()
    service.sweep(ui.CACHE_SECONDS)
    service.preload()
    demo.launch(**ui.LAUNCH)
