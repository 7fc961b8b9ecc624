"""Jobs and messages of alerts in the fake world."""

from __future__ import annotations

from dataclasses import replace

from engine.errors import Conflict, NotFound
from engine.records import AlertMessage, Job, JobState, Level, MessageState
from runstudio_tui.backend.fake.calls import Calls


class FakeJobs:
    """See JobsPort."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._world = calls.world

    async def list(self, *, open_only: bool = False, limit: int = 50) -> tuple[Job, ...]:
        """See JobsReading."""
        await self._calls.enter("jobs.list")
        known = [job for job in self._world.jobs.values() if not (open_only and job.state.ended)]
        return tuple(sorted(known, key=lambda job: job.created_at, reverse=True)[:limit])

    async def pause(self, job_id: str) -> Job:
        """See JobsPort."""
        return await self._change("jobs.pause", job_id, JobState.PAUSED)

    async def resume(self, job_id: str) -> Job:
        """See JobsPort."""
        return await self._change("jobs.resume", job_id, JobState.QUEUED)

    async def _change(self, name: str, job_id: str, to: JobState) -> Job:
        await self._calls.enter(name, job_id)
        self._calls.require(Level.ADMIN)
        job = self._world.jobs.get(job_id)
        if job is None:
            raise NotFound("JOB_NOT_FOUND", f"There is no job {job_id}.", "`runstudio jobs list` has them.")
        if job.state.ended:
            raise Conflict("JOB_ENDED", f"The job {job_id} has ended: {job.state.value}.", "Submit another one.")
        self._world.jobs[job_id] = replace(job, state=to)
        return self._world.jobs[job_id]


class FakeAlerts:
    """See AlertsReading."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._world = calls.world

    async def messages(
        self, *, message_id: str | None = None, state: MessageState | None = None, limit: int = 50
    ) -> tuple[AlertMessage, ...]:
        """See AlertsReading."""
        await self._calls.enter("alerts.messages")
        return tuple(
            message
            for message in self._world.messages
            if message_id in (None, message.message_id) and state in (None, message.state)
        )[:limit]
