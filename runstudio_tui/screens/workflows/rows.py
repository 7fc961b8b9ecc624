"""A workflow as one line of the list."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Final

from engine.records import Workflow
from runstudio_tui.domain.present import NOTHING, moment
from runstudio_tui.domain.workflow_facts import active_text, why_paused, workflow_state
from runstudio_tui.text import safe
from runstudio_tui.widgets.cells import cut, pad
from runstudio_tui.widgets.line import Line, Span, cut_line, line

_VERSION: Final = 5
_ACTIVE: Final = 9
_NEXT: Final = 13
_MOST_NAME: Final = 30


def title_line(cells: int) -> Line:
    """The heading of the list."""
    text = f"  {pad('WORKFLOW', _name(cells))} {pad('VER', _VERSION)}{pad('ACTIVE', _ACTIVE, right=True)}  "
    return line(Span(cut(f"{text}{pad('NEXT', _NEXT)}STATE, STARTED BY", cells), "dim"))


def row_line(row: Workflow, marked: bool, now: datetime, zone: tzinfo, cells: int) -> Line:
    """One row of the list: for one that simply starts runs, by what it is started."""
    name, state = _name(cells), workflow_state(row)
    version = f"v{row.published_version}" if row.published_version is not None else NOTHING
    told = row.trigger_text or "hand"
    if state is not None:
        reason = safe(why_paused(row))
        told = f"{state.glyph} {state.word}" + (f": {reason}" if row.paused and reason else "")
    # Few tones: what a move of the cursor sends over a slow line grows with each.
    drawn = line(
        Span("* " if marked else "  ", "accent" if marked else "text"),
        f"{pad(safe(row.name), name)} {pad(version, _VERSION)}{pad(active_text(row), _ACTIVE, right=True)}  ",
        Span(pad(_next(row, now, zone), _NEXT), "attention" if _overdue(row) else "text"),
        Span(safe(told), state.tone if state is not None else "dim"),
    )
    return cut_line(_merged(drawn), cells)


def _merged(spans: Line) -> Line:
    """The same line, neighbours of one tone put together."""
    merged: list[Span] = []
    for span in spans:
        if merged and merged[-1].tone == span.tone:
            merged[-1] = Span(merged[-1].text + span.text, span.tone)
        else:
            merged.append(span)
    return tuple(merged)


def _name(cells: int) -> int:
    return max(min(cells - 56, _MOST_NAME), 16)


def _next(row: Workflow, now: datetime, zone: tzinfo) -> str:
    due = row.schedule.next_fire_at if row.schedule is not None else None
    return moment(due, now, zone) if due is not None else ""


def _overdue(row: Workflow) -> bool:
    return row.schedule is not None and row.schedule.overdue
