"""Going on as a new execution before the history gets long; invisible to the run."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from engine.contract import RunInput

MAX_EVENTS: Final = 2_000
"""A longer history costs a worker that has to replay it more than starting a new one."""


def due() -> bool:
    """Whether the history is long enough; to be asked where nothing is pending but a timer or a signal."""
    info = workflow.info()
    return info.is_continue_as_new_suggested() or info.get_current_history_length() > MAX_EVENTS


def continue_with(run_input: RunInput, checkpoint: dict[str, Any]) -> NoReturn:
    """Start the next execution of the run. Does not return."""
    carried: RunInput = {**run_input, "checkpoint": checkpoint}
    workflow.continue_as_new(carried)
