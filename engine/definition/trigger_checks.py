"""Triggers: events and the mapping of their payload, one-time and recurring schedules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from engine.definition.cron import cron_problem
from engine.definition.event_names import event_name_issues
from engine.definition.expression_checks import compiled
from engine.definition.issues import ROOT, Issue
from engine.definition.mapping_checks import mapping_issues, secret_names
from engine.definition.mapping_types import type_issues
from engine.definition.mappings import is_expression, is_secret
from engine.definition.publish_context import PublishContext
from engine.definition.schema_paths import SchemaNode
from engine.definition.sites import scan
from engine.definition.suggestions import containing, nearest
from engine.expression import Expression
from engine.values.timestamps import time_of

_AT: Final = "/trigger/payloadMapping"
_LAST_TIME: Final = datetime(2100, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Temporal's calendars end with it, and know whole seconds."""


def trigger_issues(trigger: Any, payload_ref: Any, context: PublishContext) -> Iterator[Issue]:
    """Every finding about the trigger that is not one of shape."""
    kind = trigger.get("type") if isinstance(trigger, dict) else None
    if context.payload_schema_mode == "inferred" and kind != "event":
        message = "/payloadSchemaRef: The payload's schema can be inferred only from the event of an event trigger."
        yield ROOT.error(
            "PAYLOAD_SCHEMA_INFERENCE_UNSUPPORTED_TRIGGER", message, "Name a schema, or add an event trigger."
        )
    if kind == "event":
        yield from _event_issues(trigger, payload_ref, context)
    elif kind == "schedule":
        yield from _schedule_issues(trigger.get("runAt"), context.now)
    elif kind == "recurring":
        yield from _recurring_issues(trigger, context)


# --- events -----------------------------------------------------------------------------------------------------------


def _event_issues(trigger: dict[str, Any], payload_ref: Any, context: PublishContext) -> Iterator[Issue]:
    name, override = trigger.get("eventName"), trigger.get("sourcePayloadSchemaRef")
    yield from event_name_issues("/trigger/eventName", name, ROOT)
    catalog = context.event_schemas
    source_ref = override
    if not isinstance(override, str) and catalog is not None and isinstance(name, str):
        source_ref = catalog.get(name)
        if name not in catalog:
            meant = nearest(name, catalog)
            message = f"/trigger/eventName: No event {name} is in the catalog."
            suggestion = f"Did you mean {meant}?" if meant else "Add it, or name the schema in sourcePayloadSchemaRef."
            yield ROOT.error("UNKNOWN_TRIGGER_EVENT", message, suggestion)
    if (isinstance(source_ref, str) and source_ref not in context.schemas) or (
        source_ref is None and catalog is not None
    ):
        message = (
            f"/trigger/sourcePayloadSchemaRef: The event's payload has no registered schema ({source_ref or 'none'})."
        )
        found = containing(source_ref, context.schemas) if source_ref else ()
        suggestion = f"There is {', '.join(found)}." if found else "Register its schema."
        yield ROOT.error("UNKNOWN_TRIGGER_SOURCE_SCHEMA_REF", message, suggestion)
    mapping = trigger.get("payloadMapping")
    if not mapping:
        inferred = context.payload_schema_mode == "inferred"
        if isinstance(source_ref, str) and source_ref != payload_ref and not inferred:
            message = f"/trigger: The event's payload is {source_ref}, the workflow takes {payload_ref}."
            yield ROOT.error("TRIGGER_MAPPING_REQUIRED", message, "Add a payloadMapping.")
        return
    yield from mapping_issues(mapping, _AT, ROOT, context)
    if isinstance(mapping, dict):
        yield from _mapping_issues(mapping, _schema(source_ref, context), _schema(payload_ref, context))


def _schema(ref: Any, context: PublishContext) -> SchemaNode | None:
    schema = context.schemas.get(ref) if isinstance(ref, str) else None
    return None if schema is None else SchemaNode.of(schema)


