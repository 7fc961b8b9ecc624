"""Workflows and their versions. A version, once written, is never changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, case, cast, exists, func, literal_column, select, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects.postgresql import JSONB, insert

from engine.ids import new_id
from engine.store.database.hidden_documents import SENSITIVE_SCHEMAS
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_definition_versions as versions
from engine.store.tables import workflow_definitions as definitions
from engine.store.tables import workflow_runs as runs
from engine.values.json_policy import dumps_for_storage

Json = Any


@dataclass(frozen=True, slots=True)
class Workflow:
    """What operations need to know of a workflow; its versions are read on their own."""

    workflow_id: str
    name: str
    is_paused: bool
    concurrency_limit: int
    """Most runs RUNNING or WAITING at once; 0: no limit."""
    latest_version: int | None
    """None: nothing was published yet."""
    when_busy: str
    """What a trigger does that meets a pause or a full limit: queue, skip or replace."""
    has_queue: bool
    """Whether runs of it wait for their turn."""


@dataclass(frozen=True, slots=True)
class Version:
    """One published version, without the definition's text."""

    version: int
    definition_hash: str | None
    """None for a version from before the cutover."""
    payload_schema: Json
    """JSON schema frozen at publish; None accepts any object."""


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to be written."""

    workflow_id: str
    version: int
    definition: dict[str, Json]
    """As it will run: ``id`` and ``version`` are those of the row."""
    definition_hash: str
    payload_schema: Json
    validation_status: str
    """``valid`` or ``warning``."""
    warnings: list[dict[str, Json]]
    published_by: str
    action_traits: dict[str, dict[str, Json]] | None = None
    """By id@version: what is known of its actions, and ``SENSITIVE_SCHEMAS`` of those that have any; None: what the worker that
    loads a run knows."""


def authored_columns() -> tuple[ColumnElement[Any], ...]:
    """What ``as_authored`` needs of a version."""
    # A text that does not say the same as the JSON was changed by hand, or the JSON was: the hash will tell.
    same = cast(versions.c.definition_text, JSONB) == versions.c.definition_json
    return versions.c.definition_json, case((same, versions.c.definition_text)).label("definition_text")


def as_authored(row: Any) -> Json:
    """The definition with its keys in the author's order, in which the entries of an assign map take effect."""
    return row.definition_json if row.definition_text is None else json.loads(row.definition_text)


async def load_workflow(connection: Connection, tenant: str, workflow_id: str) -> Workflow | None:
    """A workflow and the number of its latest version; None when there is none of this id."""
    row = (await connection.execute(_WORKFLOW, {"of_tenant": tenant, "of_workflow": workflow_id})).one_or_none()
    return None if row is None else Workflow(*row)


async def lock_workflow(connection: Connection, tenant: str, workflow_id: str) -> Workflow | None:
    """As ``load_workflow``, and nobody else holds this lock until the transaction ends: launches under a limit, publishes."""
    locked = select(definitions.c.workflow_id).where(_is(tenant, workflow_id)).with_for_update(key_share=True)
    await connection.execute(locked)
    return await load_workflow(connection, tenant, workflow_id)


async def load_version(connection: Connection, tenant: str, workflow_id: str, version: int) -> Version | None:
    """One published version."""
    named = {"of_tenant": tenant, "of_workflow": workflow_id, "of_version": version}
    row = (await connection.execute(_VERSION, named)).one_or_none()
    return None if row is None else Version(*row)


async def load_marks(connection: Connection, tenant: str, workflow_id: str, version: int) -> dict[str, Json]:
    """What the actions of a version mark as sensitive: see ``marks_of``."""
    question = select(versions.c.action_traits).where(_is_version(tenant, workflow_id, version))
    return marks_of((await connection.execute(question)).scalar_one_or_none())


def marks_of(action_traits: dict[str, dict[str, Json]] | None) -> dict[str, Json]:
    """By id@version: the schemas, ``{"input": ..., "output": ...}``, of those actions that mark something as sensitive."""
    return {
        name: told[SENSITIVE_SCHEMAS] for name, told in (action_traits or {}).items() if told.get(SENSITIVE_SCHEMAS)
    }


async def load_definition(connection: Connection, tenant: str, workflow_id: str, version: int) -> Json:
    """The definition of a version as it was published; None when there is none."""
    question = select(*authored_columns()).where(_is_version(tenant, workflow_id, version))
    row = (await connection.execute(question)).one_or_none()
    return None if row is None else as_authored(row)


async def ensure_workflow(connection: Connection, tenant: str, workflow_id: str, draft: Json, *, actor: str) -> bool:
    """Create a workflow that does not exist yet, with ``draft`` as its draft. Whether it was created."""
    row = insert(definitions).values(
        tenant=tenant,
        workflow_id=workflow_id,
        name=draft["name"],
        payload_schema_ref=draft["payloadSchemaRef"],
        draft_definition=draft,
        created_by=actor,
        updated_by=actor,
    )
    created = await connection.execute(row.on_conflict_do_nothing().returning(definitions.c.workflow_id))
    return created.first() is not None


