"""The audit log, and what a tenant hides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from engine.records.values import Json


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One audited operation."""

    audit_id: str
    at: datetime
    actor: str
    source: str | None
    level: str | None
    operation: str
    target_kind: str
    target_id: str
    run_id: str | None
    workflow_id: str | None
    reason: str | None
    details: Json
    known_by: str | None = None
    """``account``, ``sudo`` or ``service``: what vouches for the actor. None: the entry is older than migration 0005."""
    remark: str | None = None
    """The name the client gave itself; nobody vouches for it."""
    database_user: str | None = None
    """The login that wrote the entry, as the database knows it."""
    database_client: str | None = None
    """The address it came from; None for a socket of the same machine."""


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """What a tenant hides beside what is hidden for everybody."""

    pointers: tuple[str, ...] = ()
    """JSON pointers, each from the root of every document."""
    key_patterns: tuple[str, ...] = ()
    """Regular expressions (RE2, without case), found anywhere in the name of a key."""


class MarkedKind(StrEnum):
    """What has a JSON schema that can mark places as sensitive."""

    PAYLOAD = "payload"
    """Of a run: ``name`` is the workflow and its latest version, ``orders@3``."""
    EVENT = "event"
    """Of an event: ``name`` is that of the schema."""
    FORM = "form"
    """Of an answer: ``name`` is the task type."""
    ACTION_INPUT = "action input"
    """``name`` is the action and its version, as in the latest version of a workflow that calls it."""
    ACTION_OUTPUT = "action output"


@dataclass(frozen=True, slots=True)
class MarkedPlaces:
    """What the author of a schema hides with ``x-sensitive``."""

    kind: MarkedKind
    name: str
    pointers: tuple[str, ...]
    """``/customer/pin``; ``*`` stands for every item, or every other name; ``""`` is the whole value."""
