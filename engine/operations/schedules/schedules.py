"""Schedules owned by published versions: Temporal has exactly the schedule that the latest version's trigger asks for.

What is wanted is written first, then Temporal is told; whatever keeps it from being told, a worker makes it good.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

import structlog
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from engine import advice
from engine.contract import temporal_schedule_id_for
from engine.errors import Conflict, EngineError, Invalid, NotFound, Unavailable
from engine.operations.context import OperationContext
from engine.operations.json_schema import check_value
from engine.operations.reconcile.side_by_side import each, is_of_all
from engine.operations.runs.admission import storable_payload
from engine.operations.schedules.temporal_schedules import drop_schedule, is_as_told, put_schedule
from engine.records import Level
from engine.store.catalog.definitions import load_version, load_workflow
from engine.store.database.engine import LOCKED
from engine.store.database.leases import only_one
from engine.store.database.transactions import Connection, writing
from engine.store.schedules import schedules
from engine.store.schedules.schedules import Fire, Published, Schedule, Wanted, schedule_id_of
from engine.store.tenant.audit import AuditEntry
from engine.temporal.connection import unavailable
from engine.values.timestamps import iso_milliseconds, time_of
from engine.wording import clause, counted, sentence

Json = Any

_LOG: Final = structlog.get_logger("runstudio.schedules")
WORKFLOWS_PER_PASS: Final = 200
CHANGED: Final = "Temporal had not what it was told: somebody else has changed or deleted it there. It is told again."


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """How a workflow's schedule is now."""

    state: Literal["none", "scheduled", "paused", "completed", "failed", "pending"]
    """``none``: it is not started by time. ``pending``: written, and Temporal is told by a worker as soon as that is possible."""
    next_fire_at: datetime | None = None
    message: str = ""
    """Why it is pending or failed, one sentence."""
    away: bool = False
    """Temporal or Postgres did not answer, so it would not answer for another schedule either."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison with Temporal's schedules found."""

    changed: int = 0
    next: str | None = None
    """Where the next one goes on; None: from the beginning."""


async def sync_schedule(context: OperationContext, workflow_id: str) -> ScheduleState:
    """Bring a workflow's Temporal Schedule in line with its latest version, and with its pause. Needs the level admin.

    To be called after a version was published, after a workflow was paused or unpaused, and after a workflow was deleted.
    Repeating it is harmless. A Temporal or a Postgres that is away is no failure: the state is ``pending``, and a worker goes
    on from there. Raises ``Forbidden``.
    """
    try:
        await context.require(Level.ADMIN)
        return await _synced(context, workflow_id)
    except Unavailable as error:
        return ScheduleState("pending", message=error.message, away=error.code != LOCKED)


async def sync_schedules(context: OperationContext) -> int:
    """Bring all schedules of all tenants in line that are not; how many are now. One that cannot be leaves the others alone.

    Raises ``EngineError`` (SCHEDULES_PENDING) when Temporal could not be told of some, (SCHEDULES_BROKEN) when some are such that
    nobody could be, ``Unavailable`` (Postgres).
    """
    async with writing(context.store) as connection:
        found = await schedules.out_of_line(connection, WORKFLOWS_PER_PASS)
    broken: list[str] = []
    for done, (tenant, workflow_id) in enumerate(found):
        try:
            state = await sync_schedule(replace(context, tenant=tenant), workflow_id)
        except EngineError:
            raise
        except Exception:  # noqa: BLE001 - whatever is wrong with one schedule stops no other
            _LOG.exception("schedule cannot be synchronised", tenant=tenant, workflow=workflow_id)
            broken.append(workflow_id)
            continue
        if state.away:
            raise EngineError(
                "SCHEDULES_PENDING",
                sentence(f"{counted(len(found) - done, 'schedule')} not told to Temporal yet: {state.message}"),
                advice.PARTS.to("See how the parts are"),
            )
    if broken:
        raise EngineError(
            "SCHEDULES_BROKEN",
            f"{counted(len(broken), 'schedule')} cannot be told to Temporal, {broken[0]} first.",
            advice.PUBLISH.to("Look for the reason in this worker's log, and publish a version with another trigger"),
        )
    return len(found)


async def find_changed_schedules(context: OperationContext, after: str | None) -> Compared:
    """Compare schedules of all tenants, from an id on, with Temporal's.

    One that somebody has deleted, paused or changed there, or that Temporal has lost with a restore, is to be told again: then
    ``sync_schedules`` does. It is audited. Raises ``Unavailable``.
    """
    async with writing(context.store) as connection:
        page = await schedules.schedules_after(connection, after, WORKFLOWS_PER_PASS)
    told = [row for row in page if row.live and row.temporal_schedule_id is not None]
    client = await context.temporal.client()

    async def kept(row: Schedule) -> bool:
        try:
            return await is_as_told(client, row)
        except Exception as error:
            if is_of_all(error):
                raise
            _LOG.exception("schedule cannot be compared", tenant=row.tenant, workflow=row.workflow_id)
            return True

    try:
        as_told = await each(told, kept)
    except RPCError as error:
        raise unavailable(error, "describe a schedule") from error
    changed = [row for row, same in zip(told, as_told, strict=True) if not same]
    if changed:
        await context.temporal.confirm()
    for row in changed:
        await _tell_again(replace(context, tenant=row.tenant), row)
    return Compared(len(changed), page[-1].schedule_id if len(page) == WORKFLOWS_PER_PASS else None)


