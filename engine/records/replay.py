"""Replays, and the state of a run at one of its steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.errors import EngineError
from engine.records.catalog import SchemaIssue
from engine.records.runs import Started
from engine.records.values import Document, ErrorInfo, Json


@dataclass(frozen=True, slots=True)
class JsonChange:
    """One change to a JSON document, with RFC 6902's meaning."""

    op: Literal["add", "replace", "remove"]
    path: str
    """JSON pointer. ``add`` into a list inserts; ``-`` is its end."""
    value: Json = None
    """Of ``add`` and ``replace``."""


@dataclass(frozen=True, slots=True)
class Original:
    """The stored input, as it was."""


@dataclass(frozen=True, slots=True)
class Override:
    """Another input altogether; ``{}`` is an empty one."""

    value: Json


@dataclass(frozen=True, slots=True)
class Patch:
    """The stored input with changes, which an operator made in its redacted form."""

    base_digest: str
    """``ReplayBase.digest`` of what the operator edited."""
    changes: tuple[JsonChange, ...]


ReplayInput = Original | Override | Patch


@dataclass(frozen=True, slots=True)
class ReplayBase:
    """What an operator edits: the stored input, redacted."""

    value: Json
    masked: frozenset[str]
    """JSON pointers of what is hidden, and stays as it was unless it is replaced."""
    digest: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one target of a bulk replay."""

    run_id: str
    result: Started | None = None
    error: EngineError | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is not known."""

    code: str
    """OPEN (the run is there now), CANCELED, NOT_RECORDED, TOO_LONG."""
    message: str


@dataclass(frozen=True, slots=True)
class StepState:
    """The scopes around one execution of a step, ``{payload, vars, local, meta, error}``, redacted."""

    run_id: str
    path: str
    iteration: str
    visit: int
    step_id: str
    step_type: str
    status: str
    before: Document
    after: Document | None
    """None as long as the step has not ended, and when its end cannot be computed."""
    missing: Reason | None
    """Why there is no ``after``."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One step that would not be as it was."""

    path: str
    iteration: str
    step_id: str
    kind: Literal["added", "dropped", "status", "branch", "items"]
    recorded: Json
    now: Json


@dataclass(frozen=True, slots=True)
class PreviewStop:
    """Where a preview ends because nobody knows what would come."""

    code: str
    """INPUT_CHANGED, STEP_CHANGED (of another version), or one of ``Reason``."""
    message: str
    path: str | None
    iteration: str
    step_id: str | None
    recorded: Document | None
    """With INPUT_CHANGED: what the step was given then, if it was reached, redacted."""
    now: Document | None
    """With INPUT_CHANGED: what it would be given now, redacted."""


@dataclass(frozen=True, slots=True)
class ReplayPreview:
    """How far the input of a replay is known to lead."""

    run_id: str
    changed_paths: tuple[str, ...]
    """JSON pointers of where the input differs from the stored one."""
    issues: tuple[SchemaIssue, ...]
    """What the payload's schema has against the input: with any, the replay would be refused."""
    status: str | None
    """The status it would end with; None when the preview stops before."""
    error: ErrorInfo | None
    differences: tuple[Difference, ...]
    """Branches, loops and steps that would not be as they were, in the order of the steps, up to the stop."""
    stop: PreviewStop | None
    state: Document
    """``{payload, vars, local, meta, error}`` where the preview ends, redacted."""
