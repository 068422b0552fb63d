"""`clipsim models`: the models that have a short name, and what one chooses them by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

from clipsim.cli.common import TableOrJson, say, show_table

if TYPE_CHECKING:
    from clipsim.encoders import Model

SortBy = Literal["listed", "name", "imagenet", "coco", "time", "memory", "download", "width", "tokens", "licence"]
_FIELDS = {"time": "relative_time", "memory": "memory_mb", "download": "download_mb", "tokens": "text_length"}
_BEST_IS_MOST = ("imagenet", "coco", "width", "text_length")


def models(
    format: TableOrJson = "table",
    sort: Annotated[SortBy, Option(help="by what; the best first, what is not known last")] = "listed",
) -> None:
    """List the models that have a short name, with what one chooses them by."""
    from clipsim.encoders import MODELS

    rows = sort_models(MODELS, sort)
    if format == "json":
        print(json.dumps([asdict(model) for model in rows], indent=2))
        return
    head = ["name", "family", "licence", "width", "ImageNet", "COCO R@1", "cut-offs"]
    head += ["time", "memory MB", "download MB", "pixels", "tokens", "languages", "terms", "hub id", "when to take it"]
    show_table(head, [_cells(model) for model in rows], "<<<>>><>>>>><<<<")
    say("OpenAI's CLIP models are for research in English: their model card puts any deployed use out of scope.")


def sort_models(rows: Sequence[Model], by: SortBy) -> list[Model]:
    """Return the rows by one of their fields, the best first, equal ones as they were, unknown ones last."""
    if by == "listed":
        return list(rows)
    field = _FIELDS.get(by, by)
    known = [row for row in rows if getattr(row, field) is not None]
    known.sort(key=lambda row: getattr(row, field), reverse=field in _BEST_IS_MOST)
    return known + [row for row in rows if getattr(row, field) is None]


def _cells(model: Model) -> list[str]:
    calibrated = files("clipsim.data").joinpath(f"calibration-{model.name}.json").is_file()
    figures = [_figure(model.imagenet), _figure(model.coco), "yes" if calibrated else "-"]
    measured = [_figure(model.relative_time), *map(_count, (model.memory_mb, model.download_mb))]
    about = [model.resolution, _count(model.text_length), model.languages, model.terms or "-"]
    place = [model.hub_id or "(installs with the requirements)", model.use]
    return [model.name, model.family, model.licence, str(model.width), *figures, *measured, *about, *place]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)
