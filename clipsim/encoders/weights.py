"""Weights as transformers reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers

from clipsim.errors import EncoderError


@contextmanager
def hide_loading_bar() -> Iterator[None]:
    """Keep transformers from drawing a bar of its own on the terminal while it loads weights."""
    logging = transformers.utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def read_weights(kind: Any, name: str, folder: Path, **options: Any) -> Any:
    """Return a model of transformers, of the class `kind`, with all its weights from a folder.

    Raises:
        EncoderError: some are missing, or of another shape; transformers fills them with random numbers and goes on.
    """
    chosen = {**options, "local_files_only": True, "output_loading_info": True}
    model, report = kind.from_pretrained(folder, **chosen, ignore_mismatched_sizes=True)  # reported like missing ones
    gaps = sorted([*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])])
    if gaps:
        raise EncoderError(f"{name} lacks {len(gaps)} of its weights, {gaps[0]} among them: fetch it again")
    return model
