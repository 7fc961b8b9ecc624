"""Jobs and messages of alerts in the fake world."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from engine.errors import Conflict, Invalid, NotFound
from engine.ids import new_id
from engine.records import (
    AlertMessage,
    Count,
    Job,
    JobKind,
    JobState,
    JobSubmitted,
    Level,
    MessageState,
    RunFilter,
)
from runstudio_tui.backend.fake.calls import Calls
from runstudio_tui.backend.fake.redelivery import DEAD_STATUSES, check_reason

DELIVERY_STATUSES: Final = ("failed", "skipped", "dead")


class FakeJobs:
    """See JobsPort."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._world = calls.world
        self._keys: dict[str, str] = {}
        """Job by idempotency key."""

    async def list(self, *, open_only: bool = False, limit: int = 50) -> tuple[Job, ...]:
        """See JobsReading."""
        await self._calls.enter("jobs.list")
        known = [job for job in self._world.jobs.values() if not (open_only and job.state.ended)]
        return tuple(sorted(known, key=lambda job: job.created_at, reverse=True)[:limit])

    async def submit(
        self,
        kind: JobKind,
        wanted: RunFilter | str,
        reason: str,
        *,
        filter_text: str | None = None,
        idempotency_key: str | None = None,
    ) -> JobSubmitted:
        """See JobsPort. No worker takes it up."""
        await self._calls.enter("jobs.submit", kind, wanted, reason, filter_text, idempotency_key)
        self._calls.require(Level.ADMIN)
        check_reason(reason)
        if isinstance(wanted, RunFilter) is (kind is JobKind.REDELIVER):
            what = "deliveries: failed, skipped or dead" if kind is JobKind.REDELIVER else "runs"
            raise Invalid("FILTER_INVALID", f"A job of the kind {kind.value} needs a filter of {what}.", "Correct it.")
        if not isinstance(wanted, RunFilter) and wanted not in DELIVERY_STATUSES:
            told = f"{wanted[:40]!r} is none of {', '.join(DELIVERY_STATUSES)}."
            raise Invalid("FILTER_INVALID", told, "Name one of them.")
        known = self._keys.get(idempotency_key or "")
        job = self._world.jobs[known] if known else self._new(kind, reason.strip(), filter_text or "", idempotency_key)
        if (job.kind, job.filter_text, job.reason) != (kind, filter_text or "", reason.strip()):
            told = f"The key {idempotency_key} has made the job {job.job_id}, which is another one."
            raise Conflict("IDEMPOTENCY_KEY_REUSED", told, "Use another key for another job.", {"jobId": job.job_id})
        return JobSubmitted(job, Count(self._matching(wanted)), not known)

    def _new(self, kind: JobKind, reason: str, filter_text: str, key: str | None) -> Job:
        now, who = self._world.now(), self._world.session
        job = Job(
            job_id=new_id(), kind=kind, filter_text=filter_text, frozen_at=now, reason=reason, actor=who.actor,
            actor_level=who.level.word, state=JobState.QUEUED, filled=False, total=0, done=0, skipped=0, failed=0,
            trouble="", claimed_by=None, created_at=now, updated_at=now, completed_at=None,
        )  # fmt: skip
        self._world.jobs[job.job_id] = job
        if key is not None:
            self._keys[key] = job.job_id
        return job

    def _matching(self, wanted: RunFilter | str) -> int:
        if isinstance(wanted, RunFilter):
            return len(self._world.select(wanted))
        statuses = DEAD_STATUSES if wanted == "dead" else (wanted,)
        return sum(one.status in statuses for detail in self._world.events.values() for one in detail.deliveries)

    async def pause(self, job_id: str) -> Job:
        """See JobsPort."""
        return await self._change("jobs.pause", job_id, JobState.PAUSED)

    async def resume(self, job_id: str) -> Job:
        """See JobsPort."""
        return await self._change("jobs.resume", job_id, JobState.QUEUED)

    async def cancel(self, job_id: str) -> Job:
        """See JobsPort."""
        return await self._change("jobs.cancel", job_id, JobState.CANCELED)

    async def _change(self, name: str, job_id: str, to: JobState) -> Job:
        await self._calls.enter(name, job_id)
        self._calls.require(Level.ADMIN)
        job = self._world.jobs.get(job_id)
        if job is None:
            raise NotFound("JOB_NOT_FOUND", f"There is no job {job_id}.", "`runstudio jobs list` has them.")
        if job.state is to:
            return job
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
