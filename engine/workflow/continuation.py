"""Continue-as-new before the history gets too long to be replayed; invisible to the run."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from engine.contract import RunInput
    from engine.workflow.effort import Effort

MAX_EVENTS: Final = 2_000
"""No history gets longer, whatever ``RunInput`` says."""


def due(run_input: RunInput, effort: Effort) -> bool:
    """Whether a replay costs enough; to be asked where nothing is pending but a timer or a signal."""
    info = workflow.info()
    limit = min(run_input.get("history_events", MAX_EVENTS), MAX_EVENTS)
    if info.is_continue_as_new_suggested() or info.get_current_history_length() > limit:
        return True
    cost = run_input.get("replay_cost")
    return cost is not None and effort.nanoseconds(cost) > cost["most"]


def continue_with(run_input: RunInput, checkpoint: dict[str, Any]) -> NoReturn:
    """Start the next execution of the run. Does not return."""
    carried: RunInput = {**run_input, "checkpoint": checkpoint}
    workflow.continue_as_new(carried)
