"""Tunings as text, as a model card in Markdown, and as a report in HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clipsim.report.numbers import percent
from clipsim.report.text import Block, TextTable, printable
from clipsim.report.writing import fill

if TYPE_CHECKING:
    from clipsim.evaluation import Estimate
    from clipsim.tuning import Tuned
    from clipsim.tuning.measures import Measures
    from clipsim.tuning.results import Comparison

COLUMNS = ("", "before", "95 % interval", "after", "95 % interval")
METHODS = {
    "head": "a head in closed form, on networks that stay as they are",
    "lora": "small matrices beside the networks' own, merged into them",
    "full": "all weights of the networks",
}


def tuning_to_blocks(found: Tuned) -> list[Block]:
    """Return what was learned from what, and how the model does before and after, with intervals."""
    lines = "\n".join(f"{name:9}  {printable(text)}" for name, text in describe_tuning(found) if text)
    blocks: list[Block] = [lines]
    for one in list_comparisons(found):
        blocks += [title_of(one), TextTable(COLUMNS, [list(row) for row in tabulate(one)], "<>>>>")]
    return blocks


def describe_tuning(found: Tuned) -> list[tuple[str, str]]:
    """Return names and values of what was done."""
    kind = "labels" if found.labelled else "captions"
    counts = found.counts
    rows = f"{counts['folds']} in turn" if "folds" in counts else f"{counts['learned']} and {counts['validated']}"
    chosen = "" if found.strength is None else f"strength {found.strength:g}"
    ridge = "" if found.ridge is None else f", ridge {found.ridge:g}"
    score = {name: percent(value) for name, value in found.validation.items()}
    validated = score["before"] + (f" before, {score['after']} after" if "after" in score else " before")
    metric = "accuracy" if found.labelled else "mean of recall at 1, 5 and 10"
    return [
        ("model", found.model),
        ("method", f"{found.settings.method}: {METHODS[found.settings.method]}"),
        ("learned", f"from {found.pictures} pictures and {found.texts} {kind}, {found.seconds:.1f} s"),
        ("split", f"{rows} learned from and validated, {counts['test']} held out, seed {found.settings.seed}"),
        ("chosen", chosen + ridge),
        ("validated", f"{metric} {validated}"),
        ("cut-offs", describe_cutoffs(found)),
        ("saved", found.saved or "nowhere"),
    ]


def describe_cutoffs(found: Tuned) -> str:
    """Return the percentiles from which a picture is a match and weak; "" where the model has none of its own."""
    cut = found.cutoffs
    return f"match from percentile {cut.match:.2f}, weak from {cut.weak:.2f}" if cut else ""


def list_comparisons(found: Tuned) -> list[Comparison]:
    """Return what was measured."""
    return [one for one in (found.test, found.elsewhere) if one]


def title_of(one: Comparison) -> str:
    """Return what a table of figures is of, a line."""
    made = one.before
    kind = "labels" if made.accuracy else "background captions" if made.agreement else "captions"
    return f"On {one.of} ({made.pictures} pictures, {made.texts} {kind}):"


def tabulate(one: Comparison) -> list[tuple[str, ...]]:
    """Return a row for each figure: its name, before and after, each with its interval."""
    before, after = _figures(one.before), _figures(one.after)
    return [(name, *_show(name, before[name]), *_show(name, after[name])) for name in before]


def _figures(made: Measures) -> dict[str, Estimate]:
    found: dict[str, Estimate | None] = {"label accuracy": made.accuracy}
    # with few labels, the right one is always among the first 5 or 10
    found |= {f"R@{k}": one for k, one in made.recall.items() if not (made.accuracy and (k == 1 or k >= made.texts))}
    found |= {"median rank": made.median_rank, "AUC": made.auc, "order kept": made.agreement}
    return {name: one for name, one in found.items() if one}


def _show(name: str, one: Estimate) -> tuple[str, str]:
    if name == "median rank":
        return f"{one.value:g}", f"{one.low:g} to {one.high:g}"
    if name == "AUC":
        return f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}"
    return percent(one.value), f"{100 * one.low:.1f} to {100 * one.high:.1f} %"


def remark_tuning(found: Tuned) -> list[str]:
    """Return what a reader should know beside the figures, a sentence each."""
    return [*found.notes, *(f"{rejected.name} {rejected.reason}." for rejected in found.rejected)]


def model_card(found: Tuned) -> str:
    """Return the model card in Markdown, with the front matter that the Hugging Face hub reads."""
    name = found.saved.rstrip("/").rsplit("/", 1)[-1] if found.saved else found.model
    tables = "\n\n".join(f"{title_of(one)}\n\n{_to_markdown(tabulate(one))}" for one in list_comparisons(found))
    facts = "\n".join(f"- {title}: {text}" for title, text in describe_tuning(found) if text and title != "saved")
    settings = "\n".join(f"- {title}: {value}" for title, value in _list_settings(found))
    versions = ", ".join(f"{library} {number}" for library, number in found.versions.items())
    remarks = "\n".join(f"- {remark}" for remark in found.notes) or "- None."
    return CARD.format(
        name=printable(name), base=found.model, revision=found.revision or "not known", facts=facts, tables=tables,
        settings=settings, versions=versions, remarks=remarks, learned=_describe_final(found),
    )  # fmt: skip


CARD = """---
library_name: clipsim
pipeline_tag: zero-shot-image-classification
tags: [clip, image-text-similarity, tuned]
---
# {name}

{base} (revision `{revision}`), tuned with `clipsim tune`. It loads with `clipsim.load("PATH/{name}")`.

## Data and choice
{facts}

Near duplicates stay in one part of the split. No picture, no caption and no name of a file is kept here. {learned}

## Before and after
{tables}

"Order kept": of the five captions that the base puts first for a general picture, the share of all others that still
stand behind them. R@k is the share of captions (of pictures, where these have labels) whose right one is among the
first k. Intervals are of 95 %, over pictures.

## Settings
{settings}

Versions: {versions}.

## Remarks
{remarks}

The licence of the base, and the rights in the pictures and captions that it was tuned on, hold for this model too.
"""


def _describe_final(found: Tuned) -> str:
    if found.settings.method == "head":
        return (
            "What is measured below is a head that did not see the pictures it is measured on; the one that is saved "
            "was learned with the same settings from all of them."
        )
    return "What is measured below is what is saved."


def _list_settings(found: Tuned) -> list[tuple[str, str]]:
    """Return what was asked for; of a file only that there was one."""
    chosen = found.settings
    strength = "auto" if chosen.strength is None else f"{chosen.strength:g}"
    rows = [("method", chosen.method), ("strength", strength), ("may lose", f"{chosen.may_lose:g} points")]
    rows += [("general pictures", "of a file" if chosen.keep_general else "the default"), ("seed", str(chosen.seed))]
    towers = {} if chosen.method == "head" else vars(chosen.towers)
    return rows + [(name, str(value)) for name, value in towers.items() if name not in ("method", "seed")]


def _to_markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [COLUMNS, ("---",) + ("---:",) * (len(COLUMNS) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tuning_to_html(found: Tuned) -> str:
    """Write the report as a page that needs nothing else."""
    return fill(
        "tuned.html.j2",
        found=found,
        facts=[(name, text) for name, text in describe_tuning(found) if text and name != "saved"],
        comparisons=[(title_of(one), tabulate(one)) for one in list_comparisons(found)],
        settings=_list_settings(found),
        remarks=remark_tuning(found),
    )
