"""Publishing in the fake world: a few of the engine's checks, with its codes and sentences, then the next version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from engine.errors import Invalid
from engine.records import Example, Json, Published, Version, Workflow
from runstudio_tui.backend.fake.world import FakeWorkflow, World

_BLOCKS: Final = {
    "control.if": ("then", "else"),
    "control.forEach": ("body",),
    "control.tryCatch": ("try", "catch"),
}
_TYPES: Final = (
    *_BLOCKS, "control.callWorkflow", "control.return", "action.call", "event.wait", "human.task", "state.set",
    "time.wait", "transform.assign",
)  # fmt: skip
_CALL: Final = "control.callWorkflow"
_BUILT_IN_SCHEMA: Final = "payload.Any.v1"


@dataclass(frozen=True, slots=True)
class Publishing:
    """What is asked for."""

    definition: dict[str, Json]
    schema: Json
    examples: Mapping[str, Json]
    only_if_changed: bool


def publish(world: World, asked: Publishing) -> Published:
    """The next version of a workflow. Raises Invalid (DEFINITION_INVALID, PAYLOAD_SCHEMA_INVALID); then nothing changed."""
    if asked.schema is not None and not isinstance(asked.schema, dict):
        hint = "Correct the payload's JSON schema; nothing was published."
        raise Invalid("PAYLOAD_SCHEMA_INVALID", "It is no JSON schema.", hint)
    workflow_id = str(asked.definition.get("id") or "")
    issues = list(_issues(world, asked))
    if issues:
        _refuse(workflow_id, issues)
    known = world.workflows.get(workflow_id)
    newest = max(known.definitions, default=0) if known is not None else 0
    schema = asked.schema if asked.schema is not None else known.schema_of(newest) if known is not None else None
    if asked.only_if_changed and known is not None and newest:
        same = known.definitions[newest] == {**asked.definition, "version": newest}
        if same and known.schema_of(newest) == schema:
            return Published(workflow_id, newest, _hash(known.definitions[newest]), created=False, warnings=())
    given = asked.definition.get("version")
    number = max(given if isinstance(given, int) else 1, newest + 1)
    definition = {**asked.definition, "version": number}
    version = Version(number, world.now(), _hash(definition), world.session.actor)
    about, trigger = definition.get("description"), definition.get("trigger")
    info = Workflow(workflow_id, definition["name"], number, about, trigger=trigger)
    if known is None:
        known = FakeWorkflow(info, {})
    world.workflows[workflow_id] = replace(
        known,
        info=replace(info, paused=known.info.paused, pause=known.info.pause, limit=known.info.limit),
        definitions={**known.definitions, number: definition},
        published={**known.published, number: version},
        schemas={**known.schemas, number: schema},
        examples=tuple(Example(name, value) for name, value in asked.examples.items()) or known.examples,
    )
    return Published(workflow_id, number, _hash(definition), created=True, warnings=())


def called_versions(definition: Json, workflow_id: str) -> tuple[int, ...]:
    """The versions of a workflow that a definition starts, ascending."""
    steps = (step for _, step in _steps(definition))
    found = {s.get("workflowVersion") for s in steps if s.get("type") == _CALL and s.get("workflowId") == workflow_id}
    return tuple(sorted(version for version in found if isinstance(version, int)))


def _hash(definition: Json) -> str:
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()


def _issues(world: World, asked: Publishing) -> Iterator[dict[str, Json]]:
    definition = asked.definition
    for name, kind in (("id", str), ("name", str), ("payloadSchemaRef", str), ("steps", list)):
        if name not in definition:
            yield _issue("root", None, "INVALID_WORKFLOW_DEFINITION", f"/{name}: required, but missing")
        elif not isinstance(definition[name], kind):
            wanted = "text" if kind is str else "a list"
            yield _issue("root", None, "INVALID_WORKFLOW_DEFINITION", f"/{name}: expected {wanted}")
    ref = definition.get("payloadSchemaRef")
    if isinstance(ref, str) and asked.schema is None and ref not in {_BUILT_IN_SCHEMA, *_refs(world)}:
        suggestion = "Register it: `runstudio publish FILE --payload-schema SCHEMA`."
        message = f"/payloadSchemaRef: No schema {ref} is registered."
        yield _issue("root", None, "PAYLOAD_SCHEMA_REF_UNKNOWN", message, suggestion)
    seen: set[str] = set()
    for path, step in _steps(definition):
        step_id = step.get("id") if isinstance(step.get("id"), str) else None
        if step_id in seen:
            message = f"/id: Another step before this one has the id {step_id}."
            yield _issue(path, step_id, "DUPLICATE_STEP_ID", message, "Give it an id of its own.")
        elif step_id is not None:
            seen.add(step_id)
        if step.get("type") not in _TYPES:
            yield _issue(path, step_id, "UNKNOWN_NODE_TYPE", f"/type: There is no step type {step.get('type')}.")


def _refs(world: World) -> set[str]:
    """Schemas that were registered with what is published."""
    bodies = (body for workflow in world.workflows.values() for body in workflow.definitions.values())
    return {str(body.get("payloadSchemaRef")) for body in bodies if isinstance(body, dict)}


def _steps(definition: Json) -> Iterator[tuple[str, dict[str, Json]]]:
    if isinstance(definition, dict):
        yield from _listed(definition.get("steps"), "root.steps")


def _listed(steps: Json, path: str) -> Iterator[tuple[str, dict[str, Json]]]:
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if isinstance(step, dict):
            yield f"{path}[{index}]", step
            for block in _BLOCKS.get(str(step.get("type")), ()):
                yield from _listed(step.get(block), f"{path}[{index}].{block}.steps")


def _issue(path: str, step_id: str | None, code: str, message: str, suggestion: str | None = None) -> dict[str, Json]:
    found: dict[str, Json] = {"severity": "error", "stepPath": path}
    if step_id is not None:
        found["stepId"] = step_id
    found |= {"code": code, "message": message}
    return found if suggestion is None else {**found, "suggestion": suggestion}


def _refuse(workflow_id: str, issues: list[dict[str, Json]]) -> NoReturn:
    first = issues[0]
    more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
    where = f"{first['code']} at {first['stepPath']}: {first['message']}"
    raise Invalid(
        "DEFINITION_INVALID",
        f"{workflow_id or 'The definition'} cannot be published: {where}{more}",
        first.get("suggestion") or "Correct it; nothing was published.",
        {"issues": issues},
    )