async def _tell_again(context: OperationContext, row: Schedule) -> None:
    await context.level()
    async with writing(context.store) as connection:
        if await schedules.mark_untold(connection, row):
            _LOG.warning("schedule was changed in Temporal", tenant=row.tenant, workflow=row.workflow_id)
            details = {"status": row.status, "workflowVersion": row.workflow_version}
            entry = _entry("workflow_schedule_sync", row.schedule_id, row.workflow_id, details)
            await context.audit(connection, replace(entry, reason=CHANGED))


async def set_schedule_payload(context: OperationContext, workflow_id: str, payload: Json) -> None:
    """Set the payload with which a schedule starts its runs; {} until then. Needs the level admin.

    (A workflow whose payload is ``payload.WorkflowClockTrigger.v1`` gets the occurrence itself instead.) Raises, with nothing
    written: ``Invalid`` (PAYLOAD_REJECTED with ``details.issues``, PAYLOAD_NOT_OBJECT, PAYLOAD_TOO_LARGE, JSON_*),
    ``NotFound`` (WORKFLOW_NOT_FOUND), ``Conflict`` (NOT_SCHEDULED), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    checked = storable_payload(payload)
    async with writing(context.store) as connection:
        workflow = await load_workflow(connection, context.tenant, workflow_id)
        if workflow is None or workflow.latest_version is None:
            raise NotFound(
                "WORKFLOW_NOT_FOUND",
                f"There is no published workflow {workflow_id[:60]}.",
                advice.PUBLISH.to("Publish it first"),
            )
        schedule_id = schedule_id_of(context.tenant, workflow_id)
        version = await load_version(connection, context.tenant, workflow_id, workflow.latest_version)
        if await schedules.load_schedule(connection, schedule_id) is None:
            raise Conflict(
                "NOT_SCHEDULED",
                f"No version of {workflow_id} was ever started by time.",
                advice.PUBLISH.to("Publish one with a schedule or recurring trigger"),
            )
    issues = await check_value(version and version.payload_schema, checked.value, size_bytes=checked.size_bytes)
    if issues:
        raise Invalid(
            "PAYLOAD_REJECTED",
            f"The payload does not fit its schema: {issues[0].pointer or '/'} {clause(issues[0].message)}.",
            f"Correct it; the schema is that of the workflow {workflow_id}.",
            {"issues": [issue.to_json() for issue in issues]},
        )
    async with writing(context.store) as connection:
        await schedules.set_payload(connection, schedule_id, checked.value)
        details = {"payloadSizeBytes": checked.size_bytes}
        await context.audit(connection, _entry("workflow_schedule_payload", schedule_id, workflow_id, details))


def fire_key_of(schedule_id: str, due: datetime) -> str:
    """Names one occurrence: at most one run is started for it."""
    text = iso_milliseconds(due)
    return f"workflow-schedule-fire:{schedule_id}:{text}"


async def _synced(context: OperationContext, workflow_id: str) -> ScheduleState:
    schedule_id = schedule_id_of(context.tenant, workflow_id)
    async with writing(context.store) as connection:
        published = await schedules.load_published(connection, context.tenant, workflow_id)
        row = await schedules.load_schedule(connection, schedule_id)
        exists = await load_workflow(connection, context.tenant, workflow_id) is not None
    if row is None and exists and not (published and published.timed):
        return ScheduleState("none")
    # One at a time, or an older version could overtake a newer one on its way to Temporal.
    async with only_one(context.store, f"schedule {schedule_id}", context.actor.name) as ours:
        if not ours:
            return ScheduleState("pending", message="Another process is at this schedule.")
        return await _sync(context, workflow_id, schedule_id)


async def _sync(context: OperationContext, workflow_id: str, schedule_id: str) -> ScheduleState:
    now = datetime.now(UTC)
    async with writing(context.store) as connection:
        published = await schedules.load_published(connection, context.tenant, workflow_id)
        row = await _write_wanted(context, connection, published, schedule_id, now)
        overdue = row is not None and await _is_overdue(connection, row, now)
    try:
        client = await context.temporal.client()
        if row is None:
            # The workflow is gone, and its row with it.
            await drop_schedule(client, schedule_id)
            return ScheduleState("none")
        return await _tell(context, client, row, overdue=overdue)
    except (ValueError, OverflowError) as error:
        return await _refused(context, schedule_id, f"The schedule is none that Temporal has: {error}")
    except RPCError as error:
        if row is not None and error.status is RPCStatusCode.INVALID_ARGUMENT:
            return await _refused(context, schedule_id, f"Temporal refused the schedule: {error.message}")
        raise unavailable(error, "take the schedule") from error


async def _refused(context: OperationContext, schedule_id: str, reason: str) -> ScheduleState:
    message = sentence(reason)
    async with writing(context.store) as connection:
        await schedules.mark_refused(connection, schedule_id, message)
    return ScheduleState("failed", message=message)


async def _tell(context: OperationContext, client: Client, row: Schedule, *, overdue: bool) -> ScheduleState:
    """Do what the row says, unless Temporal has been told. Raises ``RPCError``, ``Unavailable``."""
    next_fire_at = row.next_fire_at
    if row.temporal_schedule_id is None:
        if row.live:
            next_fire_at = await put_schedule(client, row, overdue=overdue)
        else:
            await drop_schedule(client, row.schedule_id)
        told = temporal_schedule_id_for(row.schedule_id)
        async with writing(context.store) as connection:
            await schedules.mark_told(connection, row.schedule_id, told, next_fire_at)
    match row.status:
        case "scheduled" | "paused" | "completed" as state:
            return ScheduleState(state, next_fire_at)
        case "failed":
            return ScheduleState("failed", message=row.last_error or "")
        case _:
            return ScheduleState("none")


async def _write_wanted(
    context: OperationContext,
    connection: Connection,
    published: Published | None,
    schedule_id: str,
    now: datetime,
) -> Schedule | None:
    """The row as the latest version wants it; None when there is neither a row nor a wish for one."""
    row = await schedules.load_schedule(connection, schedule_id)
    if published is None or not published.timed:
        changed = row is not None and row.status != "disabled"
        if changed:
            await schedules.want_no_schedule(connection, schedule_id)
    else:
        wanted = _wanted(published)
        changed = row is None or _differs(row, wanted)
        if changed:
            await schedules.want_schedule(connection, context.tenant, published.workflow_id, wanted)
        if row is not None and row.status == "paused" and wanted.status == "scheduled":
            await _skip_what_the_pause_swallowed(connection, schedule_id, now)
    after = await schedules.load_schedule(connection, schedule_id)
    if changed:
        await _audit(context, connection, after)
    return after


def _wanted(published: Published) -> Wanted:
    trigger = published.trigger
    run_at = None
    if trigger["type"] == "schedule":
        run_at = _run_at(trigger["runAt"])
    return Wanted(
        workflow_version=published.version,
        name=published.name,
        trigger_type=trigger["type"],
        run_at=run_at,
        cron=trigger.get("cron"),
        timezone=trigger.get("timezone") or "UTC",
        status="paused" if published.rests else "scheduled",
    )


def _run_at(text: str) -> datetime:
    try:
        return time_of(text)
    except ValueError:
        # It was published when other spellings were taken as well.
        run_at = datetime.fromisoformat(text.strip())
        return run_at if run_at.tzinfo else run_at.replace(tzinfo=UTC)


def _differs(row: Schedule, wanted: Wanted) -> bool:
    if row.workflow_version != wanted.workflow_version or row.status == "disabled":
        return True
    # What has run, or cannot, is over until another version is published.
    return row.live and row.status != wanted.status


async def _is_overdue(connection: Connection, row: Schedule, now: datetime) -> bool:
    """Whether the one time of a schedule passed before Temporal was told of it."""
    if row.status != "scheduled" or row.temporal_schedule_id is not None or row.run_at is None or row.run_at > now:
        return False
    return await schedules.find_fire(connection, row.schedule_id, fire_key_of(row.schedule_id, row.run_at)) is None


async def _skip_what_the_pause_swallowed(connection: Connection, schedule_id: str, now: datetime) -> None:
    """A one-time schedule whose time passed while it rested is over, and says so."""
    row = await schedules.load_schedule(connection, schedule_id)
    if row is None or row.run_at is None or row.run_at > now:
        return
    fire = Fire(
        schedule_id,
        row.tenant,
        fire_key_of(schedule_id, row.run_at),
        row.run_at,
        "skipped",
        "The workflow was paused at that time.",
    )
    await schedules.record_fire(connection, fire, once=True)


async def _audit(context: OperationContext, connection: Connection, row: Schedule | None) -> None:
    if row is not None:
        details = {"status": row.status, "workflowVersion": row.workflow_version}
        await context.audit(connection, _entry("workflow_schedule_sync", row.schedule_id, row.workflow_id, details))


def _entry(operation: str, schedule_id: str, workflow_id: str, details: dict[str, Json]) -> AuditEntry:
    return AuditEntry(operation, "schedule", schedule_id, workflow_id=workflow_id, details=details)
