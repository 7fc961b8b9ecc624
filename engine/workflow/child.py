"""One attempt of ``control.callWorkflow``: a run of its own, awaited by its parent."""

from __future__ import annotations

from typing import Any, Final

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import (
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from engine.contract import TEMPORAL_CLOCK_SEMANTICS, WORKFLOW_TYPE, RunInput, workflow_id_for
    from engine.errors import CANCELLATION, CHILD, RunError
    from engine.interpreter.effects import ChildSucceeded, StartChild, StepFailed
    from engine.values.json_policy import storable_text
    from engine.values.jsonb_order import as_stored
    from engine.workflow.cancellation import stop_if_canceled

FAILURE_TYPE_PREFIX: Final = "WorkflowRuntimeV2."
"""A run that failed ends its execution with an ApplicationError of this and the error's category as type."""


async def run_child(effect: StartChild, parent: RunInput) -> ChildSucceeded | StepFailed:
    """Run the child, whose row exists, to its end.

    Canceling the parent cancels the child and does not wait for it: a child that cannot end must not hold its parent.
    Raises ``asyncio.CancelledError`` when this run is canceled; a child canceled on its own has failed.
    """
    child: RunInput = {
        "run_id": effect.child_run_id,
        "tenant": parent["tenant"],
        "workflow_id": effect.workflow_id,
        "workflow_version": effect.workflow_version,
        "semantics_version": parent["semantics_version"],
        "checkpoint": None,
    }
    if "history_events" in parent:
        child["history_events"] = parent["history_events"]
    if "place" in parent:
        child["place"] = parent["place"]
    if "replay_cost" in parent:
        child["replay_cost"] = parent["replay_cost"]
    try:
        result: dict[str, Any] = await workflow.execute_child_workflow(
            WORKFLOW_TYPE,
            child,
            id=workflow_id_for(effect.child_run_id),
            task_timeout=workflow.info().task_timeout,
            parent_close_policy=ParentClosePolicy.REQUEST_CANCEL,
            cancellation_type=ChildWorkflowCancellationType.TRY_CANCEL,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )
    except FailureError as failure:
        stop_if_canceled(failure)
        return StepFailed(_failed(effect, _cause(failure)))
    earlier = parent["semantics_version"] == TEMPORAL_CLOCK_SEMANTICS
    return ChildSucceeded(as_stored(result["scopes"], numbers=not earlier))


def failure_of(error: dict[str, Any]) -> ApplicationError:
    """What the execution of a run ends with that failed; its parent reads it."""
    details = {name: error[name] for name in ("category", "nodePath", "at", "code", "details") if name in error}
    return ApplicationError(
        # With half of a surrogate pair in it Temporal would be told nothing at all.
        storable_text(str(error.get("message", ""))),
        details,
        type=storable_text(f"{FAILURE_TYPE_PREFIX}{error.get('category')}"),
        non_retryable=True,
    )


def _failed(effect: StartChild, cause: dict[str, Any]) -> RunError:
    name = f"Child workflow {effect.workflow_id} version {effect.workflow_version}"
    return RunError(
        category=CHILD, message=f"{name} failed: {cause['message']}", code=cause.get("code"), details={"cause": cause}
    )


def _cause(failure: FailureError) -> dict[str, Any]:
    """What the child failed with, as its own row says it."""
    if isinstance(failure, WorkflowAlreadyStartedError):
        return {
            "category": CHILD,
            "code": "CHILD_ALREADY_STARTED",
            "message": "it was started before; after a reset of the parent its result cannot be taken over",
        }
    if is_cancelled_exception(failure):
        return {"category": CANCELLATION, "code": "CHILD_CANCELED", "message": "it was canceled"}
    cause = failure.cause if isinstance(failure, ChildWorkflowError) else failure
    if isinstance(cause, ApplicationError) and (cause.type or "").startswith(FAILURE_TYPE_PREFIX) and cause.details:
        error: dict[str, Any] = {**cause.details[0], "message": cause.message}
        return error
    return {"category": CHILD, "code": "CHILD_ENDED", "message": f"it ended in Temporal: {cause or failure}"}
