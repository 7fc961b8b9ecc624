"""F39: parents that are canceled while the rows of their children wait for a lock."""

from __future__ import annotations

import asyncio
import os

import psycopg
import pytest
from sqlalchemy import make_url
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus

from engine import fault_points
from engine.operations.reconcile.reconcile import close_stranded
from tests.engine.operations.conftest import age
from tests.engine.pooled import DIRECT
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.restored import Reconciling
from tests.engine.workflow.steps import call_workflow, wait_event

PARENTS = 12


@pytest.fixture
def database_url(database_url: str) -> str:  # it names the direct one
    """Past the pooler: more statements wait for locks here than it has sessions."""
    return os.environ[DIRECT]


async def test_f39_children_end_canceled_with_their_parents(bench: Bench, database_url: str) -> None:
    await bench.publish([wait_event("c", "NEVER")], "wf.child")
    await bench.publish([wait_event("a", "GO"), call_workflow("c", "wf.child")])
    runs = [await bench.start() for _ in range(PARENTS)]
    for run in runs:
        await run.waiting("event")
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as holder:
        locked = set[str]()

        def lock(point: str) -> None:
            """Take the row of the run that is about to open its child."""
            if (
                point == "open_child.before"
                and (run_id := activity.info().workflow_id.rpartition(":")[2]) not in locked
            ):
                holder.execute("SELECT FROM workflow_runs WHERE run_id = CAST(%s AS uuid) FOR UPDATE", [run_id])
                locked.add(run_id)

        with fault_points.installed(lock):
            for run in runs:
                await run.send_event("GO")
            await bench.until(lambda: _held(runs, locked))
            for run in runs:
                await run.handle.cancel(reason="not wanted")
            # The local activity has been given up, and the cancel has reached the run: the statement is in Postgres still.
            await bench.until(lambda: _told(runs), 120.0)
        holder.rollback()
        await asyncio.gather(*(run.ended() for run in runs))
    for run in runs:
        assert (await run.handle.describe()).status == WorkflowExecutionStatus.CANCELED
        row = await run.row()
        assert (row["status"], row["error_json"]["message"]) == ("CANCELED", "not wanted")

    async def children_closed() -> bool:
        return not await bench.rows("SELECT FROM workflow_runs WHERE status IN ('RUNNING', 'WAITING')")

    await bench.until(children_closed)
    await age(bench.execute)
    assert (await close_stranded(Reconciling(bench).context)).closed == 0
    statuses = await bench.rows("SELECT DISTINCT status FROM workflow_runs")
    assert [row["status"] for row in statuses] == ["CANCELED"]


async def _held(runs: list[Run], locked: set[str]) -> bool:
    return {run.id for run in runs} <= set(locked)


async def _told(runs: list[Run]) -> bool:
    histories = [await run.events() for run in runs]
    return all(
        events["WORKFLOW_EXECUTION_CANCEL_REQUESTED"] and events["ACTIVITY_TASK_SCHEDULED"] for events in histories
    )
