"""A run whose workflow task fails every time, as when a build has a bug: a cancel ends it all the same."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus

from engine.interpreter.machine import Machine
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.reconcile.execution_end import CANCEL_NOT_TAKEN
from engine.operations.runs import starting
from engine.operations.runs.cancel import cancel_run
from engine.records import Canceled, RunStatus
from engine.temporal.connection import TemporalConnection
from tests.engine.workflow.harness import PATIENCE_SECONDS, Bench
from tests.engine.workflow.steps import quick, wait_event


async def test_a_cancel_ends_what_cannot_take_it_in(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.publish([quick("a"), wait_event("w")])

    def broken(self: Machine, *_: object) -> None:
        raise ArithmeticError("nobody thought of this")

    # Of tries that fail one after the other, the SDK tells of the first; the others run out of time.
    monkeypatch.setattr(starting, "TASK_TIMEOUT", timedelta(seconds=1))
    for method in ("advance", "cancel"):
        monkeypatch.setattr(Machine, method, broken)
    run = await bench.start()

    async def failing() -> bool:
        return (await run.events())["WORKFLOW_TASK_FAILED"] >= 1

    await bench.until(failing)
    assert (await run.row())["status"] == "RUNNING"
    context = OperationContext(
        bench.store, TemporalConnection.from_client(bench.client), Actor("tester", source="api"), bench.tenant
    )
    outcome = await cancel_run(context, run.id, "hangs for ever", settle_seconds=PATIENCE_SECONDS)
    assert outcome == Canceled(run.id, "canceled", RunStatus.CANCELED)
    row = await run.row()
    assert (row["error_json"]["category"], row["error_json"]["code"]) == ("Cancellation", "TEMPORAL_TERMINATED")
    assert row["error_json"]["message"].startswith(CANCEL_NOT_TAKEN)
    assert (await run.handle.describe()).status is WorkflowExecutionStatus.TERMINATED
