"""F39: a parent that ends between the row of its child and the child's start closes that row."""

from __future__ import annotations

import pytest
from temporalio.testing import ActivityEnvironment

from engine.activities.finish_run import FinishRun
from engine.activities.open_child import OpenChild
from engine.definition.step_ref import StepRef
from engine.ids import new_id
from engine.interpreter.effects import StepRecord
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from engine.workflow.encoding import encode_step, encode_trace
from tests.engine.activities.test_run_step import AT, World
from tests.engine.operations.conftest import add_version

NOTED, AT_WORK, LEASED = "temporal_run_id = 'x'", "step_count = 1", "quota_leased = 20"
"""How a child's row says that it has begun: its parent knew, or the child itself wrote before its parent could."""


@pytest.mark.parametrize("began", ["", NOTED, AT_WORK, LEASED])
async def test_f39_a_child_that_never_began_ends_with_its_parent(store: Store, began: str) -> None:
    world, child = World(store), new_id()
    await add_version(store, "wf.child")
    run_id = await world.run()
    dependencies = world.activity()._dependencies
    step = StepRef("root.steps[0]", "", 1, "c", "control.callWorkflow")
    progress = {"run": run_id, "tenant": DEFAULT_TENANT, "seq": 1, "steps": 1}
    opened = await ActivityEnvironment().run(
        OpenChild(dependencies).open_child,
        {
            **progress, "trace": encode_trace([StepRecord(1, step, "STARTED", 1, AT)]), "step": encode_step(step),
            "attempt": 1, "since": AT, "child": child, "workflow": "wf.child", "version": 1, "input": {},
        },
    )  # fmt: skip
    assert opened == {}
    if began:
        async with store.begin() as connection:
            await connection.exec_driver_sql(f"UPDATE workflow_runs SET {began} WHERE parent_run_id IS NOT NULL")
    error = {"category": "Cancellation", "message": "no longer wanted"}
    end = {**progress, "trace": [], "status": "CANCELED", "error": error, "scopes": {}, "keep_scopes": False}
    await ActivityEnvironment().run(FinishRun(dependencies).finish_run, end)
    [row] = await world.rows("SELECT status, error_json FROM workflow_runs WHERE parent_run_id IS NOT NULL")
    assert row["status"] == ("RUNNING" if began else "CANCELED")
    if not began:
        assert row["error_json"]["message"] == "Its parent ended before it began: no longer wanted"


async def test_the_child_of_a_run_with_lost_records_is_left_to_the_reconciler(store: Store) -> None:
    """After a restore of Postgres the child may have begun, and ended, whatever its row says."""
    world, child = World(store), new_id()
    run_id = await world.run()
    async with store.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine, parent_run_id)"
            f" VALUES ('{child}', 'wf.child', 1, 'RUNNING', 'temporal', '{run_id}')"
        )
    progress = {"run": run_id, "tenant": DEFAULT_TENANT, "seq": 9, "steps": 1}
    step = StepRef("root.steps[0]", "", 1, "c", "control.callWorkflow")
    end = {
        **progress, "trace": encode_trace([StepRecord(9, step, "FAILED", 1, AT)]), "status": "CANCELED",
        "error": {"category": "Cancellation", "message": "no longer wanted"}, "scopes": {}, "keep_scopes": False,
    }  # fmt: skip
    await ActivityEnvironment().run(FinishRun(world.activity()._dependencies).finish_run, end)
    rows = await world.rows(
        "SELECT status, lost_records::text AS lost FROM workflow_runs ORDER BY parent_run_id NULLS FIRST"
    )
    assert [(row["status"], row["lost"]) for row in rows] == [("CANCELED", "[1,9)"), ("RUNNING", None)]
