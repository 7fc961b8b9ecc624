"""Actions of what needs attention."""

from __future__ import annotations

from typing import Final

from engine.records import AttentionItem
from runstudio_tui.actions.kinds import Action, Scope, Situation, no_row
from runstudio_tui.actions.places import has_row


def _has_run(now: Situation) -> str:
    if not isinstance(now.row, AttentionItem):
        return no_row(now)
    return "" if now.row.run_id is not None else "this is not about a run"


ATTENTION: Final = (
    Action(
        "attention.open",
        ("enter",),
        "open",
        "Go to the run, the event, the task or the workflow it is about.",
        Scope.ATTENTION,
        10,
        when=has_row,
        cli="runstudio attention",
    ),
    Action(
        "attention.why",
        ("w",),
        "why",
        "Say why the run is not moving, and what helps.",
        Scope.ATTENTION,
        50,
        when=_has_run,
        cli="runstudio runs why {run}",
        words=("stuck", "diagnosis"),
    ),
    Action("attention.copy", ("y",), "copy id", "Copy the id of what it is about.", Scope.ATTENTION, when=has_row),
)
