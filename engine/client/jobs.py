"""``engine.jobs``: one operation over everything that matches, done by the workers."""

from __future__ import annotations

from collections.abc import AsyncIterator

from engine.operations.context import OperationContext
from engine.operations.jobs import jobs
from engine.operations.jobs.exporting import job_files
from engine.records import ExportPart, ItemState, Job, JobItem, JobKind, JobSubmitted, RunFilter


class Jobs:
    """Jobs of one tenant."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context

    async def submit(
        self,
        kind: JobKind,
        wanted: RunFilter | str,
        reason: str,
        *,
        filter_text: str | None = None,
        idempotency_key: str | None = None,
    ) -> JobSubmitted:
        """Have an operation done to everything that matches now. Needs the level admin. Raises as ``submit_job``.

        ``wanted``: of runs; for redeliver ``failed``, ``skipped`` or ``dead`` (both), of deliveries.
        """
        return await jobs.submit_job(
            self._context, kind, wanted, reason, filter_text=filter_text, idempotency_key=idempotency_key
        )

    async def list(self, *, open_only: bool = False, limit: int = 50) -> tuple[Job, ...]:
        """Jobs, newest first; ``limit`` 1..200. Needs the level read."""
        return await jobs.list_jobs(self._context, open_only=open_only, limit=limit)

    async def get(self, job_id: str) -> Job:
        """One job. Needs the level read. Raises ``NotFound`` (JOB_NOT_FOUND)."""
        return await jobs.get_job(self._context, job_id)

    async def items(
        self, job_id: str, state: ItemState, *, after: str | None = None, limit: int = 50
    ) -> tuple[JobItem, ...]:
        """Targets of one state, in the order of their ids, beyond the target ``after``; ``limit`` 1..500."""
        return await jobs.job_items(self._context, job_id, state, after=after, limit=limit)

    def files(self, job_id: str) -> AsyncIterator[ExportPart]:
        """What a job has exported: a line of JSON for each run, by id, each read when it is asked for. Needs the level read.

        Raises as ``job_files``.
        """
        return job_files(self._context, job_id)

    async def pause(self, job_id: str) -> Job:
        """Hold a job up. Needs the level admin. Raises as ``pause_job``."""
        return await jobs.pause_job(self._context, job_id)

    async def resume(self, job_id: str) -> Job:
        """Let a job go on. Needs the level admin. Raises as ``pause_job``."""
        return await jobs.resume_job(self._context, job_id)

    async def cancel(self, job_id: str) -> Job:
        """End a job; what is done stays done. Needs the level admin. Raises as ``pause_job``."""
        return await jobs.cancel_job(self._context, job_id)
