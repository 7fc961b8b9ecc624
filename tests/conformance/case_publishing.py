"""What a case finds when its script starts: its definitions published, its forms, paths, settings and quota in place."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from engine.definition.hash import definition_hash
from engine.errors import Invalid
from engine.operations.catalog.publish import PublishRequest, limit_concurrency, pause_workflow, publish_definition
from engine.operations.context import OperationContext
from engine.operations.events.correlation_paths import set_correlation_paths
from engine.operations.quota.quota import set_quota_limit
from engine.operations.tasks.forms import register_form
from engine.store.catalog.definitions import NewVersion, ensure_workflow, insert_version
from engine.store.catalog.payload_schemas import BUILT_IN
from engine.store.database.transactions import writing
from engine.store.trace.projection import PERIOD_END, PERIOD_START
from tests.conformance.memory_world import SCHEMAS
from tests.conformance.observed import Json
from tests.conformance.temporal_world import TemporalWorld


async def prepare(world: TemporalWorld, context: OperationContext, case: Json) -> None:
    """Everything before the script."""
    await set_correlation_paths(context, case.get("correlationPaths") or {})
    for task_type, schema in (case.get("forms") or {}).items():
        await register_form(context, task_type, schema)
    for definition in _definitions(case):
        await _publish(world, context, definition)
    for workflow_id, settings in (case.get("settings") or {}).items():
        if settings.get("concurrency_limit"):
            await limit_concurrency(context, workflow_id, settings["concurrency_limit"])
        if settings.get("is_paused"):
            await pause_workflow(context, workflow_id, paused=True)
    if "quota" in case:
        await set_quota_limit(context, case["quota"].get("limit"))
        await _use_up(context, case["quota"].get("used", 0))


def _definitions(case: Json) -> list[Json]:
    """Called workflows before those that call them, and versions in their order, as publish wants it."""
    found: list[Json] = list(case.get("definitions", ()))
    found += [case["definition"]] if "definition" in case else []
    found += [item["definition"] for item in case.get("workflows", ()) if item.get("status") == "published"]
    return sorted(found, key=lambda definition: int(definition["version"]))


async def _publish(world: TemporalWorld, context: OperationContext, definition: Json) -> None:
    """By the operation; a definition that it refuses, because it is wrong on purpose, is written past the checks."""
    ref = definition["payloadSchemaRef"]
    schema = None if ref in BUILT_IN else SCHEMAS[ref]
    try:
        result = await publish_definition(context, PublishRequest(definition, schema), world.registry)
    except Invalid as refused:
        if refused.code != "DEFINITION_INVALID":
            raise
        await _write(context, definition, SCHEMAS[ref])
    else:
        assert result.version == definition["version"], result


async def _write(context: OperationContext, definition: Json, schema: Any) -> None:
    digest = definition_hash(definition)
    workflow_id, version = definition["id"], definition["version"]
    async with writing(context.store) as connection:
        await ensure_workflow(connection, context.tenant, workflow_id, definition, actor=context.actor.name)
        new = NewVersion(workflow_id, version, definition, digest, schema, "valid", [], context.actor.name)
        await insert_version(connection, context.tenant, new)


async def _use_up(context: OperationContext, units: int) -> None:
    """Steps that were started in this month before the case."""
    async with context.store.begin() as connection:
        await connection.execute(_USED, {"tenant": context.tenant, "units": units})


_USED = text(f"""
    INSERT INTO workflow_step_usage_periods (tenant, period_start, period_end, used_count)
    VALUES (CAST(:tenant AS uuid), {PERIOD_START}, {PERIOD_END}, :units)
""")
