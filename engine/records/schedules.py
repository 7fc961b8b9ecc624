"""Schedules and their occurrences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from engine.records.values import Document


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule, without the payload of its runs."""

    schedule_id: str
    workflow_id: str
    workflow_version: int
    trigger_type: Literal["schedule", "recurring"]
    """``schedule``: once."""
    run_at: datetime | None
    cron: str | None
    timezone: str
    status: str
    """scheduled, paused; disabled: the latest version has no such trigger; completed: it ran once; failed."""
    pending: bool
    """Temporal has not been told of the latest change yet."""
    next_fire_at: datetime | None
    """As Temporal said after the last occurrence; None when there is none, or it is paused."""
    overdue: bool
    """The next occurrence should have come more than a minute ago."""
    last_fire_at: datetime | None
    last_outcome: Literal["started", "skipped", "failed"] | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Fire:
    """What came of one occurrence."""

    scheduled_for: datetime
    fired_at: datetime
    """When it was decided about."""
    outcome: Literal["started", "skipped", "missed", "failed"]
    """``missed``: nothing was running at that time, and a later occurrence was made up for instead."""
    reason: str | None
    run_id: str | None
    """The run it started, or that failed at its launch."""
    run_status: str | None
    """As it is now."""


@dataclass(frozen=True, slots=True)
class ScheduleDetail:
    """A schedule with what its runs are started with."""

    row: Schedule
    payload: Document
