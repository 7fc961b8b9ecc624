"""Publishing from a file, in two steps: what is read is shown with what it would change, and exactly that is published."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from engine.errors import EngineError, Invalid, NotFound
from engine.records import Issue, Json, Published
from runstudio_tui.domain.definition_diff import ComparedPart, compare_definitions
from runstudio_tui.json_file import json_of_typed_path
from runstudio_tui.ports import Backend, WorkflowsReading


@dataclass(frozen=True, slots=True)
class Draft:
    """A definition that was read from a file, compared with what is published."""

    definition: dict[str, Json]
    schema: Json
    """None: that which is registered already."""
    replaced: tuple[str, ...]
    """JSON pointers of texts in which something no database can hold was replaced."""
    newest: int | None
    """The version that is published now; None for a new workflow."""
    lines: tuple[ComparedPart, ...]
    """Laid over that version; empty for a new workflow."""

    @property
    def workflow_id(self) -> str:
        """As the file says; empty when it says none."""
        named = self.definition.get("id")
        return named if isinstance(named, str) else ""

    @property
    def becomes(self) -> int:
        """The version it is to become: the one it asks for, or the next where that is taken."""
        asked = self.definition.get("version")
        number = asked if isinstance(asked, int) and not isinstance(asked, bool) else 1
        return max(number, (self.newest or 0) + 1)


async def read_draft(backend: Backend, path: str, schema_path: str) -> Draft:
    """Read the files and what is published; nothing is written. ``schema_path`` may be empty. Raises EngineError."""
    found = await asyncio.to_thread(json_of_typed_path, path)
    if not isinstance(found.value, dict):
        raise Invalid(
            "DEFINITION_NOT_OBJECT", f"{path} is no JSON object, so it is no definition.", "Write an object: {...}."
        )
    schema = await asyncio.to_thread(json_of_typed_path, schema_path) if schema_path else None
    replaced = found.replaced if schema is None else (*found.replaced, *schema.replaced)
    asked = None if schema is None else schema.value
    named = found.value.get("id")
    known = await _published(backend.workflows, named) if isinstance(named, str) and named else None
    if known is None:
        return Draft(found.value, asked, replaced, None, ())
    newest, definition, before = known
    lines = compare_definitions(definition, found.value, before, before if schema is None else asked)
    return Draft(found.value, asked, replaced, newest, lines)


async def publish_draft(backend: Backend, draft: Draft) -> Published:
    """Publish what was read; sending it again changes nothing. Raises EngineError, and then nothing was written."""
    return await backend.workflows.publish(draft.definition, payload_schema=draft.schema, only_if_changed=True)


def findings_of(error: EngineError) -> tuple[Issue, ...]:
    """Everything the publish checks found, of a refusal because of it; empty for any other refusal."""
    if error.code != "DEFINITION_INVALID":
        return ()
    return tuple(_issue(issue) for issue in error.details.get("issues", ()))


def _issue(issue: dict[str, Any]) -> Issue:
    return Issue(
        severity=issue["severity"],
        step_path=issue["stepPath"],
        step_id=issue.get("stepId"),
        code=issue["code"],
        message=issue["message"],
        suggestion=issue.get("suggestion"),
    )


async def _published(workflows: WorkflowsReading, workflow_id: str) -> tuple[int, Json, Json] | None:
    """Number, definition and payload schema of the newest version; None when nothing is published under that id."""
    try:
        versions = await workflows.versions(workflow_id)
    except NotFound:
        return None
    if not versions:
        return None
    newest = versions[0].version
    definition, schema = await asyncio.gather(
        workflows.definition(workflow_id, newest), workflows.payload_schema(workflow_id, newest)
    )
    return newest, definition, schema
