"""The one schedule of these tests, in the table and in Temporal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import (
    Client,
    ScheduleDescription,
    ScheduleHandle,
)
from temporalio.service import RPCError

from engine.contract import temporal_schedule_id_for
from engine.settings import DEFAULT_TENANT
from engine.store.schedules.schedules import schedule_id_of
from tests.engine.operations.conftest import Query

SCHEDULE_ID = schedule_id_of(DEFAULT_TENANT, "orders")
EVERY_MORNING = {"type": "recurring", "cron": "30 7 * * 1-5", "timezone": "Europe/Berlin"}
EVERY_FIVE_MINUTES = {"type": "recurring", "cron": "*/5 * * * *", "timezone": "UTC"}
CLOCK = "payload.WorkflowClockTrigger.v1"


def at(moment: datetime) -> dict[str, str]:
    return {"type": "schedule", "runAt": moment.isoformat()}


def soon(**delta: float) -> datetime:
    return datetime.now(UTC) + timedelta(**delta)


@pytest.fixture
def schedule(temporal: Client) -> ScheduleHandle:
    """Temporal's, whether it exists or not."""
    return temporal.get_schedule_handle(temporal_schedule_id_for(SCHEDULE_ID))


@pytest_asyncio.fixture(autouse=True)
async def _no_schedule_is_left(schedule: ScheduleHandle, temporal: Client) -> AsyncIterator[None]:
    yield
    # The server is shared, and a worker of another test must not find these on the queue.
    with suppress(RPCError):
        await schedule.delete()
    async for execution in temporal.list_workflows(
        f"WorkflowId STARTS_WITH '{schedule.id}' AND ExecutionStatus = 'Running'"
    ):
        with suppress(RPCError):
            await temporal.get_workflow_handle(execution.id).terminate()


async def described(schedule: ScheduleHandle) -> ScheduleDescription | None:
    try:
        return await schedule.describe()
    except RPCError:
        return None


@pytest.fixture
def row(query: Query) -> Callable[[], Awaitable[dict[str, Any]]]:
    """The schedule as it is in the table."""

    async def load() -> dict[str, Any]:
        [found] = await query("SELECT * FROM workflow_schedules")
        return found

    return load


Row = Callable[[], Awaitable[dict[str, Any]]]
