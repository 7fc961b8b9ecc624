"""Workflows as an operator chooses from them: what is published, in which versions, with which payload."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, literal, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import NotFound
from engine.store.json_policy import storable_text
from engine.store.keyset import value_table
from engine.store.reader import Reader, open_reader
from engine.store.tables import RUN_STATUSES, workflow_definition_versions, workflow_definitions, workflow_runs
from engine.store.views import Document, Reply

Json = Any

definitions = workflow_definitions.c
versions = workflow_definition_versions.c
runs = workflow_runs.c


@dataclass(frozen=True, slots=True)
class WorkflowView:
    """One workflow of the catalog."""

    workflow_id: str
    name: str
    description: str | None
    published_version: int | None
    """The latest; None when nothing was published yet."""
    paused: bool
    trigger: Json
    """Trigger of the latest published version; None when it is started by hand."""


@dataclass(frozen=True, slots=True)
class VersionView:
    """One published version, without its definition."""

    version: int
    published_at: datetime | None
    definition_hash: str | None
    """None for a version from before the cutover."""


@dataclass(frozen=True, slots=True)
class LatestInputView:
    """The payload of the newest run of a workflow that has one."""

    run_id: str
    document: Document


async def workflow_list(engine: AsyncEngine, tenant: str) -> Reply[tuple[WorkflowView, ...]]:
    """The visible workflows of a tenant by name. Raises ``Unavailable``."""
    latest = _latest_version().subquery("latest")
    query = (
        select(
            definitions.workflow_id,
            definitions.name,
            definitions.description,
            definitions.is_paused,
            latest.c.version,
            latest.c.trigger,
        )
        .outerjoin_from(
            workflow_definitions,
            latest,
            (latest.c.tenant == definitions.tenant) & (latest.c.workflow_id == definitions.workflow_id),
        )
        .where(definitions.tenant == tenant, definitions.is_visible)
        .order_by(func.lower(definitions.name), definitions.workflow_id)
    )
    async with open_reader(engine, tenant) as reader:
        views = tuple(
            WorkflowView(
                row.workflow_id, row.name, row.description, row.version, row.is_paused, reader.hide(row.trigger)
            )
            for row in await reader.rows(query)
        )
        return Reply(views, reader.server_now)


async def version_list(engine: AsyncEngine, tenant: str, workflow_id: str) -> Reply[tuple[VersionView, ...]]:
    """The published versions of a workflow, newest first. Raises ``NotFound`` (WORKFLOW_NOT_FOUND), ``Unavailable``."""
    own = (versions.tenant == tenant, versions.workflow_id == workflow_id)
    query = select(versions.version, versions.published_at, versions.definition_hash).where(*own)
    async with open_reader(engine, tenant) as reader:
        await _require_workflow(reader, workflow_id)
        rows = await reader.rows(query.order_by(versions.version.desc()))
        views = tuple(VersionView(row.version, row.published_at, row.definition_hash) for row in rows)
        return Reply(views, reader.server_now)


async def definition_of(engine: AsyncEngine, tenant: str, workflow_id: str, version: int) -> Reply[Json]:
    """A definition as it was published, redacted. Raises ``NotFound`` (VERSION_NOT_FOUND), ``Unavailable``."""
    async with open_reader(engine, tenant) as reader:
        row = await _version(reader, versions.definition_json, workflow_id, version)
        return Reply(reader.hide(row), reader.server_now)


async def payload_schema_of(engine: AsyncEngine, tenant: str, workflow_id: str, version: int) -> Reply[Json]:
    """The JSON schema frozen with a version; None accepts any object. Raises as ``definition_of``.

    Not redacted: a schema describes payloads and holds none, but for its ``examples``, which its author published.
    """
    async with open_reader(engine, tenant) as reader:
        return Reply(await _version(reader, versions.payload_schema_json, workflow_id, version), reader.server_now)


async def latest_input(engine: AsyncEngine, tenant: str, workflow_id: str) -> Reply[LatestInputView | None]:
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
        found = None if row is None else LatestInputView(row.run_id, reader.document(row.input_json))
        return Reply(found, reader.server_now)


def _latest_version() -> Select[Any]:
    newest_first = (versions.tenant, versions.workflow_id, versions.version.desc())
    columns = (versions.tenant, versions.workflow_id, versions.version, versions.trigger)
    return select(*columns).ext(distinct_on(versions.tenant, versions.workflow_id)).order_by(*newest_first)


async def _require_workflow(reader: Reader, workflow_id: str) -> None:
    exists = select(literal(1)).where(definitions.tenant == reader.tenant, definitions.workflow_id == workflow_id)
    if storable_text(workflow_id) != workflow_id or await reader.row(exists) is None:
        raise NotFound(
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
