"""Publishing: a definition becomes the next immutable version of its workflow, or is refused with every reason at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import available_timezones

from engine.actions.registry import ActionRegistry, RegisteredAction
from engine.definition.call_checks import calls_of
from engine.definition.compile import compile_definition
from engine.definition.hash import definition_hash
from engine.definition.issues import Issue
from engine.definition.parse import parse_definition
from engine.definition.publish_context import Call, PublishContext, contracts_of
from engine.definition.validate import validate_definition
from engine.errors import Invalid, NotFound
from engine.operations.context import OperationContext
from engine.operations.json_schema import issues_of, schema_problem
from engine.operations.runs.run_access import checked_reason
from engine.operations.schedules.schedules import sync_schedule
from engine.records import Level, Published
from engine.store.catalog.definitions import (
    NewVersion,
    Workflow,
    ensure_workflow,
    insert_version,
    load_definition,
    load_marks,
    load_version,
    load_workflow,
    lock_workflow,
    marks_of,
    set_concurrency_limit,
    set_paused,
    set_when_busy,
    version_numbers,
)
from engine.store.catalog.payload_schemas import load_schemas, register_schemas
from engine.store.database.hidden_documents import SENSITIVE_SCHEMAS
from engine.store.database.transactions import Connection, writing
from engine.store.tables.base import WHEN_BUSY
from engine.store.tenant.audit import AuditEntry
from engine.store.tenant.settings import load_settings
from engine.values.json_policy import clean_json, size_bytes
from engine.values.redaction.sensitive_places import is_marked
from engine.values.request_limits import MAX_PAYLOAD_BYTES
from engine.wording import clause

Json = Any

EXAMPLE_TITLES: Final = "x-example-titles"
"""Keyword of a payload's schema with the titles of its ``examples``, in their order."""


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """A definition to publish."""

    definition: Mapping[str, Json]
    """As authored. ``id`` names the workflow; ``version`` is overwritten."""
    payload_schema: Json = None
    """JSON schema registered under the definition's payloadSchemaRef first; None: the one that is registered there."""
    examples: Mapping[str, Json] = field(default_factory=dict)
    """Payloads to start runs from, by title; kept with the schema and checked against it."""
    only_if_changed: bool = False
    """Do nothing when the newest version is the same definition with the same schema, and its actions mark the same places."""


async def publish_definition(context: OperationContext, request: PublishRequest, registry: ActionRegistry) -> Published:
    """Check everything, then write the version. Needs the level admin.

    ``registry``: the actions the workers will have. Raises, with nothing written: ``Invalid`` (DEFINITION_INVALID with
    ``details.issues``, PAYLOAD_SCHEMA_INVALID, EXAMPLE_INVALID,
    EXAMPLE_WITHOUT_SCHEMA, JSON_*), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    if not isinstance(request.definition, Mapping):
        raise Invalid("DEFINITION_INVALID", "The definition is no object.", "Read its JSON first.", {"issues": []})
    authored: dict[str, Json] = clean_json(dict(request.definition)).value
    schema = await asyncio.to_thread(lambda: _with_examples(request))
    workflow_id, ref = str(authored.get("id") or ""), authored.get("payloadSchemaRef")
    async with writing(context.store) as connection:
        if schema is not None and isinstance(ref, str) and ref:
            await register_schemas(connection, context.tenant, {ref: schema}, created_by=context.actor.name)
        world = await publish_context(connection, context.tenant, registry, authored)
        known = await load_workflow(connection, context.tenant, workflow_id)
        # Large definitions take most of a second, in which whoever shares the event loop goes on.
        result = await asyncio.to_thread(validate_definition, _numbered(authored, known), world)
        if not result.ok:
            raise _refused(workflow_id, result.errors, result.warnings)
        await ensure_workflow(connection, context.tenant, workflow_id, authored, actor=context.actor.name)
        # Two publishes of one workflow queue here, so that each gets a number of its own.
        workflow = await lock_workflow(connection, context.tenant, workflow_id)
        newest = None if workflow is None else workflow.latest_version
        payload_schema = world.schemas.get(str(ref))
        traits = traits_of(_numbered(authored, workflow), registry)
        if request.only_if_changed and newest is not None:
            same = await _same_as(
                connection, context.tenant, workflow_id, newest, authored=authored, schema=payload_schema, traits=traits
            )
            if same is not None:
                return Published(workflow_id, newest, same, created=False, warnings=result.warnings)
        definition = _numbered(authored, workflow)
        version = int(definition["version"])
        digest = definition_hash(definition)
        await insert_version(
            connection,
            context.tenant,
            NewVersion(
                workflow_id=workflow_id,
                version=version,
                definition=definition,
                definition_hash=digest,
                payload_schema=payload_schema,
                validation_status=result.status,
                warnings=[issue.to_json() for issue in result.warnings],
                published_by=context.actor.name,
                action_traits=traits,
            ),
        )
        details = {"version": version, "definitionHash": digest, "warnings": len(result.warnings)}
        await context.audit(
            connection,
            AuditEntry("workflow_publish", "definition", workflow_id, workflow_id=workflow_id, details=details),
        )
    await sync_schedule(context, workflow_id)
    return Published(workflow_id, version, digest, created=True, warnings=result.warnings)


async def pause_workflow(
    context: OperationContext, workflow_id: str, *, paused: bool, reason: str | None = None
) -> None:
    """Hold new runs of a workflow, or let them go; runs that are under way go on. Needs the level admin.

    While it is paused a start by hand is refused, a trigger is queued (or what the workflow chose for such times), a parent that
    calls it waits. An occurrence of its schedule is a trigger; where such are to be skipped, the schedule rests.

    Raises ``Invalid`` (REASON_TOO_SHORT, REASON_TOO_LONG), ``NotFound`` (WORKFLOW_NOT_FOUND), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    reason = None if reason is None else checked_reason(reason)
    async with writing(context.store) as connection:
        await _require(connection, context.tenant, workflow_id)
        actor = context.actor.name
        if await set_paused(connection, context.tenant, workflow_id, paused=paused, actor=actor):
            operation = "workflow_pause" if paused else "workflow_unpause"
            entry = AuditEntry(operation, "definition", workflow_id, workflow_id=workflow_id, reason=reason)
            await context.audit(connection, entry)
    await sync_schedule(context, workflow_id)


