"""Time triggers of workflows: what the published version wants, what Temporal was told, and what came of each occurrence.

A workflow has at most one schedule: that of its latest version. ``temporal_schedule_id`` is NULL as long as Temporal has not
been told what the row says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import and_, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from engine.ids import derived_id
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_definition_versions as versions
from engine.store.tables import workflow_definitions as definitions
from engine.store.tables import workflow_schedule_fires as fires
from engine.store.tables import workflow_schedules as schedules

Json = Any
FireStatus = Literal["started", "skipped", "failed"]

TIME_TRIGGERS: Final = frozenset({"schedule", "recurring"})
MISSED: Final = "It was missed, and a later occurrence has come due since."
"""Reason of a skipped occurrence that came when nothing was running."""


@dataclass(frozen=True, slots=True)
class Published:
    """What the latest version of a workflow says about its trigger."""

    workflow_id: str
    version: int
    name: str
    trigger: Json
    """None: none at all."""
    payload_schema_ref: str
    rests: bool
    """It is paused, and wants occurrences that meet a pause skipped: so there are none. Otherwise each queues a run."""

    @property
    def timed(self) -> bool:
        """Whether it is started by time."""
        return isinstance(self.trigger, dict) and self.trigger.get("type") in TIME_TRIGGERS


@dataclass(frozen=True, slots=True)
class Schedule:
    """A row of ``workflow_schedules``."""

    schedule_id: str
    tenant: str
    workflow_id: str
    workflow_version: int
    name: str
    trigger_type: str
    """schedule (once) or recurring."""
    run_at: datetime | None
    cron: str | None
    timezone: str
    payload_json: Json
    status: str
    """scheduled, paused; disabled: the latest version has no such trigger; completed: it ran once; failed."""
    temporal_schedule_id: str | None
    last_fire_key: str | None
    next_fire_at: datetime | None
    last_error: str | None

    @property
    def live(self) -> bool:
        """Whether Temporal has a schedule of it, or is to have one."""
        return self.status in {"scheduled", "paused"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a schedule is to be."""

    workflow_version: int
    name: str
    trigger_type: str
    run_at: datetime | None
    cron: str | None
    timezone: str
    status: str
    """scheduled or paused."""


@dataclass(frozen=True, slots=True)
class Fire:
    """What came of one occurrence."""

    schedule_id: str
    tenant: str
    fire_key: str
    scheduled_for: datetime
    status: FireStatus
    reason: str | None = None
    run_id: str | None = None


def schedule_id_of(tenant: str, workflow_id: str) -> str:
    """Id of the one schedule of a workflow, whether it exists or not."""
    return derived_id("schedule", tenant, workflow_id)


async def load_published(connection: Connection, tenant: str, workflow_id: str) -> Published | None:
    """The latest version of a workflow; None when there is none."""
    question = (
        select(
            versions.c.workflow_id,
            versions.c.version,
            definitions.c.name,
            versions.c.trigger,
            versions.c.definition_json["payloadSchemaRef"].astext,
            and_(definitions.c.is_paused, definitions.c.when_busy == "skip"),
        )
        .join(
            definitions,
            (definitions.c.tenant == versions.c.tenant) & (definitions.c.workflow_id == versions.c.workflow_id),
        )
        .where(versions.c.tenant == tenant, versions.c.workflow_id == workflow_id)
        .order_by(versions.c.version.desc())
        .limit(1)
    )
    row = (await connection.execute(question)).one_or_none()
    return None if row is None else Published(*row)


async def load_schedule(connection: Connection, schedule_id: str) -> Schedule | None:
    """A schedule; None when there is none of this id."""
    question = select(*(schedules.c[name] for name in Schedule.__dataclass_fields__))
    row = (await connection.execute(question.where(schedules.c.schedule_id == schedule_id))).one_or_none()
    return None if row is None else Schedule(*row)


async def want_schedule(connection: Connection, tenant: str, workflow_id: str, wanted: Wanted) -> None:
    """Write what a workflow's schedule is to be; Temporal is to be told. Its payload stays as it is."""
    values = {
        "workflow_version": wanted.workflow_version,
        "name": wanted.name,
        "trigger_type": wanted.trigger_type,
        "run_at": wanted.run_at,
        "cron": wanted.cron,
        "timezone": wanted.timezone,
        "enabled": wanted.status == "scheduled",
        "status": wanted.status,
        "temporal_schedule_id": None,
        "last_error": None,
    }
    row = insert(schedules).values(
        schedule_id=schedule_id_of(tenant, workflow_id), tenant=tenant, workflow_id=workflow_id, **values
    )
    await connection.execute(
        row.on_conflict_do_update(index_elements=[schedules.c.schedule_id], set_={**values, "updated_at": func.now()})
    )


async def want_no_schedule(connection: Connection, schedule_id: str) -> None:
    """The latest version has no time trigger any more; Temporal is to be told."""
    await _change(
        connection, schedule_id, status="disabled", enabled=False, temporal_schedule_id=None, next_fire_at=None
    )


async def mark_told(
    connection: Connection, schedule_id: str, temporal_schedule_id: str, next_fire_at: datetime | None
) -> None:
    """Temporal has been told what the row says."""
    await _change(connection, schedule_id, temporal_schedule_id=temporal_schedule_id, next_fire_at=next_fire_at)


