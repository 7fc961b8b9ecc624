"""Events and their deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.records.values import Document


@dataclass(frozen=True, slots=True)
class Event:
    """One event, without its payload."""

    event_id: str
    name: str
    key: str | None
    keys: tuple[str, ...]
    created_at: datetime
    processed_at: datetime | None
    status: str
    """``received`` (not yet routed), ``matched``, ``unmatched`` or ``error``."""
    matched_run: str | None
    error: str | None
    schema_ref: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """The delivery of one event to one target."""

    delivery_id: str
    event_id: str | None
    event_name: str | None
    key: str | None
    kind: str
    """``wait``, ``launch``, ``task`` or ``quota``; ``routing`` for an event whose targets could not be found."""
    target: str
    """Id of the wait, the workflow, the task or the run; empty for ``routing``."""
    run_id: str | None
    workflow_id: str | None
    status: str
    """``pending``, ``done``, ``skipped`` or ``failed``."""
    attempts: int
    next_attempt_at: datetime | None
    reason: str | None
    """Why it was skipped."""
    last_error: str | None
    created_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventDetail:
    """One event with everything that came of it."""

    row: Event
    payload: Document | None
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class EventReceipt:
    """An event was stored."""

    event_id: str
    accepted: bool
    """False: this id was submitted before."""
    keys: tuple[str, ...]
    """What it will be matched by; empty: only waits that take any key, and triggers."""
