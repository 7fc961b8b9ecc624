"""Rows of children compared with Temporal: what only their parent may start, and what ended before its parent's row did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from temporalio.client import Client

from engine.contract import workflow_id_for
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.reconcile.reconcile import close_stranded
from tests.engine.operations.conftest import Execute, Query, age
from tests.engine.operations.ending_workflow import end, ending_worker


async def test_a_child_that_its_parent_is_still_to_start_is_left_alone(
    context: OperationContext, start: Callable[[], Awaitable[str]], temporal: Client, execute: Execute, query: Query
) -> None:
    parent, child = await start(), new_id()
    await execute(
        "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine, parent_run_id, updated_at)"
        " VALUES (:child, 'orders', 1, 'RUNNING', 'temporal', :parent, now() - interval '1 minute')",
        child=child,
        parent=parent,
    )
    await age(execute)
    assert (await close_stranded(context)).closed == 0
    await temporal.get_workflow_handle(workflow_id_for(parent)).terminate(reason="gone")
    await close_stranded(context)
    await close_stranded(context)
    rows = await query("SELECT status, error_json FROM workflow_runs ORDER BY parent_run_id NULLS FIRST")
    assert [row["status"] for row in rows] == ["FAILED", "CANCELED"], "closed like its parent, as it never began"
    assert rows[1]["error_json"]["message"] == (
        "Its parent ended before it began: The execution was terminated in Temporal: gone."
    )


async def test_a_child_that_ended_while_its_row_says_it_never_began_is_not_closed_with_its_parent(
    context: OperationContext, start: Callable[[], Awaitable[str]], temporal: Client, execute: Execute, query: Query
) -> None:
    """As after a restore of Postgres: the rows of both are older than their ends."""
    parent, child = await start(), await start()
    await execute(
        "UPDATE workflow_runs SET parent_run_id = :parent, temporal_run_id = NULL WHERE run_id = :child",
        parent=parent,
        child=child,
    )
    async with ending_worker(temporal):
        await end(temporal, child, "complete")
    await temporal.get_workflow_handle(workflow_id_for(parent)).terminate(reason="gone")
    # The parent's row is the older one, and closed first.
    await age(execute)
    await execute("UPDATE workflow_runs SET updated_at = now() WHERE run_id = :child", child=child)
    assert (await close_stranded(context)).closed == 1
    await age(execute)
    assert (await close_stranded(context)).closed == 1
    rows = await query("SELECT status FROM workflow_runs ORDER BY parent_run_id NULLS FIRST")
    assert [row["status"] for row in rows] == ["FAILED", "SUCCEEDED"]