async def insert_version(connection: Connection, tenant: str, new: NewVersion) -> None:
    """Write a version, and bring the workflow's own row in line with it: name, description, draft, status.

    The next draft is the same definition under the next number.
    """
    definition = new.definition
    await connection.execute(
        plain_insert(versions).values(
            version_id=new_id(),
            tenant=tenant,
            workflow_id=new.workflow_id,
            version=new.version,
            definition_json=definition,
            definition_text=dumps_for_storage(definition),
            definition_hash=new.definition_hash,
            trigger=definition.get("trigger"),
            payload_schema_json=new.payload_schema,
            validation_status=new.validation_status,
            validation_errors=[],
            validation_warnings=new.warnings,
            validated_at=func.now(),
            published_by=new.published_by,
            action_traits=new.action_traits,
            published_at=func.now(),
        )
    )
    await connection.execute(
        update(definitions)
        .where(_is(tenant, new.workflow_id))
        .values(
            name=definition["name"],
            description=definition.get("description"),
            payload_schema_ref=definition["payloadSchemaRef"],
            trigger=definition.get("trigger"),
            draft_definition={**definition, "version": new.version + 1},
            draft_version=new.version + 1,
            status="published",
            validation_status=new.validation_status,
            validation_errors=[],
            validation_warnings=new.warnings,
            validated_at=func.now(),
            updated_by=new.published_by,
            updated_at=func.now(),
        )
    )


async def set_paused(connection: Connection, tenant: str, workflow_id: str, *, paused: bool, actor: str) -> bool:
    """Pause or unpause a workflow. Whether that changed anything."""
    return await _change(connection, tenant, workflow_id, actor, is_paused=paused)


async def set_concurrency_limit(
    connection: Connection, tenant: str, workflow_id: str, *, limit: int, actor: str
) -> bool:
    """Set how many runs may be active at once; 0: no limit. Whether that changed anything."""
    return await _change(connection, tenant, workflow_id, actor, concurrency_limit=limit)


async def set_when_busy(connection: Connection, tenant: str, workflow_id: str, *, when_busy: str, actor: str) -> bool:
    """Set what a trigger does that meets a pause or a full limit. Whether that changed anything."""
    return await _change(connection, tenant, workflow_id, actor, when_busy=when_busy)


async def version_numbers(connection: Connection, tenant: str) -> dict[str, list[int]]:
    """The numbers of all published versions, by workflow id."""
    numbers: dict[str, list[int]] = {}
    question = select(versions.c.workflow_id, versions.c.version).where(versions.c.tenant == tenant)
    for row in await connection.execute(question.order_by(versions.c.workflow_id, versions.c.version)):
        numbers.setdefault(row.workflow_id, []).append(row.version)
    return numbers


async def _change(connection: Connection, tenant: str, workflow_id: str, actor: str, **values: Any) -> bool:
    [(column, value)] = values.items()
    statement = (
        update(definitions)
        .where(_is(tenant, workflow_id), definitions.c[column].is_distinct_from(value))
        .values({column: value, "updated_by": actor, "updated_at": func.now()})
    )
    return (await connection.execute(statement.returning(definitions.c.workflow_id))).first() is not None


def _is(tenant: str, workflow_id: str) -> Any:
    return (definitions.c.tenant == tenant) & (definitions.c.workflow_id == workflow_id)


def _is_version(tenant: str, workflow_id: str, version: int) -> Any:
    return (versions.c.tenant == tenant) & (versions.c.workflow_id == workflow_id) & (versions.c.version == version)


# Asked by every launch, and put together once: that costs as much as asking.
_WORKFLOW: Final = select(
    definitions.c.workflow_id,
    definitions.c.name,
    definitions.c.is_paused,
    func.coalesce(definitions.c.concurrency_limit, 0),
    select(func.max(versions.c.version))
    .where(versions.c.tenant == definitions.c.tenant, versions.c.workflow_id == definitions.c.workflow_id)
    .scalar_subquery(),
    definitions.c.when_busy,
    exists().where(
        runs.c.tenant == definitions.c.tenant,
        runs.c.workflow_id == definitions.c.workflow_id,
        runs.c.launch_state == literal_column("'queued'"),
    ),
).where(definitions.c.tenant == bindparam("of_tenant"), definitions.c.workflow_id == bindparam("of_workflow"))
_VERSION: Final = select(versions.c.version, versions.c.definition_hash, versions.c.payload_schema_json).where(
    versions.c.tenant == bindparam("of_tenant"),
    versions.c.workflow_id == bindparam("of_workflow"),
    versions.c.version == bindparam("of_version"),
)
