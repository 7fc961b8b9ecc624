"""What the studio may ask about the jobs of the workers and the messages of alerts: a part of ``ports``."""

from __future__ import annotations

from typing import Protocol

from engine.records import AlertMessage, Job, MessageState


class JobsReading(Protocol):
    """Jobs of the workers."""

    async def list(self, *, open_only: bool = False, limit: int = 50) -> tuple[Job, ...]:
        """Jobs, newest first."""
        ...


class JobsPort(JobsReading, Protocol):
    """Jobs, and holding them up."""

    async def pause(self, job_id: str) -> Job:
        """Hold a job up. Raises NotFound, Conflict (it has ended), Forbidden."""
        ...

    async def resume(self, job_id: str) -> Job:
        """Let a job go on. Raises as pause."""
        ...


class AlertsReading(Protocol):
    """Messages of alerts."""

    async def messages(
        self, *, message_id: str | None = None, state: MessageState | None = None, limit: int = 50
    ) -> tuple[AlertMessage, ...]:
        """Messages, newest first; of one id, or of a state."""
        ...
