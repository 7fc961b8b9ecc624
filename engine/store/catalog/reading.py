"""Readers of the catalog: workflows, versions, definitions, payload schemas, the latest input."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select, cast, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH, distinct_on
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.definition.call_checks import calls_of
from engine.definition.issues import Issue
from engine.errors import NotFound
from engine.records import Caller, Count, LatestInput, Pause, Schedule, Version, Workflow
from engine.store.catalog.compared import hiding_compared
from engine.store.database.keyset import value_table
from engine.store.database.question import QUESTIONS, Question, Telling, ask_telling, question
from engine.store.database.reader import Reader, Reading, open_reader
from engine.store.runs.listing import COUNT_CAP
from engine.store.runs.runs import holds_slot, is_active
from engine.store.schedules.reading import SCHEDULE_COLUMNS, schedule_view, telling_schedules
from engine.store.schedules.schedules import schedule_id_of
from engine.store.tables import (
    RUN_STATUSES,
    workflow_audit_log,
    workflow_definition_versions,
    workflow_definitions,
    workflow_runs,
    workflow_schedules,
)
from engine.values.json_policy import storable_text

Json = Any

definitions = workflow_definitions.c
versions = workflow_definition_versions.c
runs = workflow_runs.c
entries = workflow_audit_log.c

_CALLS: Final = 'strict $.** ? (@.type == "control.callWorkflow" && @.workflowId == $id)'


async def workflow_list(engine: AsyncEngine, tenant: str) -> tuple[Workflow, ...]:
    """The visible workflows of a tenant by name. Raises ``Unavailable``."""
    reading, [planned, rows] = await ask_telling(engine, tenant, *_visible(tenant))
    return _workflows(reading, rows, planned)


async def workflow_of(engine: AsyncEngine, tenant: str, workflow_id: str) -> Workflow:
    """One workflow. Raises ``NotFound`` (WORKFLOW_NOT_FOUND), ``Unavailable``."""
    reading, [planned, rows] = await ask_telling(engine, tenant, *_one_workflow(tenant, storable_text(workflow_id)))
    if not rows or storable_text(workflow_id) != workflow_id:
        raise _no_workflow(workflow_id)
    [view] = _workflows(reading, rows, planned)
    return view


async def callers_of(engine: AsyncEngine, tenant: str, workflow_id: str) -> tuple[Caller, ...]:
    """The workflows whose latest version starts this one, by name. Raises ``NotFound`` (WORKFLOW_NOT_FOUND), ``Unavailable``.

    All latest versions are looked through, so this is not for asking often.
    """
    latest = (
        select(versions.workflow_id, versions.version, versions.definition_json)
        .ext(distinct_on(versions.workflow_id))
        .where(versions.tenant == tenant)
        .order_by(versions.workflow_id, versions.version.desc())
        .subquery("latest")
    )
    called = func.jsonb_path_exists(
        latest.c.definition_json, cast(_CALLS, JSONPATH), cast({"id": storable_text(workflow_id)}, JSONB)
    )
    query = (
        select(latest.c.workflow_id, definitions.name, latest.c.version, latest.c.definition_json)
        .join_from(latest, workflow_definitions, definitions.workflow_id == latest.c.workflow_id)
        .where(definitions.tenant == tenant, called)
        .order_by(func.lower(definitions.name), latest.c.workflow_id)
    )
    async with open_reader(engine, tenant) as reader:
        await _require_workflow(reader, workflow_id)
        found = [(row, called_versions(row.definition_json, workflow_id)) for row in await reader.rows(query)]
        return tuple(Caller(row.workflow_id, row.name, row.version, calls) for row, calls in found if calls)


def called_versions(definition: Json, workflow_id: str) -> tuple[int, ...]:
    """The versions of a workflow that a definition starts, ascending."""
    return tuple(sorted(version for called, version in calls_of(definition) if called == workflow_id))


async def version_list(engine: AsyncEngine, tenant: str, workflow_id: str) -> tuple[Version, ...]:
    """The published versions of a workflow, newest first. Raises ``NotFound`` (WORKFLOW_NOT_FOUND), ``Unavailable``."""
    own = (versions.tenant == tenant, versions.workflow_id == workflow_id)
    columns = (versions.published_at, versions.definition_hash, versions.published_by, versions.validation_warnings)
    query = select(versions.version, *columns).where(*own).order_by(versions.version.desc())
    async with open_reader(engine, tenant) as reader:
        await _require_workflow(reader, workflow_id)
        return tuple(
            Version(
                version=row.version,
                published_at=row.published_at,
                definition_hash=row.definition_hash,
                published_by=row.published_by,
                warnings=_warnings(reader, row.validation_warnings),
            )
            for row in await reader.rows(query)
        )


async def definition_of(engine: AsyncEngine, tenant: str, workflow_id: str, version: int) -> Json:
    """A definition as it was published, redacted. Raises ``NotFound`` (VERSION_NOT_FOUND), ``Unavailable``."""
    async with open_reader(engine, tenant) as reader:
        row = await _version(reader, versions.definition_json, workflow_id, version)
        return (await hiding_compared(reader, [row])).definition(row)


async def payload_schema_of(engine: AsyncEngine, tenant: str, workflow_id: str, version: int) -> Json:
    """The JSON schema frozen with a version, redacted; None accepts any object. Raises as ``definition_of``."""
    async with open_reader(engine, tenant) as reader:
        return reader.definition(await _version(reader, versions.payload_schema_json, workflow_id, version))


async def stored_payload_schema(engine: AsyncEngine, tenant: str, workflow_id: str, version: int) -> Json:
    """The JSON schema frozen with a version as it is, for checking a payload. Raises as ``definition_of``."""
    async with open_reader(engine, tenant) as reader:
        return await _version(reader, versions.payload_schema_json, workflow_id, version)


async def latest_input(engine: AsyncEngine, tenant: str, workflow_id: str) -> LatestInput | None:
    """The payload of the newest run that has one; None when there is none. Raises ``Unavailable``."""
    # The index begins with the status, so the newest of each is looked up, and then the newest of those.
    status = value_table("status", RUN_STATUSES)
    newest = (
        select(runs.run_id, runs.started_at, runs.input_json)
        .where(runs.tenant == tenant, runs.workflow_id == storable_text(workflow_id), runs.status == status.c.value)
        .where(runs.input_json.is_not(None))
        .order_by(runs.started_at.desc(), runs.run_id.desc())
        .limit(1)
        .lateral("newest")
    )
    order = (newest.c.started_at.desc(), newest.c.run_id.desc())
    query = select(newest).select_from(status.join(newest, true())).order_by(*order).limit(1)
    async with open_reader(engine, tenant) as reader:
        row = await reader.row(query)
    if row is None:
        return None
    async with open_reader(engine, tenant, row.run_id) as reader:
        return LatestInput(row.run_id, reader.payload(row.input_json))


@lru_cache(maxsize=QUESTIONS)
def _visible(tenant: str) -> tuple[Telling, Question]:
    """All schedules, and the visible workflows."""
    order = (func.lower(definitions.name), definitions.workflow_id)
    mine = _WORKFLOWS.where(definitions.tenant == tenant, definitions.is_visible)
    planned = telling_schedules(question(_SCHEDULES.where(workflow_schedules.c.tenant == tenant)))
    return planned, question(mine.order_by(*order))


@lru_cache(maxsize=QUESTIONS)
def _one_workflow(tenant: str, workflow_id: str) -> tuple[Telling, Question]:
    """The schedule of a workflow, and itself."""
    mine = _WORKFLOWS.where(definitions.tenant == tenant, definitions.workflow_id == workflow_id)
    own = workflow_schedules.c.schedule_id == schedule_id_of(tenant, workflow_id)
    return telling_schedules(question(_SCHEDULES.where(workflow_schedules.c.tenant == tenant, own))), question(mine)


def _workflows(reader: Reading, rows: Sequence[Any], schedules: Sequence[Any]) -> tuple[Workflow, ...]:
    # A workflow's schedule is known by its id: rows of an earlier system may stand beside it.
    planned = {row.schedule_id: schedule_view(reader, row) for row in schedules}
    return tuple(
        Workflow(
            workflow_id=row.workflow_id,
            name=row.name,
            published_version=row.version,
            description=reader.hide_text(row.description),
            paused=row.is_paused,
            trigger=reader.hide(row.trigger),
            pause=Pause(row.paused_at, row.paused_by, reader.hide_text(row.why_paused)) if row.paused_at else None,
            active=Count(min(row.active, COUNT_CAP), row.active > COUNT_CAP),
            limit=row.concurrency_limit or 0,
            schedule=_in_force(planned.get(schedule_id_of(reader.tenant, row.workflow_id))),
        )
        for row in rows
    )


def _in_force(schedule: Schedule | None) -> Schedule | None:
    """None when the latest version is not started by time any more."""
    return None if schedule is None or schedule.status == "disabled" else schedule


def _warnings(reader: Reading, found: Json) -> tuple[Issue, ...]:
    known = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return tuple(
        Issue(
            severity="warning",
            step_path=str(one.get("stepPath") or "root"),
            step_id=None if one.get("stepId") is None else str(one["stepId"]),
            code=str(one.get("code") or ""),
            message=reader.hide_text(str(one.get("message") or "")) or "",
            suggestion=reader.hide_text(None if one.get("suggestion") is None else str(one["suggestion"])),
        )
        for one in known
    )


def _all_workflows() -> Select[Any]:
    """Workflows with their latest version, their active runs, and the last entry of the audit log about a pause."""
    latest = (
        select(versions.version, versions.trigger)
        .where(versions.tenant == definitions.tenant, versions.workflow_id == definitions.workflow_id)
        .order_by(versions.version.desc())
        .limit(1)
        .lateral("latest")
    )
    some = (
        select(runs.run_id)
        .where(
            runs.tenant == definitions.tenant,
            runs.workflow_id == definitions.workflow_id,
            is_active(),
            # Beside a limit stands what counts for it.
            or_(func.coalesce(definitions.concurrency_limit, 0) == 0, holds_slot()),
        )
        .limit(COUNT_CAP + 1)
        .correlate(workflow_definitions)
        .lateral("some")
    )
    active = select(func.count().label("active")).select_from(some).lateral("counted")
    told = (
        select(entries.created_at, entries.actor, entries.reason)
        .where(
            definitions.is_paused,
            entries.tenant == definitions.tenant,
            entries.target_kind == "definition",
            entries.target_id == definitions.workflow_id,
            entries.operation == "workflow_pause",
        )
        .order_by(entries.created_at.desc(), entries.audit_id.desc())
        .limit(1)
        .lateral("told")
    )
    return (
        select(
            definitions.workflow_id,
            definitions.name,
            definitions.description,
            definitions.is_paused,
            definitions.concurrency_limit,
            latest.c.version,
            latest.c.trigger,
            active.c.active,
            told.c.created_at.label("paused_at"),
            told.c.actor.label("paused_by"),
            told.c.reason.label("why_paused"),
        )
        .select_from(workflow_definitions)
        .outerjoin(latest, true())
        .join(active, true())
        .outerjoin(told, true())
    )


async def _require_workflow(reader: Reader, workflow_id: str) -> None:
    exists = select(literal(1)).where(definitions.tenant == reader.tenant, definitions.workflow_id == workflow_id)
    if storable_text(workflow_id) != workflow_id or await reader.row(exists) is None:
        raise _no_workflow(workflow_id)


def _no_workflow(workflow_id: str) -> NotFound:
    return NotFound(
        "WORKFLOW_NOT_FOUND",
        f"There is no workflow {workflow_id[:60]!r}.",
        "Check the id; `runstudio publish` adds one.",
    )


async def _version(reader: Reader, column: Any, workflow_id: str, version: int) -> Json:
    await _require_workflow(reader, workflow_id)
    own = (versions.tenant == reader.tenant, versions.workflow_id == workflow_id, versions.version == version)
    row = await reader.row(select(column.label("body")).where(*own)) if 0 < version < 2**31 else None
    if row is None:
        raise NotFound(
            "VERSION_NOT_FOUND", f"{workflow_id} has no published version {version}.", "Choose a published one."
        )
    return row.body


_WORKFLOWS: Final = _all_workflows()
_SCHEDULES: Final = select(*SCHEDULE_COLUMNS)
