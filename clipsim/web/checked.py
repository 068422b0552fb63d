"""A check list as a fragment of the page."""

from __future__ import annotations

from clipsim import report
from clipsim.scoring import CheckList
from clipsim.web import render
from clipsim.web.language import current

MOST_CHECKED = 6  # pictures that are shown with their statements


def show_checklist(found: CheckList) -> str:
    """Show the statements of a long caption on each of the best pictures."""
    say, shown = current(), found.pictures[:MOST_CHECKED]
    titles = report.titles([one.name for one in shown])
    holds = [
        "" if one.holding is None else say("check.holds", count=one.holding, total=len(one.statements)) for one in shown
    ]
    places = any(statement.place for one in shown for statement in one.statements)
    pictures = list(zip(shown, titles, holds, strict=True))
    notes = [note for note in report.remark_checklist(found) if note != render.stand_in_note(found)]
    return render.fill("check.html", pictures=pictures, statements=found.statements, places=places, notes=notes)
