"""``action.call``: the action there is, what its input needs, and settings that do nothing for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from engine.definition.issues import Issue
from engine.definition.mapping_checks import mapping_issues, required_issues, secret_names
from engine.definition.mapping_types import type_issues
from engine.definition.publish_context import ActionContract, PublishContext
from engine.definition.schema_paths import SchemaNode
from engine.definition.sites import Site
from engine.definition.suggestions import nearest

INFERENCE_ACTION: Final = "ai.infer"
COMPOSE_ACTION: Final = "transform.compose_text"
_OUTPUT_SCHEMA_KEYS: Final = ("aiOutputSchemaMode", "aiOutputSchema", "aiOutputSchemaText")
_INFERABLE_KEYWORDS: Final = frozenset(
    ("type", "properties", "required", "items", "enum", "title", "description", "additionalProperties", "$schema")
)


def action_issues(site: Site, context: PublishContext, payload: SchemaNode | None) -> Iterator[Issue]:
    """Every finding about an ``action.call`` that is not one of shape or expression."""
    config, place = site.config, site.place
    action_id, version = config.get("actionId"), config.get("version")
    if not isinstance(action_id, str) or not action_id or not isinstance(version, int) or version < 1:
        yield place.error(
            "INVALID_ACTION_CONFIG",
            "/config: An action is called by actionId and version.",
            "Name both, as in version 1.",
        )
        return
    contract = context.actions.get(action_id, {}).get(version)
    if contract is None:
        yield _unknown(site, action_id, version, context)
    mapping = config.get("inputMapping", {})
    yield from mapping_issues(mapping, "/config/inputMapping", place, context)
    if contract is not None and isinstance(mapping, dict):
        yield from _contract_issues(mapping, contract, site, payload)
    yield from _inference_issues(action_id, config, site)
    if "outputs" in config and action_id != COMPOSE_ACTION:
        yield without_effect(site, "/config/outputs", f"only {COMPOSE_ACTION} reads it")


def without_effect(site: Site, pointer: str, reason: str) -> Issue:
    """A setting that is read by nobody."""
    return site.place.warning(
        "SETTING_WITHOUT_EFFECT", f"{pointer}: The setting has no effect: {reason}.", "Remove it."
    )


def _unknown(site: Site, action_id: str, version: int, context: PublishContext) -> Issue:
    versions = context.actions.get(action_id)
    if versions:
        known = ", ".join(str(number) for number in sorted(versions))
        message, found = f"/config/version: {action_id} has no version {version}.", f"There is version {known}."
    else:
        meant = nearest(action_id, context.actions)
        message = f"/config/actionId: No action {action_id} is registered."
        found = f"Did you mean {meant}?" if meant else "Check the name."
    return site.place.error(
        "UNKNOWN_ACTION", message, f"{found} If the action is your own, name its module with --actions MODULE."
    )


def _contract_issues(
    mapping: dict[str, Any], contract: ActionContract, site: Site, payload: SchemaNode | None
) -> Iterator[Issue]:
    names = list(dict.fromkeys(secret_names(mapping)))
    if names and not contract.accepts_secrets:
        message = f"/config/inputMapping: {site.config['actionId']} takes no secrets, and is given {', '.join(names)}."
        yield site.place.error(
            "SECRET_NOT_ACCEPTED", message, "Give it to an action that is declared with accepts_secrets=True."
        )
    schema = SchemaNode.of(contract.input_schema)
    yield from required_issues(mapping, schema, "/config/inputMapping", site.place)
    if payload is not None:
        yield from type_issues(mapping, schema, {("payload",): payload}, "/config/inputMapping", site.place)


def _inference_issues(action_id: str, config: dict[str, Any], site: Site) -> Iterator[Issue]:
    if action_id != INFERENCE_ACTION:
        for key in _OUTPUT_SCHEMA_KEYS:
            if key in config:
                yield without_effect(site, f"/config/{key}", f"only {INFERENCE_ACTION} reads it")
        return
    if config.get("aiOutputSchemaMode") not in ("simple", "advanced"):
        message = "/config/aiOutputSchemaMode: The form of the answer must be given: simple or advanced."
        yield site.place.error("INVALID_AI_OUTPUT_SCHEMA", message)
    schema = config.get("aiOutputSchema")
    problem = "There is none." if schema is None else _not_inferable(schema)
    if problem:
        yield site.place.error("INVALID_AI_OUTPUT_SCHEMA", f"/config/aiOutputSchema: {problem}")


def _not_inferable(schema: Any) -> str | None:
    """Why a schema is outside the part of JSON Schema an answer can be held to; None when it is inside."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "The answer must be an object."
    pending: list[Any] = [schema]
    while pending:
        current = pending.pop()
        if not isinstance(current, dict):
            return "A schema must be an object."
        unknown = sorted(set(current) - _INFERABLE_KEYWORDS)
        if unknown:
            return f"The keyword {unknown[0]} is not supported."
        if not isinstance(current.get("type"), str) and "enum" not in current:
            return "Every part needs a type."
        properties = current.get("properties", {})
        pending.extend(properties.values() if isinstance(properties, dict) else [properties])
        if "items" in current:
            pending.append(current["items"])
    return None