def _mapping_issues(mapping: dict[str, Any], source: SchemaNode | None, target: SchemaNode | None) -> Iterator[Issue]:
    for at, value in scan(mapping, _AT):
        expression = compiled(value["$expr"]) if isinstance(value["$expr"], str) else None
        if isinstance(expression, Expression):
            wrong = [path[0] for path in expression.context_paths if path[0] != "event"]
            if wrong:
                message = f"{at}: The expression reads {wrong[0]}; here there is only event."
                suggestion = "Write event.payload." if wrong[0] == "payload" else None
                yield ROOT.error("TRIGGER_MAPPING_INVALID_ROOT", message, suggestion)
    for name in secret_names(mapping):
        message = f"{_AT}: The secret {name} would become part of the run's payload, which is stored and shown."
        yield ROOT.error("TRIGGER_MAPPING_SECRET", message, "Use the secret in the input of the action that needs it.")
    if target is None:
        return
    mapped = tuple(_mapped_paths(mapping, ()))
    missing = [path for path in target.required_paths() if not _is_covered(path, mapped)]
    if missing:
        names = ", ".join(".".join(path) for path in missing)
        message = f"{_AT}: Required fields of the payload are not mapped: {names}."
        yield ROOT.error("TRIGGER_MAPPING_MISSING_REQUIRED_FIELDS", message, "Map them.")
    if source is not None:
        yield from type_issues(_nested(mapping), target, {("event", "payload"): source}, _AT, ROOT)


def _mapped_paths(mapping: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for key, value in mapping.items():
        path = (*above, *key.split(".")) if not above else (*above, key)
        if isinstance(value, dict) and value and not is_expression(value) and not is_secret(value):
            yield from _mapped_paths(value, path)
        else:
            yield path


def _is_covered(required: tuple[str, ...], mapped: tuple[tuple[str, ...], ...]) -> bool:
    return any(path == required[: len(path)] or required == path[: len(required)] for path in mapped)


def _nested(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with its dotted keys as nested objects."""
    result: dict[str, Any] = {}
    for key, value in mapping.items():
        *parents, last = key.split(".")
        current = result
        for name in parents:
            below = current.setdefault(name, {})
            current = below if isinstance(below, dict) and not is_expression(below) else {}
        current[last] = value
    return result


# --- times ------------------------------------------------------------------------------------------------------------


def _schedule_issues(run_at: Any, now: datetime) -> Iterator[Issue]:
    if not isinstance(run_at, str) or not run_at.strip():
        yield ROOT.error("TIME_TRIGGER_RUN_AT_REQUIRED", "/trigger/runAt: A schedule needs the time of its run.")
        return
    try:
        time = time_of(run_at)
    except ValueError:
        message = "/trigger/runAt: The time must be ISO-8601, as in 2026-01-31T09:00:00Z."
        yield ROOT.error("TIME_TRIGGER_INVALID_RUN_AT", message)
        return
    if time > _LAST_TIME:
        message = f"/trigger/runAt: The time is after the year {_LAST_TIME.year} in UTC, which no schedule reaches."
        yield ROOT.error("TIME_TRIGGER_INVALID_RUN_AT", message)
    elif time <= now:
        yield ROOT.error("TIME_TRIGGER_INVALID_RUN_AT", "/trigger/runAt: The time is not in the future.")


def _recurring_issues(trigger: dict[str, Any], context: PublishContext) -> Iterator[Issue]:
    problem = cron_problem(trigger.get("cron"))
    if problem:
        yield ROOT.error(
            "TIME_TRIGGER_INVALID_CRON", f"/trigger/cron: {problem}", "As in 0 9 * * 1-5: working days at nine."
        )
    zone = trigger.get("timezone")
    if context.timezones is not None and zone not in context.timezones:
        meant = nearest(zone, context.timezones) if isinstance(zone, str) else None
        message = f"/trigger/timezone: There is no time zone {zone}."
        yield ROOT.error(
            "TIME_TRIGGER_INVALID_TIMEZONE", message, f"Did you mean {meant}?" if meant else "As in Europe/Berlin."
        )
