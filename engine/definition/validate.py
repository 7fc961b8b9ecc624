"""Publish validation: what can be known to be wrong with a definition before anybody runs it. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from engine.definition.action_checks import action_issues
from engine.definition.call_checks import call_issues
from engine.definition.event_names import event_name_issues
from engine.definition.expression_checks import expression_issues, loop_issues
from engine.definition.hash import canonical_json
from engine.definition.issues import ROOT, Issue, ValidationResult
from engine.definition.mapping_checks import secret_names
from engine.definition.parse import parse_definition
from engine.definition.publish_context import Call, PublishContext
from engine.definition.schema_paths import SchemaNode
from engine.definition.sites import KNOWN_TYPES, Site, sites
from engine.definition.size_checks import definition_size_issues, step_size_issues
from engine.definition.suggestions import containing, nearest
from engine.definition.target_checks import target_issues
from engine.definition.trigger_checks import trigger_issues
from engine.definition.wait_checks import correlation_issues, setting_issues
from engine.errors import Invalid
from engine.values.request_limits import NOT_IN_AN_ID
from engine.wording import counted

MAX_BYTES: Final = 1024 * 1024
MAX_STEPS: Final = 5_000
MAX_DEPTH: Final = 32
"""Of steps within steps."""
_WAITS: Final = ("event.wait", "time.wait")
_NOT_IN_AN_ID: Final = re.compile(f"[{NOT_IN_AN_ID}]")


def validate_definition(definition: Any, context: PublishContext) -> ValidationResult:
    """Check a definition, as JSON, with ``id`` and ``version`` as they are to be published. Never raises for what it holds.

    A definition that is not JSON or above the limits of size gets that finding alone.
    """
    refused = _refused(definition)
    if refused is not None:
        return ValidationResult((refused,), ())
    placed = list(sites(definition))
    issues = [*_limit_issues(placed)]
    if not issues:
        shape, in_configs = _shape(definition)
        issues = [*shape, *_own_issues(definition, context)]
        issues += _step_issues(placed, in_configs, definition, context)
    names = (
        name for site in placed if site.type == "action.call" for name in secret_names(site.config.get("inputMapping"))
    )
    return ValidationResult(tuple(issues), tuple(dict.fromkeys(names)))


def _refused(definition: Any) -> Issue | None:
    try:
        size = len(canonical_json(definition))
    except Invalid as failure:
        return ROOT.error("NON_SERIALIZABLE", failure.message, failure.hint)
    if size > MAX_BYTES:
        message = f"The definition has {size} bytes; {MAX_BYTES} are allowed."
        return ROOT.error("DEFINITION_TOO_LARGE", message, "Move parts into workflows of their own and call them.")
    return None


def _limit_issues(placed: list[Site]) -> Iterator[Issue]:
    if len(placed) > MAX_STEPS:
        message = f"The definition has {counted(len(placed), 'step')}; {MAX_STEPS} are allowed."
        yield ROOT.error("TOO_MANY_STEPS", message, "Move parts into workflows of their own and call them.")
    deepest = next((site for site in placed if site.depth > MAX_DEPTH), None)
    if deepest is not None:
        message = f"Steps are nested deeper than {MAX_DEPTH} levels here."
        yield deepest.place.error(
            "STEPS_NESTED_TOO_DEEP", message, "Move the inner steps into a workflow of their own."
        )


def _shape(definition: Any) -> tuple[list[Issue], dict[str, list[str]]]:
    """Violations of the language's shape: of the definition as a whole, and messages about configurations by step path.

    An unknown type and a wrong configuration are reported at their step. For waits and control blocks they are violations of
    the definition too, because those belong to the language itself.
    """
    in_configs: dict[str, list[str]] = defaultdict(list)
    try:
        parse_definition(definition)
    except Invalid as failure:
        found = failure.details["issues"]
    else:
        return [], in_configs
    issues: list[Issue] = []
    for issue in found:
        step_type = issue["step_type"] or ""
        node = step_type in KNOWN_TYPES and not step_type.startswith("control.")
        if issue["in_config"] and node:
            in_configs[issue["step_path"]].append(f"{issue['path'].partition('/config')[2] or '/'}: {issue['message']}")
            reported = step_type not in _WAITS
        else:
            reported = issue["kind"] == "unknown-type" and not step_type.startswith("control.")
        if not reported:
            message = f"{issue['path'] or '/'}: {issue['message']}"
            issues.append(ROOT.error("INVALID_WORKFLOW_DEFINITION", message))
    return issues, in_configs


def _own_issues(definition: Any, context: PublishContext) -> Iterator[Issue]:
    if not isinstance(definition, dict):
        return
    ref = definition.get("payloadSchemaRef")
    if isinstance(ref, str) and not ref.strip():
        message = "/payloadSchemaRef: The schema of the payload is not named."
        yield ROOT.error("PAYLOAD_SCHEMA_REF_MISSING", message, "payload.Any.v1 takes any object.")
    elif isinstance(ref, str) and ref not in context.schemas and context.payload_schema_mode == "pinned":
        found = containing(ref, context.schemas)
        suggestion = "Register it: `runstudio publish FILE --payload-schema SCHEMA`."
        if found:
            suggestion += f" There is {', '.join(found)}."
        yield ROOT.error("PAYLOAD_SCHEMA_REF_UNKNOWN", f"/payloadSchemaRef: No schema {ref} is registered.", suggestion)
    yield from definition_size_issues(definition)
    workflow_id = definition.get("id")
    if isinstance(workflow_id, str) and _NOT_IN_AN_ID.search(workflow_id):
        message = "/id: The id has white space, a control character, or a character that no text can have."
        yield ROOT.error("WORKFLOW_ID_INVALID", message, "Use letters, digits, and - or . between them.")
    yield from trigger_issues(definition.get("trigger"), ref, context)


def _step_issues(
    placed: list[Site], in_configs: dict[str, list[str]], definition: Any, context: PublishContext
) -> Iterator[Issue]:
    schema = context.schemas.get(str(definition.get("payloadSchemaRef"))) if isinstance(definition, dict) else None
    payload = None if schema is None else SchemaNode.of(schema)
    known: set[str] = set()
    for site in placed:
        if site.place.step_id in known:
            message = f"/id: Another step before this one has the id {site.place.step_id}."
            yield site.place.error("DUPLICATE_STEP_ID", message, "Give it an id of its own.")
        elif site.place.step_id is not None:
            known.add(site.place.step_id)
        if site.type and site.type not in KNOWN_TYPES:
            meant = nearest(site.type, KNOWN_TYPES)
            message = f"/type: There is no step type {site.type}."
            yield site.place.error("UNKNOWN_NODE_TYPE", message, f"Did you mean {meant}?" if meant else None)
            continue
        if site.place.path in in_configs:
            yield site.place.error("INVALID_CONFIG", f"/config: {'; '.join(in_configs[site.place.path])}")
        yield from step_size_issues(site)
        yield from expression_issues(site)
        if site.type == "action.call":
            yield from action_issues(site, context, payload)
        yield from loop_issues(site, payload)
        yield from target_issues(site, payload)
        if site.type == "event.wait":
            yield from event_name_issues("/config/eventName", site.config.get("eventName"), site.place)
            yield from correlation_issues(site, context)
        yield from call_issues(site, _caller(definition), context)
        yield from setting_issues(site)


def _caller(definition: dict[str, Any]) -> Call | None:
    workflow_id, version = definition.get("id"), definition.get("version")
    return (workflow_id, version) if isinstance(workflow_id, str) and isinstance(version, int) else None
