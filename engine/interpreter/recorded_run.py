"""A run as its rows tell it: what is needed to compute any of its states again. Filled from the store, or from a ledger in tests.

A value that is gone (deleted, expired, never stored) is simply absent: whoever needs it says so, and never guesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.interpreter.effects import EventArrived, RunFacts, TaskCompleted
from engine.interpreter.ledger import StepKey, WaitKey

AttemptKey = tuple[str, str, int, int]
"""(path, iteration, visit, attempt)."""
NOT_KEPT: Final = object()
"""Stands for a value of a try that was too large to be kept, or is not stored any more; null is a value."""


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A row of workflow_run_steps."""

    step_id: str
    step_type: str
    status: str
    attempt: int
    seq: int
    """Orders the steps of a run: each ends before the next one starts."""
    started_at: str
    """ISO-8601 UTC with milliseconds, as all times here."""
    completed_at: str | None = None
    outcome: Any = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RecordedWait:
    """A row of workflow_run_waits."""

    status: str
    opened_at: str
    ended_at: str | None = None
    event_name: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedAttempt:
    """An attempt of an action, or of a called workflow, that has ended."""

    input: Any
    """Resolved, with secret markers; a child's input for a called workflow. Or NOT_KEPT."""
    output: Any = None
    """Of an action its output, of a child ``ChildSucceeded.scopes``. Or NOT_KEPT."""
    error: dict[str, Any] | None = None
    """RunError as JSON when it failed."""


@dataclass(frozen=True, slots=True)
class RecordedTask:
    """A human task and its response."""

    title: str
    description: str | None
    context: Any
    answer: TaskCompleted


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """Everything recorded of one run."""

    facts: RunFacts
    status: str
    """The run row's: RUNNING, WAITING, SUCCEEDED, FAILED or CANCELED."""
    definition: Any
    """The published version, as JSON."""
    payload: Any
    """The unredacted input."""
    meta: Mapping[str, Any]
    started_at: str
    steps: Mapping[StepKey, RecordedStep]
    waits: Mapping[WaitKey, RecordedWait] = field(default_factory=dict)
    tries: Mapping[AttemptKey, RecordedAttempt] = field(default_factory=dict)
    """Of actions that act and of called workflows. Pure actions are computed again."""
    events: Mapping[StepKey, EventArrived] = field(default_factory=dict)
    """The event that resolved each event.wait."""
    tasks: Mapping[StepKey, RecordedTask] = field(default_factory=dict)
    """The completed task of each human.task."""