async def mark_untold(connection: Connection, row: Schedule) -> bool:
    """Temporal has something else than the row says, and is to be told again. False: the row has changed meanwhile."""
    written = await connection.execute(
        update(schedules)
        .where(
            schedules.c.schedule_id == row.schedule_id,
            schedules.c.workflow_version == row.workflow_version,
            schedules.c.status == row.status,
            schedules.c.temporal_schedule_id.is_not(None),
        )
        .values(temporal_schedule_id=None, updated_at=func.now())
        .returning(schedules.c.schedule_id)
    )
    return written.first() is not None


async def mark_refused(connection: Connection, schedule_id: str, error: str) -> None:
    """Temporal does not take this schedule; only another version, or a pause, changes that."""
    await _change(connection, schedule_id, status="failed", enabled=False, last_error=error, next_fire_at=None)


async def set_payload(connection: Connection, schedule_id: str, payload: Json) -> None:
    """Set what the schedule's runs are started with."""
    await _change(connection, schedule_id, payload_json=payload)


async def set_next_fire(connection: Connection, schedule_id: str, next_fire_at: datetime | None) -> None:
    """When the next occurrence is due."""
    await _change(connection, schedule_id, next_fire_at=next_fire_at)


async def find_fire(connection: Connection, schedule_id: str, fire_key: str) -> FireStatus | None:
    """What came of an occurrence; None when that is not decided yet."""
    question = select(fires.c.status).where(fires.c.schedule_id == schedule_id, fires.c.fire_key == fire_key)
    found: FireStatus | None = (await connection.execute(question)).scalar_one_or_none()
    return found


async def record_fire(connection: Connection, fire: Fire, *, once: bool) -> bool:
    """Write what came of an occurrence, and say so on the schedule. False: that was written before, and stands.

    ``once``: with it a one-time schedule is over.
    """
    row = insert(fires).values(
        schedule_id=fire.schedule_id,
        tenant=fire.tenant,
        fire_key=fire.fire_key,
        scheduled_for=fire.scheduled_for,
        status=fire.status,
        reason=fire.reason,
        run_id=fire.run_id,
    )
    written = await connection.execute(row.on_conflict_do_nothing().returning(fires.c.fire_key))
    if written.first() is None:
        return False
    values: dict[str, Any] = {
        "last_fire_at": func.now(),
        "last_fire_key": fire.fire_key,
        "last_run_status": {"started": "success", "skipped": "skipped", "failed": "error"}[fire.status],
        "last_error": fire.reason if fire.status == "failed" else None,
    }
    await _change(connection, fire.schedule_id, **values)
    if once:
        await end_one_time(connection, fire.schedule_id, fire.status)
    return True


async def end_one_time(connection: Connection, schedule_id: str, outcome: FireStatus) -> None:
    """The one occurrence of a schedule is decided: it is over."""
    over = "failed" if outcome == "failed" else "completed"
    await _change(connection, schedule_id, status=over, enabled=False, next_fire_at=None)


async def out_of_line(connection: Connection, limit: int) -> list[tuple[str, str]]:
    """(tenant, workflow id) of workflows whose schedule is not what their latest version wants, or not told to Temporal."""
    return [(row.tenant, row.workflow_id) for row in await connection.execute(_OUT_OF_LINE, {"limit": limit})]


async def schedules_after(connection: Connection, after: str | None, limit: int) -> list[Schedule]:
    """Schedules of all tenants in the order of their ids, from one on."""
    question = (
        select(*(schedules.c[name] for name in Schedule.__dataclass_fields__))
        .order_by(schedules.c.schedule_id)
        .limit(limit)
    )
    if after is not None:
        question = question.where(schedules.c.schedule_id > after)
    return [Schedule(*row) for row in await connection.execute(question)]


async def _change(connection: Connection, schedule_id: str, **values: Any) -> None:
    await connection.execute(
        update(schedules).where(schedules.c.schedule_id == schedule_id).values(**values, updated_at=func.now())
    )


_OUT_OF_LINE: Final = text("""
    WITH latest AS (
        SELECT DISTINCT ON (tenant, workflow_id) tenant, workflow_id, version,
            coalesce(trigger ->> 'type' IN ('schedule', 'recurring'), false) AS timed
        FROM workflow_definition_versions
        ORDER BY tenant, workflow_id, version DESC
    )
    SELECT d.tenant::text, d.workflow_id
    FROM latest AS l
    JOIN workflow_definitions AS d ON d.tenant = l.tenant AND d.workflow_id = l.workflow_id
    LEFT JOIN workflow_schedules AS s ON s.tenant = l.tenant AND s.workflow_id = l.workflow_id
    WHERE CASE
        WHEN l.timed THEN s.schedule_id IS NULL OR s.workflow_version <> l.version OR s.status = 'disabled'
            OR (s.status IN ('scheduled', 'paused')
                AND (s.temporal_schedule_id IS NULL OR (s.status = 'paused') <> (d.is_paused AND d.when_busy = 'skip')))
        ELSE s.schedule_id IS NOT NULL AND (s.status <> 'disabled' OR s.temporal_schedule_id IS NULL)
        END
    ORDER BY s.updated_at NULLS FIRST, d.tenant, d.workflow_id
    LIMIT :limit
""")
