"""What an operator should look at, and how the installation is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AttentionKind(StrEnum):
    """Why something needs attention, the most urgent first."""

    WORKERS = "workers"
    """No worker is alive: what is accepted is not executed. The duties, which are overdue by that alone, are left out."""
    DUTY = "duty"
    """A duty of the workers that has not been done for several of its periods."""
    STUCK = "stuck"
    """A run that was started more than a minute ago and has no step."""
    STALLED = "stalled"
    """A run that should have moved on more than a minute ago; see ``RunRow.stalled_at``."""
    TASK_FAILING = "task-failing"
    """A run whose workflow task fails again and again."""
    TASK_TIMING_OUT = "task-timing-out"
    """A run whose workflow task no worker does in time."""
    STORES = "stores"
    """A run about which Postgres and Temporal disagreed within the last day, as after a restore of one of them."""
    LAUNCH = "launch"
    """A run that Temporal refused, or has not been told of."""
    DELIVERY = "delivery"
    """An event that could not be delivered."""
    SCHEDULE = "schedule"
    """A schedule that is overdue, or whose last occurrence started nothing."""
    FAILED = "failed"
    """A run that failed within the last day and was not replayed since; its parent, where it has one, stands for it."""
    RETRYING = "retrying"
    """A run at its fourth attempt of a step, or later."""
    LATE_TASK = "late-task"
    """A human task that is open after its due time."""
    JOB = "job"
    """A job that does not go on, or ended within the last day with targets that failed."""
    ALERT = "alert"
    """A message of an alert that was given up within the last day."""


@dataclass(frozen=True, slots=True)
class AttentionItem:
    """One thing to look at."""

    kind: AttentionKind
    key: str
    """Id of the thing; unique within its kind."""
    title: str
    """Name of the workflow, the event or the task."""
    reason: str
    """What is the case, one sentence."""
    since: datetime | None
    run_id: str | None = None
    event_id: str | None = None
    task_id: str | None = None
    workflow_id: str | None = None


@dataclass(frozen=True, slots=True)
class Attention:
    """Everything to look at now."""

    items: tuple[AttentionItem, ...]
    """By kind in the order of ``AttentionKind``, at most ``MOST_OF_A_KIND`` of each."""
    more: frozenset[AttentionKind]
    """Kinds of which there are more than are shown."""
    server_now: datetime
    temporal_error: str = ""
    """Why workflow tasks could not be looked at; empty when they were."""


@dataclass(frozen=True, slots=True)
class WorkerPart:
    """One part of a worker process."""

    name: str
    state: str
    """starting, running, failing or stopped."""
    detail: str = ""
    """Why it is failing, or what it waits for."""
    last_success: datetime | None = None


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One worker process, by its heartbeats."""

    identity: str
    host: str
    pid: int
    build: str
    parts: tuple[WorkerPart, ...]
    started_at: datetime
    last_seen_at: datetime
    stopped_at: datetime | None
    alive: bool


@dataclass(frozen=True, slots=True)
class QueuePoller:
    """Somebody who asked the task queue for work."""

    identity: str
    last_access: datetime


@dataclass(frozen=True, slots=True)
class Installation:
    """Workers, task queue and stores, as they are now."""

    workers: tuple[WorkerInfo, ...]
    """The last seen first; those that are gone are kept for a day."""
    pollers: tuple[QueuePoller, ...]
    backlog: int | None
    """Workflow tasks nobody has taken yet; None: Temporal did not tell."""
    backlog_age_seconds: float
    temporal_error: str
    """Why Temporal could not be asked; empty when it answered."""
    task_queue: str
    namespace: str
    schema_revision: str
    server_now: datetime
