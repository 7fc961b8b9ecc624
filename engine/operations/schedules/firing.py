"""A schedule by hand: one run now as its next occurrence would start it, and the times that are to come."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from temporalio.service import RPCError

from engine.errors import Conflict, Unavailable
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.runs.launch import launch_published_run
from engine.operations.runs.launch_keys import check_keys
from engine.operations.runs.run_access import checked_reason
from engine.operations.schedules.schedule_fires import CLOCK_SCHEMA, launch_of
from engine.operations.schedules.temporal_schedules import next_times
from engine.records import Level, Started
from engine.store.database.transactions import writing
from engine.store.runs.listing import check_limit
from engine.store.schedules import schedules
from engine.store.schedules.reading import schedule_detail
from engine.store.schedules.schedules import Fire
from engine.temporal.connection import is_not_found, unavailable
from engine.wording import clause

MOST_TIMES: Final = 10
"""Occurrences to come that Temporal tells."""


async def fire_now(
    context: OperationContext, named: str, reason: str, *, idempotency_key: str | None = None
) -> Started:
    """Start one run now as the schedule would, with its payload; its own occurrences come all the same. Needs the level admin.

    ``named``: id of the schedule, or of its workflow. Repeating it with the same key starts nothing twice. A run that Temporal
    could not be told of yet is ``pending``. Raises, with nothing started: ``Invalid`` (REASON_TOO_SHORT, REASON_TOO_LONG),
    ``NotFound`` (SCHEDULE_NOT_FOUND), ``Conflict`` (NOT_SCHEDULED), ``Forbidden``, ``Unavailable`` (with ``details.runId`` when
    the run was started all the same), and as ``launch_published_run``.
    """
    await context.require(Level.ADMIN)
    why = checked_reason(reason)
    check_keys(context.actor, None, idempotency_key)
    schedule_id = (await schedule_detail(context.store, context.tenant, named)).row.schedule_id
    async with writing(context.store) as connection:
        row = await schedules.load_schedule(connection, schedule_id)
        published = None if row is None else await schedules.load_published(connection, row.tenant, row.workflow_id)
    if row is None or published is None or not published.timed:
        workflow = "its workflow" if row is None else row.workflow_id
        raise Conflict(
            "NOT_SCHEDULED",
            f"The latest version of {workflow} is not started by time.",
            "Start a run of it instead.",
        )
    # What the latest version wants counts, also where Temporal has not been told of it yet.
    row = replace(row, workflow_version=published.version)
    now = datetime.now(UTC)
    key = f"workflow-schedule-fire:{schedule_id}:by-hand:{new_id() if idempotency_key is None else idempotency_key}"
    launch = launch_of(row, key, now, now, wants_clock=published.payload_schema_ref == CLOCK_SCHEMA)
    launched = await launch_published_run(
        context,
        replace(
            launch,
            operation="workflow_schedule_fire",
            reason=why,
            audit_details={"scheduleId": schedule_id},
            keep_refused=False,
        ),
    )
    told = f"Fired by {context.actor.name}: {why}"
    fire = Fire(schedule_id, row.tenant, key, now, "started", told, launched.run_id)
    try:
        async with writing(context.store) as connection:
            await schedules.record_fire(connection, fire, once=False)
    except Unavailable as error:
        raise Unavailable(
            error.code,
            f"Run {launched.run_id} was started, but that cannot be recorded on its schedule: {clause(error.message)}.",
            "The run goes on all the same. Do not fire again, unless with the same key.",
            {**error.details, "runId": launched.run_id},
        ) from error
    return launched


async def coming_times(context: OperationContext, named: str, count: int) -> tuple[datetime, ...]:
    """The next ``count`` (1..10) occurrences of a schedule, as Temporal tells; empty when none is to come, or it is paused.

    Raises ``Invalid`` (LIMIT_INVALID), ``NotFound`` (SCHEDULE_NOT_FOUND), ``Unavailable`` (SCHEDULE_PENDING: Temporal has not
    been told of it yet).
    """
    check_limit(count, MOST_TIMES)
    row = (await schedule_detail(await context.readable(), context.tenant, named)).row
    if row.status != "scheduled":
        return ()
    try:
        found = None if row.pending else await next_times(await context.temporal.client(), row.schedule_id)
    except RPCError as error:
        if not is_not_found(error):
            raise unavailable(error, "describe the schedule") from error
        found = None
    if found is None:
        raise Unavailable(
            "SCHEDULE_PENDING",
            "Temporal has not been told of this schedule yet."
            if row.pending
            else "Temporal does not have this schedule any more: somebody has deleted it there.",
            "A worker tells it; doctor says more.",
        )
    return found[:count]
