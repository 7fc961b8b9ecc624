"""What the record of a workflow means to an operator: its state, what starts it, how full it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine import advice
from engine.records import Workflow
from runstudio_tui.domain.effective import STUCK_GLYPH, State, Tone
from runstudio_tui.domain.present import count_text

_PAUSED: Final = State(STUCK_GLYPH, "paused", Tone.ATTENTION)
_OVERDUE: Final = State(STUCK_GLYPH, "overdue", Tone.ATTENTION)
_REFUSED: Final = State("✖", "schedule refused", Tone.FAILED)
_FULL: Final = State("◔", "full", Tone.WAITING)
_DRAFT: Final = State("◇", "no version", Tone.DIM)

STATES: Final = ("active", "paused", "full", "overdue")
STARTERS: Final = ("event", "time", "hand")


def workflow_state(row: Workflow) -> State | None:
    """What is to be known of a workflow before anything else; None when it simply starts runs."""
    if row.published_version is None:
        return _DRAFT
    if row.paused:
        return _PAUSED
    if row.schedule is not None and row.schedule.status == "failed":
        return _REFUSED
    if row.schedule is not None and row.schedule.overdue:
        return _OVERDUE
    return _FULL if row.full else None


def why_paused(row: Workflow) -> str:
    """The reason of a pause; empty when none was given. As it was written: not safe to draw."""
    return (row.pause.reason or "") if row.pause is not None else ""


def active_text(row: Workflow) -> str:
    """Active runs and their limit: ``4 of 20``, ``4``."""
    active = count_text(row.active)
    return f"{active} of {row.limit:,}" if row.limit else active


def starter(row: Workflow) -> str:
    """One of ``STARTERS``: what the latest version is started by, besides by hand and by other workflows."""
    kind = row.trigger.get("type") if isinstance(row.trigger, dict) else None
    return "event" if kind == "event" else "time" if kind in ("schedule", "recurring") else "hand"


def matches(row: Workflow, values: Mapping[str, str], words: str) -> bool:
    """Whether a workflow meets a filter: ``state``, ``by``, and a text in its name or id."""
    state = {"active": not row.paused, "paused": row.paused, "full": row.full, "overdue": _is_overdue(row)}
    return (
        state.get(values.get("state", ""), True)
        and values.get("by") in (None, starter(row))
        and words.casefold() in f"{row.name} {row.workflow_id}".casefold()
    )


def _is_overdue(row: Workflow) -> bool:
    return row.schedule is not None and row.schedule.overdue


def not_startable(row: Workflow) -> str:
    """Why no run of it can be started now; empty when one can."""
    if row.published_version is None:
        return f"this workflow has no published version. {advice.PUBLISH.to('Publish one')}"
    if row.paused:
        return (
            f"this workflow is paused: it starts nothing. {advice.UNPAUSE.to('Unpause it', workflow=row.workflow_id)}"
        )
    return ""
