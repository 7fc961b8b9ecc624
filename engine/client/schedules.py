"""``engine.schedules``: what is started by time."""

from __future__ import annotations

from datetime import datetime

from engine.operations.context import OperationContext
from engine.operations.schedules.firing import coming_times, fire_now
from engine.operations.schedules.schedules import set_schedule_payload
from engine.records import Fire, Json, Page, Schedule, ScheduleDetail, Started
from engine.store.schedules import reading


class Schedules:
    """Schedules of one tenant. While a workflow is paused, what comes due is queued, or what it chose for such times."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context
        self._tenant = context.tenant

    async def list(self, *, after: str | None = None, limit: int = 50) -> Page[Schedule]:
        """Schedules by workflow id, after a cursor; ``limit`` 1..500."""
        return await reading.schedules_page(await self._context.readable(), self._tenant, cursor=after, limit=limit)

    async def get(self, named: str) -> ScheduleDetail:
        """The schedule of that id, else the one of the workflow of that id. Raises ``NotFound`` (SCHEDULE_NOT_FOUND)."""
        return await reading.schedule_detail(await self._context.readable(), self._tenant, named)

    async def fires(self, schedule_id: str, *, after: str | None = None, limit: int = 50) -> Page[Fire]:
        """What came of the occurrences of a schedule, the latest decision first; ``limit`` 1..500."""
        return await reading.fires_page(
            await self._context.readable(), self._tenant, schedule_id, cursor=after, limit=limit
        )

    async def next_times(self, named: str, count: int = 5) -> tuple[datetime, ...]:
        """The next ``count`` (1..10) occurrences, as Temporal tells; empty when none is to come. Raises as ``coming_times``."""
        return await coming_times(self._context, named, count)

    async def fire(self, named: str, reason: str, *, idempotency_key: str | None = None) -> Started:
        """Start one run now as the schedule would; its own occurrences come all the same. Needs the level admin.

        Raises as ``fire_now``.
        """
        return await fire_now(self._context, named, reason, idempotency_key=idempotency_key)

    async def set_payload(self, workflow_id: str, payload: Json) -> None:
        """Set the payload with which a schedule starts its runs. Needs the level admin. Raises as ``set_schedule_payload``."""
        await set_schedule_payload(self._context, workflow_id, payload)
