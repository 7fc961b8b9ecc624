"""The reconciler tells runs what was answered while Temporal was away."""

from __future__ import annotations

import asyncio

from temporalio.client import Client

from engine.operations.context import OperationContext
from engine.operations.tasks import complete_task
from engine.store.transactions import Store
from engine.worker.parts import PartReport
from engine.worker.reconcile import Reconciler
from tests.engine.operations.asked import start, working
from tests.engine.operations.conftest import Execute, Query
from tests.engine.operations.crashing import unreachable


async def test_a_kept_answer_reaches_its_run(
    context: OperationContext, store: Store, temporal: Client, query: Query, execute: Execute
) -> None:
    stop = asyncio.Event()
    report = PartReport("reconciler", 90.0, stop)
    async with working(store, temporal):
        asked = await start(context, query)
        away = OperationContext(store, unreachable(), context.actor)
        assert not (await complete_task(away, asked.task_id, {"approved": True})).delivered
        await execute("UPDATE workflow_event_deliveries SET next_attempt_at = now()")
        reconciling = asyncio.create_task(Reconciler(context).run(report))
        row = await asked.ended()
        stop.set()
        await reconciling
    assert row["output_json"]["event"] == {"approved": True}
    assert report.state == "running"
