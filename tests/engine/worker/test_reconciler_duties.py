"""The reconciler makes good what operations could not tell Temporal: answers to tasks, and schedules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from temporalio.client import Client

from engine.contract import temporal_schedule_id_for
from engine.operations.context import OperationContext
from engine.operations.schedules.schedules import sync_schedule
from engine.operations.tasks.tasks import complete_task
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from engine.store.schedules.schedules import schedule_id_of
from engine.worker.parts import PartReport
from engine.worker.reconcile import Reconciler
from tests.engine.operations.conftest import Execute, Query, add_version, until
from tests.engine.operations.crashing import unreachable
from tests.engine.operations.tasks.asked import start, working


async def no_rewrite(activity: str, request: dict[str, Any]) -> None:
    """Nothing is compared here."""
    raise AssertionError(f"{activity} was repeated: {request}")


@asynccontextmanager
async def reconciling(context: OperationContext) -> AsyncIterator[PartReport]:
    """The part of the worker, for as long as the block lasts."""
    stop = asyncio.Event()
    report = PartReport("reconciler", 90.0, stop)
    running = asyncio.create_task(Reconciler(context, no_rewrite).run(report))
    try:
        yield report
    finally:
        stop.set()
        await running


async def test_a_kept_answer_reaches_its_run(
    context: OperationContext, store: Store, temporal: Client, query: Query, execute: Execute
) -> None:
    async with working(store, temporal):
        asked = await start(context, query)
        away = OperationContext(store, unreachable(), context.actor)
        assert not (await complete_task(away, asked.task_id, {"approved": True})).delivered
        await execute("UPDATE workflow_event_deliveries SET next_attempt_at = now()")
        async with reconciling(context):
            row = await asked.ended()
    assert row["output_json"]["event"] == {"approved": True}


async def test_a_schedule_that_temporal_was_not_told_of_is_made(
    context: OperationContext, store: Store, temporal: Client, query: Query
) -> None:
    schedule = temporal.get_schedule_handle(temporal_schedule_id_for(schedule_id_of(DEFAULT_TENANT, "orders")))
    await add_version(store, trigger={"type": "recurring", "cron": "30 7 * * *", "timezone": "UTC"})
    state = await sync_schedule(OperationContext(store, unreachable(), context.actor), "orders")
    assert state.state == "pending"

    async def told() -> bool:
        rows = await query("SELECT temporal_schedule_id FROM workflow_schedules")
        return rows == [{"temporal_schedule_id": schedule.id}]

    async with reconciling(context) as report:
        await until(told)
    try:
        assert (await schedule.describe()).info.next_action_times
        assert report.state == "running"
    finally:
        await schedule.delete()
