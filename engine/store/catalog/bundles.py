"""Whole workflows, read for an export and put in place by an import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from engine.store.catalog.definitions import as_authored, authored_columns
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_definition_versions as versions
from engine.store.tables import workflow_definitions as definitions
from engine.store.tables import workflow_runs as runs

Json = Any

METADATA = (
    "name",
    "description",
    "payload_schema_ref",
    "payload_schema_mode",
    "pinned_payload_schema_ref",
    "trigger",
    "is_system",
    "is_visible",
    "is_paused",
    "concurrency_limit",
    "auto_pause_on_failure",
    "failure_rate_threshold",
    "failure_rate_min_runs",
    "retention_policy_override",
)
"""Columns of a workflow that travel with it."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One published version."""

    version: int
    definition: dict[str, Json]
    payload_schema: Json


@dataclass(frozen=True, slots=True)
class StoredWorkflow:
    """One workflow with everything that is published of it."""

    workflow_id: str
    key: str
    metadata: dict[str, Json]
    draft_version: int
    draft: dict[str, Json]
    versions: tuple[StoredVersion, ...]
    """Ascending."""


async def workflow_keys(connection: Connection, tenant: str) -> dict[str, str]:
    """Workflow id by key; a workflow without a key of its own has its id for one."""
    key = func.coalesce(definitions.c.key, definitions.c.workflow_id)
    rows = await connection.execute(select(key.label("key"), definitions.c.workflow_id).where(_of(tenant)))
    return {row.key: row.workflow_id for row in rows}


async def read_workflow(connection: Connection, tenant: str, workflow_id: str) -> StoredWorkflow | None:
    """A workflow as an export needs it; None when there is none of that id."""
    row = (await connection.execute(select(definitions).where(_of(tenant, workflow_id)))).one_or_none()
    if row is None:
        return None
    own = (versions.c.tenant == tenant, versions.c.workflow_id == workflow_id)
    question = select(versions.c.version, versions.c.payload_schema_json, *authored_columns()).where(*own)
    found = await connection.execute(question.order_by(versions.c.version))
    return StoredWorkflow(
        workflow_id=workflow_id,
        key=row.key or workflow_id,
        metadata={name: getattr(row, name) for name in METADATA},
        draft_version=row.draft_version,
        draft=row.draft_definition,
        versions=tuple(StoredVersion(each.version, as_authored(each), each.payload_schema_json) for each in found),
    )


async def has_active_runs(connection: Connection, tenant: str, workflow_id: str) -> bool:
    """Whether a run of the workflow is under way."""
    active = exists().where(
        runs.c.tenant == tenant, runs.c.workflow_id == workflow_id, runs.c.status.in_(("RUNNING", "WAITING"))
    )
    return bool((await connection.execute(select(active))).scalar_one())


async def clear_versions(connection: Connection, tenant: str, workflow_id: str) -> None:
    """Remove the published versions of a workflow, to be replaced in the same transaction."""
    await connection.execute(delete(versions).where(versions.c.tenant == tenant, versions.c.workflow_id == workflow_id))


async def create_workflow(connection: Connection, tenant: str, workflow: StoredWorkflow, *, actor: str) -> bool:
    """Write a workflow's own row. False: there is one of that id."""
    row = insert(definitions).values(
        tenant=tenant,
        workflow_id=workflow.workflow_id,
        key=workflow.key,
        draft_definition=workflow.draft,
        draft_version=workflow.draft_version,
        created_by=actor,
        updated_by=actor,
        **_present(workflow.metadata),
    )
    created = await connection.execute(row.on_conflict_do_nothing().returning(definitions.c.workflow_id))
    return created.first() is not None


async def set_workflow(connection: Connection, tenant: str, workflow: StoredWorkflow, *, actor: str) -> None:
    """Bring a workflow's own row in line with a bundle's: metadata and draft."""
    await connection.execute(
        update(definitions)
        .where(_of(tenant, workflow.workflow_id))
        .values(
            draft_definition=workflow.draft,
            draft_version=workflow.draft_version,
            updated_by=actor,
            updated_at=func.now(),
            **_present(workflow.metadata),
        )
    )


def _present(metadata: Mapping[str, Json]) -> dict[str, Json]:
    # A workflow always has a payload schema; one whose author had not chosen yet takes any object.
    return {**metadata, "payload_schema_ref": metadata.get("payload_schema_ref") or "payload.Any.v1"}


def _of(tenant: str, workflow_id: str | None = None) -> Any:
    own = definitions.c.tenant == tenant
    return own if workflow_id is None else own & (definitions.c.workflow_id == workflow_id)