async def limit_concurrency(
    context: OperationContext, workflow_id: str, limit: int, *, when_busy: str | None = None
) -> None:
    """Set how many runs of a workflow may be RUNNING or WAITING at once; 0: no limit. Needs the level admin.

    ``when_busy``: what a trigger does that meets a full limit or a pause. ``queue``: its run waits for its turn; ``skip``: it
    starts nothing; ``replace``: as queue, but only the newest waits, and the oldest active run is canceled for it. None: as it
    is. Raises ``Invalid`` (LIMIT_INVALID, WHEN_BUSY_INVALID), ``NotFound`` (WORKFLOW_NOT_FOUND), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    if type(limit) is not int or not 0 <= limit < 2**31:
        raise Invalid(
            "LIMIT_INVALID", f"{str(limit)[:40]} is no number of runs.", "Use 0 for no limit, or a positive number."
        )
    if when_busy not in {None, *WHEN_BUSY}:
        raise Invalid(
            "WHEN_BUSY_INVALID", f"{str(when_busy)[:40]!r} is no choice.", f"Use one of {', '.join(WHEN_BUSY)}."
        )
    async with writing(context.store) as connection:
        await _require(connection, context.tenant, workflow_id)
        actor = context.actor.name
        if when_busy is not None and await set_when_busy(
            connection, context.tenant, workflow_id, when_busy=when_busy, actor=actor
        ):
            entry = AuditEntry(
                "workflow_when_busy",
                "definition",
                workflow_id,
                workflow_id=workflow_id,
                details={"whenBusy": when_busy},
            )
            await context.audit(connection, entry)
        if await set_concurrency_limit(connection, context.tenant, workflow_id, limit=limit, actor=actor):
            details = {"limit": limit}
            entry = AuditEntry(
                "workflow_concurrency_limit", "definition", workflow_id, workflow_id=workflow_id, details=details
            )
            await context.audit(connection, entry)
    if when_busy is not None:
        await sync_schedule(context, workflow_id)


def traits_of(definition: dict[str, Json], registry: ActionRegistry) -> dict[str, dict[str, Json]]:
    """By id@version: what the definition's runs know of its actions, whatever the worker that loads them knows.

    ``sensitive``, where an action marks something with ``x-sensitive``: its schemas, ``{"input": ..., "output": ...}``.

    Raises ``Invalid`` when the definition cannot be read.
    """
    plan = compile_definition(parse_definition(definition, lenient=True))
    known = ((name, registry.find(*name)) for name in plan.actions)
    return {f"{name[0]}@{name[1]}": _told_of(found) for name, found in known if found is not None}


def _told_of(action: RegisteredAction) -> dict[str, Json]:
    schemas = {"input": action.input_schema(), "output": action.output_schema()}
    marked = {side: schema for side, schema in schemas.items() if is_marked(schema)}
    return asdict(action.traits) | ({SENSITIVE_SCHEMAS: marked} if marked else {})


async def publish_context(
    connection: Connection, tenant: str, registry: ActionRegistry, definition: Json
) -> PublishContext:
    """The world ``definition`` is published into by this tenant."""
    settings = await load_settings(connection, tenant)
    return PublishContext(
        now=datetime.now(UTC),
        schemas=await load_schemas(connection, tenant),
        actions=contracts_of(registry),
        correlation_paths=settings.correlation_paths or {},
        workflows=await _call_graph(connection, tenant, definition),
        timezones=_zones(),
    )


def _zones() -> frozenset[str]:
    """Names that mean the same everywhere: ``localtime`` is whatever a machine is set to, and Factory is no zone."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


