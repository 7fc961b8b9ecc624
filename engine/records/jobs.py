"""Jobs: one operation over everything that matches a filter, done by the workers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from engine.records.runs import Count
from engine.records.stored_word import StoredWord


class JobKind(StoredWord):
    """What a job does to each target."""

    CANCEL = "cancel"
    REPLAY = "replay"
    """Each run again, with its original input."""
    REDELIVER = "redeliver"
    """Deliveries, not runs."""
    EXPORT = "export"
    """The document of each run, to be written to a file later."""
    DELETE = "delete"


class JobState(StoredWord):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        """Whether it never goes on."""
        return self in (JobState.DONE, JobState.CANCELED)


class ItemState(StoredWord):
    """What became of a target."""

    PENDING = "pending"
    DONE = "done"
    SKIPPED = "skipped"
    """It did not qualify any more."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands."""

    job_id: str
    kind: JobKind
    filter_text: str
    """The filter as it was written."""
    frozen_at: datetime
    """What began later is not meant."""
    reason: str
    actor: str
    actor_level: str
    state: JobState
    filled: bool
    """Whether all targets have been collected; until then ``total`` grows."""
    total: int
    done: int
    skipped: int
    failed: int
    trouble: str
    """Why it does not go on just now; empty when it does."""
    claimed_by: str | None
    """The worker at it."""
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None

    @property
    def left(self) -> int:
        """Targets that are not settled."""
        return self.total - self.done - self.skipped - self.failed


@dataclass(frozen=True, slots=True)
class JobItem:
    """One target of a job."""

    target: str
    state: ItemState
    result: str
    """What came of it, or why nothing did; empty while it is pending."""
    error_code: str | None
    run_id: str | None
    """The run that a replay made."""
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobSubmitted:
    """A job that was taken."""

    job: Job
    matching: Count
    """Targets that matched when it was submitted, counted up to 10,000."""
    created: bool
    """False: the idempotency key had made it before."""
