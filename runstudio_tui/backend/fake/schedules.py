"""The schedules of the fake world."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from engine.errors import Conflict, NotFound, Unavailable
from engine.records import Fire, Level, Page, PartState, Schedule, ScheduleDetail, Started
from runstudio_tui.backend.fake.calls import Calls
from runstudio_tui.backend.fake.launching import Launch, Launches
from runstudio_tui.backend.fake.paging import page_of
from runstudio_tui.backend.fake.redelivery import check_reason


class FakeSchedules:
    """See SchedulesPort."""

    def __init__(self, calls: Calls, launches: Launches) -> None:
        self._calls = calls
        self._world = calls.world
        self._launches = launches

    async def list(self, *, after: str | None = None, limit: int = 50) -> Page[Schedule]:
        """See SchedulesReading."""
        await self._calls.enter("schedules.list", after, limit)
        rows = sorted((detail.row for detail in self._world.schedules.values()), key=lambda row: row.workflow_id)
        return page_of(rows, lambda row: row.schedule_id, after, limit, self._world.now())

    async def get(self, named: str) -> ScheduleDetail:
        """See SchedulesReading."""
        await self._calls.enter("schedules.get", named)
        return self._find(named)

    def _find(self, named: str) -> ScheduleDetail:
        for detail in self._world.schedules.values():
            if named in (detail.row.schedule_id, detail.row.workflow_id):
                return detail
        raise NotFound(
            "SCHEDULE_NOT_FOUND",
            f"There is no schedule {named[:60]!r}, and no workflow of that id that is started by time.",
            "`runstudio schedules list` shows those there are.",
        )

    async def fires(self, schedule_id: str, *, after: str | None = None, limit: int = 50) -> Page[Fire]:
        """See SchedulesReading."""
        await self._calls.enter("schedules.fires", schedule_id, after, limit)
        rows = self._world.fires.get(schedule_id, [])
        return page_of(rows, lambda row: row.fired_at.isoformat(), after, limit, self._world.now())

    async def next_times(self, named: str, count: int = 5) -> tuple[datetime, ...]:
        """See SchedulesReading."""
        await self._calls.enter("schedules.next_times", named, count)
        row = self._find(named).row
        if any(part.name == "temporal" and part.state is not PartState.OK for part in self._world.health):
            raise Unavailable(
                "TEMPORAL_UNAVAILABLE",
                "Temporal could not describe the schedule, it does not answer: timed out.",
                "Try again; `runstudio doctor` shows whether it can be reached.",
            )
        if row.status != "scheduled" or row.next_fire_at is None:
            return ()
        every = self._world.every.get(row.schedule_id)
        return tuple(row.next_fire_at + number * every for number in range(count)) if every else (row.next_fire_at,)

    async def fire(self, named: str, reason: str, *, idempotency_key: str | None = None) -> Started:
        """See SchedulesPort."""
        await self._calls.enter("schedules.fire", named, reason, idempotency_key)
        self._calls.require(Level.ADMIN)
        check_reason(reason)
        detail = self._find(named)
        row = detail.row
        if row.status == "disabled":
            told = f"The latest version of {row.workflow_id} is not started by time."
            raise Conflict("NOT_SCHEDULED", told, "Start a run of it instead.")
        launch = Launch(row.workflow_id, None, detail.payload, trigger=row.trigger_type)
        started = self._launches.start(launch, None if idempotency_key is None else f"by-hand:{idempotency_key}")
        if started.created:
            now, who = self._world.now(), self._world.session.actor
            told = f"Fired by {who}: {reason.strip()}"
            fires = self._world.fires.setdefault(row.schedule_id, [])
            fires.insert(0, Fire(now, now, "started", told, started.run_id, "RUNNING"))
            row = replace(row, last_fire_at=now, last_outcome="started", last_error=None)
            self._world.schedules[row.schedule_id] = replace(detail, row=row)
        return started