async def _call_graph(connection: Connection, tenant: str, definition: Json) -> dict[str, dict[int, tuple[Call, ...]]]:
    """All published versions, with the calls of those that can be reached from ``definition``; only these are read."""
    numbers = await version_numbers(connection, tenant)
    graph: dict[str, dict[int, tuple[Call, ...]]] = {name: dict.fromkeys(known, ()) for name, known in numbers.items()}
    waiting, read = list(calls_of(definition)), set[Call]()
    while waiting:
        call = workflow_id, version = waiting.pop()
        if call in read or version not in graph.get(workflow_id, {}):
            continue
        read.add(call)
        graph[workflow_id][version] = calls_of(await load_definition(connection, tenant, workflow_id, version))
        waiting += graph[workflow_id][version]
    return graph


def _numbered(authored: dict[str, Json], workflow: Workflow | None) -> dict[str, Json]:
    """The definition under the version it asks for, or the next one when that is taken; never below the newest."""
    asked = authored.get("version")
    newest = (workflow.latest_version if workflow is not None else None) or 0
    number = asked if isinstance(asked, int) and not isinstance(asked, bool) else 1
    return {**authored, "version": max(number, newest + 1)}


async def _require(connection: Connection, tenant: str, workflow_id: str) -> None:
    if await load_workflow(connection, tenant, workflow_id) is None:
        raise NotFound(
            "WORKFLOW_NOT_FOUND",
            f"There is no workflow {workflow_id[:60]!r}.",
            "Check the id; `runstudio publish` adds one.",
        )


async def _same_as(
    connection: Connection,
    tenant: str,
    workflow_id: str,
    newest: int,
    *,
    authored: dict[str, Json],
    schema: Json,
    traits: dict[str, dict[str, Json]],
) -> str | None:
    """The hash of the newest version, when publishing now would only repeat it."""
    known = await load_version(connection, tenant, workflow_id, newest)
    if known is None or known.definition_hash != definition_hash({**authored, "version": newest}):
        return None
    if known.payload_schema != schema or await load_marks(connection, tenant, workflow_id, newest) != marks_of(traits):
        return None
    return known.definition_hash


def _with_examples(request: PublishRequest) -> Json:
    """The schema to register, with the examples in it. Raises ``Invalid``."""
    schema = request.payload_schema
    if schema is None:
        if request.examples:
            raise Invalid(
                "EXAMPLE_WITHOUT_SCHEMA",
                "Examples are kept with the payload's schema, and none was given.",
                "Give the schema too; nothing was published.",
            )
        return None
    schema = clean_json(schema).value
    problem = schema_problem(schema)
    if problem is not None:
        raise Invalid("PAYLOAD_SCHEMA_INVALID", problem, "Correct the payload's JSON schema; nothing was published.")
    for title, payload in request.examples.items():
        size = size_bytes(payload)
        if size > MAX_PAYLOAD_BYTES:
            raise Invalid(
                "EXAMPLE_INVALID",
                f"The example {title!r} has {size} bytes; a payload may have {MAX_PAYLOAD_BYTES}.",
                "Shorten it; nothing was published.",
                {"bytes": size, "limit": MAX_PAYLOAD_BYTES},
            )
        issues = issues_of(schema, payload)
        if issues:
            raise Invalid(
                "EXAMPLE_INVALID",
                f"The example {title!r} does not fit the schema: {issues[0].pointer or '/'} {clause(issues[0].message)}.",
                "Correct the example or the schema; nothing was published.",
                {"issues": [issue.to_json() for issue in issues]},
            )
    if not request.examples or not isinstance(schema, dict):
        return schema
    return {**schema, "examples": list(request.examples.values()), EXAMPLE_TITLES: list(request.examples)}


def _refused(workflow_id: str, errors: tuple[Issue, ...], warnings: tuple[Issue, ...]) -> Invalid:
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Invalid(
        "DEFINITION_INVALID",
        f"{workflow_id or 'The definition'} cannot be published: {first.code} at {first.step_path}: {first.message}{more}",
        first.suggestion or "Correct it; nothing was published.",
        {"issues": [issue.to_json() for issue in (*errors, *warnings)]},
    )
