"""Workflows, their versions, and payloads to start them with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from engine.definition.issues import Issue
from engine.records.runs import Count
from engine.records.schedules import Schedule
from engine.records.values import Document, Json


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused a workflow, when, and why, as the audit log has it."""

    at: datetime
    by: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Workflow:
    """One workflow of the catalog."""

    workflow_id: str
    name: str
    published_version: int | None
    """The latest; None when nothing was published yet."""
    description: str | None = None
    paused: bool = False
    trigger: Json = None
    """Trigger of the latest published version; None when it is started by hand."""
    pause: Pause | None = None
    """Of a paused workflow; None also when the audit log does not tell."""
    active: Count = field(default_factory=lambda: Count(0))
    """Runs of all versions that are RUNNING or WAITING."""
    limit: int = 0
    """How many runs may be active at once; 0: any number."""
    schedule: Schedule | None = None
    """When the latest version is started by time."""

    @property
    def full(self) -> bool:
        """Whether its limit of active runs is reached."""
        return 0 < self.limit <= self.active.value

    @property
    def trigger_text(self) -> str | None:
        """``event order.placed``, ``recurring 0 9 * * *`` ...; None for one that is started by hand."""
        if not isinstance(self.trigger, dict):
            return None
        what = self.trigger.get("eventName") or self.trigger.get("cron") or self.trigger.get("runAt") or ""
        return f"{self.trigger.get('type', '')} {what}".strip() or None


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable version, without its definition."""

    version: int
    published_at: datetime | None
    definition_hash: str | None
    """None for a version from before the cutover."""
    published_by: str | None = None
    warnings: tuple[Issue, ...] = ()
    """What the publish checks found worth a look."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A workflow whose latest version has steps that start another workflow."""

    workflow_id: str
    name: str
    version: int
    calls: tuple[int, ...]
    """The versions of the other workflow that it starts."""


@dataclass(frozen=True, slots=True)
class Published:
    """The version of a workflow that a request to publish left as the newest."""

    workflow_id: str
    version: int
    definition_hash: str
    created: bool
    """False: the newest version was the same, and nothing was written."""
    warnings: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A payload an author supplied to start from."""

    name: str
    value: Json


@dataclass(frozen=True, slots=True)
class LatestInput:
    """The payload of the newest run of a workflow that has one."""

    run_id: str
    document: Document


@dataclass(frozen=True, slots=True)
class SchemaIssue:
    """One thing wrong with a value. The message never repeats the value."""

    pointer: str
    """JSON pointer of the value; empty for the whole."""
    message: str
    keyword: str = ""
    """The keyword of the schema that is not satisfied."""

    def to_json(self) -> dict[str, str]:
        """``{pointer, message, keyword}``."""
        return {"pointer": self.pointer, "message": self.message, "keyword": self.keyword}
