"""What the studio may ask about the jobs of the workers and the messages of alerts: a part of ``ports``."""

from __future__ import annotations

from typing import Protocol

from engine.records import AlertMessage, Job, JobKind, JobSubmitted, MessageState, RunFilter


class JobsReading(Protocol):
    """Jobs of the workers."""

    async def list(self, *, open_only: bool = False, limit: int = 50) -> tuple[Job, ...]:
        """Jobs, newest first."""
        ...


class JobsPort(JobsReading, Protocol):
    """Jobs: submitting them, holding them up, ending them."""

    async def submit(
        self,
        kind: JobKind,
        wanted: RunFilter | str,
        reason: str,
        *,
        filter_text: str | None = None,
        idempotency_key: str | None = None,
    ) -> JobSubmitted:
        """Have an operation done to everything that matches now: runs, or for redeliver deliveries that are ``dead``, ``failed``
        or ``skipped``. Raises Invalid (reason, filter), Conflict (the key has made another job), Forbidden."""
        ...

    async def pause(self, job_id: str) -> Job:
        """Hold a job up. Raises NotFound, Conflict (it has ended), Forbidden."""
        ...

    async def resume(self, job_id: str) -> Job:
        """Let a job go on. Raises as pause."""
        ...

    async def cancel(self, job_id: str) -> Job:
        """End a job; what is done stays done. Raises as pause."""
        ...


class AlertsReading(Protocol):
    """Messages of alerts."""

    async def messages(
        self, *, message_id: str | None = None, state: MessageState | None = None, limit: int = 50
    ) -> tuple[AlertMessage, ...]:
        """Messages, newest first; of one id, or of a state."""
        ...
