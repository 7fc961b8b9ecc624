"""Occurrences of schedules: each starts one run, or is recorded as skipped or failed with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from temporalio.service import RPCError

from engine.errors import Conflict, EngineError, Unavailable
from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.schedules.schedules import fire_key_of, sync_schedule
from engine.operations.schedules.temporal_schedules import is_due_within, next_time
from engine.store.database.transactions import writing
from engine.store.runs import runs
from engine.store.runs.queue import queued_runs
from engine.store.schedules import schedules
from engine.store.schedules.schedules import MISSED, Fire, FireStatus, Published, Schedule
from engine.temporal.connection import unavailable
from engine.values.timestamps import iso_milliseconds

Json = Any

CLOCK_SCHEMA: Final = "payload.WorkflowClockTrigger.v1"
"""Payload schema of workflows that want to know the occurrence that started them."""
LATE: Final = timedelta(seconds=60)
"""An occurrence that is later than this is only made up for when no other has come due since."""
MOST_QUEUED: Final = 100
"""So many runs of a workflow wait for their turn at most because of its schedule: what comes due then is skipped."""
_ONE_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Occurrence:
    row: Schedule
    published: Published | None
    due: datetime
    now: datetime
    stale: bool
    """It was fired by what an older version wanted."""

    @property
    def scheduled_for(self) -> datetime:
        """The time the definition names, where it names one: a one-time schedule fires once, whenever that is."""
        return self.row.run_at or self.due


@dataclass(frozen=True, slots=True)
class _Outcome:
    status: FireStatus
    reason: str | None = None
    run_id: str | None = None


async def fire_schedule(
    context: OperationContext, schedule_id: str, due: datetime, now: datetime
) -> Literal["started", "skipped", "failed", "gone"]:
    """Decide about one occurrence, once: a repeat gives the answer of the first time. ``due``: when it should have come.

    ``gone``: the schedule does not exist any more. Raises ``Unavailable``; then nothing is decided, and it is to be repeated.
    """
    occurrence = await _occurrence(context, schedule_id, due, now)
    if occurrence is None:
        return "gone"
    row = occurrence.row
    context = replace(context, tenant=row.tenant)
    await context.level()
    mistaken = await _mistake(context, occurrence)
    moment = occurrence.scheduled_for if mistaken is None else due
    key = fire_key_of(schedule_id, moment)
    async with writing(context.store) as connection:
        known = await schedules.find_fire(connection, schedule_id, key)
        if known is not None and mistaken is None and row.run_at is not None and row.live:
            # Decided before a later version has asked for the same occurrence.
            await schedules.end_one_time(connection, schedule_id, known)
    if known is not None:
        return known
    outcome = await _outcome(context, occurrence, key) if mistaken is None else _Outcome("skipped", mistaken)
    fire = Fire(schedule_id, row.tenant, key, moment, outcome.status, outcome.reason, outcome.run_id)
    async with writing(context.store) as connection:
        await schedules.record_fire(connection, fire, once=mistaken is None and row.run_at is not None)
    await _note_next(context, row)
    return outcome.status


async def _occurrence(context: OperationContext, schedule_id: str, due: datetime, now: datetime) -> _Occurrence | None:
    async with writing(context.store) as connection:
        row = await schedules.load_schedule(connection, schedule_id)
        if row is None:
            return None
        published = await schedules.load_published(connection, row.tenant, row.workflow_id)
    if published is not None and row.workflow_version == published.version and row.temporal_schedule_id is not None:
        return _Occurrence(row, published, due, now, stale=False)
    # First everybody is told what the latest version wants.
    state = await sync_schedule(replace(context, tenant=row.tenant), row.workflow_id)
    if state.state == "pending":
        raise Unavailable("SCHEDULE_PENDING", state.message, "It is tried again.")
    async with writing(context.store) as connection:
        row = await schedules.load_schedule(connection, schedule_id)
    return None if row is None else _Occurrence(row, published, due, now, stale=True)


async def _mistake(context: OperationContext, occurrence: _Occurrence) -> str | None:
    """Why the latest version wants no run at that time; None when it does."""
    row, published = occurrence.row, occurrence.published
    if published is None or not published.timed:
        return f"The latest version of {row.workflow_id} is not started by time."
    if not occurrence.stale:
        return None
    if row.run_at is not None:
        wanted = row.run_at - occurrence.now <= _ONE_SECOND
    else:
        wanted = await _is_due_within(context, row, occurrence.due - _ONE_SECOND, occurrence.due + _ONE_SECOND)
    return None if wanted else f"Version {published.version} is started at another time."


async def _outcome(context: OperationContext, occurrence: _Occurrence, key: str) -> _Outcome:
    row, due, now = occurrence.row, occurrence.due, occurrence.now
    if row.run_at is None and now - due > LATE and await _is_due_within(context, row, due + _ONE_SECOND, now):
        return _Outcome("skipped", MISSED)
    if await _queue_is_full(context, row.workflow_id, key):
        return _Outcome("skipped", f"QUEUE_FULL: {MOST_QUEUED} runs of {row.workflow_id} wait for their turn already.")
    try:
        launched = await launch_published_run(context, _request(occurrence, key))
    except Unavailable:
        raise
    except Conflict as refusal:
        # Paused, or no free slot: the trigger did its part, and the next occurrence may find it otherwise.
        return _Outcome("skipped", f"{refusal.code}: {refusal.message}")
    except EngineError as refusal:
        return _Outcome("failed", f"{refusal.code}: {refusal.message}", refusal.details.get("runId"))
    return _Outcome("started", launched.message or None, launched.run_id)


async def _queue_is_full(context: OperationContext, workflow_id: str, key: str) -> bool:
    """Whether as many runs wait as may; not when one of them is that of this occurrence already."""
    async with writing(context.store) as connection:
        queued = await queued_runs(connection, context.tenant, workflow_id, MOST_QUEUED)
        if len(queued) < MOST_QUEUED:
            return False
        return not await runs.runs_holding_keys(connection, context.tenant, key, None, None)


def _request(occurrence: _Occurrence, key: str) -> LaunchRequest:
    row, published = occurrence.row, occurrence.published
    wants_clock = published is not None and published.payload_schema_ref == CLOCK_SCHEMA
    launch = launch_of(row, key, occurrence.scheduled_for, occurrence.now, wants_clock=wants_clock)
    return replace(launch, may_wait=True)


def launch_of(
    row: Schedule, fire_key: str, scheduled_for: datetime, now: datetime, *, wants_clock: bool
) -> LaunchRequest:
    """The run of one occurrence. ``wants_clock``: its payload is the occurrence itself."""
    facts: dict[str, Json] = {
        "triggerType": row.trigger_type,
        "scheduleId": row.schedule_id,
        "scheduledFor": iso_milliseconds(scheduled_for),
        "firedAt": iso_milliseconds(now),
        "timezone": row.timezone,
        "workflowId": row.workflow_id,
        "workflowVersion": row.workflow_version,
    }
    if row.cron is not None:
        facts["cron"] = row.cron
    return LaunchRequest(
        workflow_id=row.workflow_id,
        version=row.workflow_version,
        payload=facts if wants_clock else row.payload_json,
        fire_key=fire_key,
        trigger_type="schedule" if row.trigger_type == "schedule" else "recurring",
        trigger_metadata={**facts, "scheduleName": row.name, "fireKey": fire_key},
    )


async def _is_due_within(context: OperationContext, row: Schedule, first: datetime, last: datetime) -> bool:
    client = await context.temporal.client()
    try:
        return await is_due_within(client, row.schedule_id, first, last)
    except RPCError as error:
        raise unavailable(error, "describe the schedule") from error


async def _note_next(context: OperationContext, row: Schedule) -> None:
    if row.run_at is not None or not row.live:
        return
    try:
        following = await next_time(await context.temporal.client(), row.schedule_id)
    except (RPCError, Unavailable):
        # Only shown; the next occurrence comes all the same.
        return
    async with writing(context.store) as connection:
        await schedules.set_next_fire(connection, row.schedule_id, following)
