"""Human tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from engine.records.values import Document, Json


@dataclass(frozen=True, slots=True)
class Task:
    """A human task, without its bodies."""

    task_id: str
    run_id: str
    workflow_id: str
    path: str
    iteration: str
    task_type: str
    title: str
    description: str | None
    status: str
    """``pending``, ``claimed``, ``completed``, ``canceled``, or ``expired`` in history."""
    priority: str | None
    due_at: datetime | None
    claimed_by: str | None
    claimed_at: datetime | None
    completed_by: str | None
    completed_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TaskDetail:
    """A task with what is needed to answer it, and what was answered."""

    row: Task
    context: Document | None
    form: Json
    """JSON schema of the answer; None: any object will do."""
    response: Document | None
    undelivered: bool
    """It was answered or canceled, and its run could not be told yet."""
    delivery_error: str | None


@dataclass(frozen=True, slots=True)
class TaskClosed:
    """A task that was answered or canceled."""

    task_id: str
    run_id: str
    status: Literal["completed", "canceled"]
    delivered: bool
    """False: accepted, and its run is told as soon as that is possible."""
    repeated: bool = False
    """It had been closed in the same way by the same actor before; nothing was written."""
    message: str = ""
    """Why it is not delivered, one sentence."""


@dataclass(frozen=True, slots=True)
class TaskClaim:
    """Who has a task now."""

    task_id: str
    claimed_by: str | None
    """None: it is free."""
