"""What a start needs before it can be sent: workflows, versions, payloads to begin with, and whether a payload would be taken."""

from __future__ import annotations

from dataclasses import dataclass

from engine.records import Json, SchemaIssue, Version, Workflow
from engine.wording import counted
from runstudio_tui.domain.json_text import Mistake, parse_json, placeholders
from runstudio_tui.domain.jsonview import pretty
from runstudio_tui.domain.schema_template import template_of
from runstudio_tui.ports import WorkflowsPort
from runstudio_tui.text import short_id


@dataclass(frozen=True, slots=True)
class Source:
    """A payload to begin with."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Everything the dialog offers for one workflow."""

    workflow: Workflow
    versions: tuple[Version, ...]
    sources: tuple[Source, ...]
    """Never empty; the first is what the dialog opens with."""


async def offer(workflows: WorkflowsPort, workflow: Workflow, version: int) -> Offer:
    """What there is to start ``workflow`` with. Raises EngineError."""
    versions = await workflows.versions(workflow.workflow_id)
    examples = await workflows.examples(workflow.workflow_id, version)
    latest = await workflows.latest_input(workflow.workflow_id)
    schema = await workflows.payload_schema(workflow.workflow_id, version)
    sources = [Source(f"example: {example.name}", pretty(example.value)) for example in examples]
    if latest is not None:
        sources.append(Source(f"latest run {short_id(latest.run_id)}", pretty(latest.document.value)))
    if schema is not None:
        sources.append(Source("template of the schema", pretty(template_of(schema))))
    sources.append(Source("empty", "{}"))
    return Offer(workflow, versions, tuple(sources))


@dataclass(frozen=True, slots=True)
class Draft:
    """A payload text, judged."""

    value: Json = None
    mistake: Mistake | None = None
    masked: tuple[str, ...] = ()
    """Pointers at which a redaction placeholder stands instead of a value."""
    issues: tuple[SchemaIssue, ...] = ()
    checked: bool = False
    """True once the server's rules were asked about exactly this text."""

    @property
    def problem(self) -> str:
        """Why it cannot be sent; empty when it can."""
        if self.mistake is not None:
            return str(self.mistake)
        if self.masked:
            places = ", ".join(pointer or "the payload" for pointer in self.masked[:3])
            return f"masked where it came from, type the real value: {places}"
        if self.issues:
            issue = self.issues[0]
            more = f" (and {len(self.issues) - 1} more)" if len(self.issues) > 1 else ""
            return f"{issue.pointer or 'payload'}: {issue.message}{more}"
        return ""

    @property
    def state(self) -> str:
        """In a few words, for the title."""
        if self.mistake is not None:
            return f"not valid JSON: line {self.mistake.line}, column {self.mistake.column}"
        if self.masked or self.issues:
            number = len(self.masked) + len(self.issues)
            return counted(number, "problem")
        return "fits the schema" if self.checked else "checking…"


def read_draft(text: str) -> Draft:
    """Judge a text as far as that can be done without the server."""
    value = parse_json(text)
    if isinstance(value, Mistake):
        return Draft(mistake=value)
    if not isinstance(value, dict):
        return Draft(value, issues=(SchemaIssue("", "the payload must be a JSON object"),))
    return Draft(value, masked=tuple(placeholders(value)))
