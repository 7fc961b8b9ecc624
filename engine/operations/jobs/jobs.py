"""Submitting jobs, reading them, and holding them up. The workers do them (``settling``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.errors import Conflict, Invalid, NotFound
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.jobs.frozen_filter import frozen, timeless
from engine.operations.runs.run_access import checked_reason, is_run_id
from engine.records import Count, ItemState, Job, JobItem, JobKind, JobState, JobSubmitted, Level, RunFilter
from engine.store.database.reader import open_reader
from engine.store.database.transactions import Connection, writing
from engine.store.events.reading import deliveries_page
from engine.store.jobs import jobs
from engine.store.runs import listing
from engine.store.tenant.audit import AuditEntry
from engine.values.json_policy import storable_text

DELIVERY_STATUSES: Final = ("failed", "skipped", "dead")
MAX_KEY: Final = 200
MAX_FILTER_TEXT: Final = 1000


async def submit_job(
    context: OperationContext,
    kind: JobKind,
    wanted: RunFilter | str,
    reason: str,
    *,
    filter_text: str | None = None,
    idempotency_key: str | None = None,
) -> JobSubmitted:
    """Have an operation done to everything that matches now. Needs the level admin, as the operation itself.

    ``wanted``: of runs; for redeliver ``failed``, ``skipped`` or ``dead`` (both), of deliveries. ``filter_text``: the filter as
    it was written, to be shown. Raises, with nothing written: ``Invalid`` (JOB_KIND_INVALID, REASON_TOO_SHORT, REASON_TOO_LONG,
    FILTER_INVALID, IDEMPOTENCY_KEY_INVALID), ``Conflict`` (IDEMPOTENCY_KEY_REUSED), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN, tells_temporal=False)
    said, kind = checked_reason(reason), _checked_kind(kind)
    stored = _stored_filter(kind, wanted)
    text = storable_text(filter_text if filter_text is not None else _as_text(stored))[:MAX_FILTER_TEXT]
    key = None if idempotency_key is None else _checked_key(idempotency_key)
    matching = await _matching(context, wanted)
    new = jobs.NewJob(
        job_id=new_id(),
        tenant=context.tenant,
        kind=kind.value,
        filter_json=stored,
        filter_text=text,
        reason=said,
        actor=context.actor.name,
        actor_level=(await context.level()).word,
        idempotency_key=key,
    )
    async with writing(context.store) as connection:
        await context.require_still(connection, Level.ADMIN)
        created = await jobs.insert_job(connection, new)
        if created:
            await context.audit(
                connection, _entry("job_submit", new.job_id, said, {"kind": kind.value, "filter": text})
            )
            job, before = await jobs.load_job(connection, context.tenant, new.job_id), stored
        else:
            job, before = await jobs.job_of_key(connection, context.tenant, key or "") or (None, {})
    if job is None:
        raise RuntimeError("a job that was written, or kept another from being written, is not there")
    # Not by its times: `since:24h` means another one a second later.
    if (job.kind, job.filter_text, job.reason, timeless(before)) != (kind, text, said, timeless(stored)):
        raise Conflict(
            "IDEMPOTENCY_KEY_REUSED",
            f"The key {key} has made the job {job.job_id}, which is another one.",
            "Use another key for another job.",
            {"jobId": job.job_id},
        )
    return JobSubmitted(await get_job(context, job.job_id), matching, created)


async def list_jobs(context: OperationContext, *, open_only: bool = False, limit: int = 50) -> tuple[Job, ...]:
    """Jobs, newest first; ``limit`` 1..200. Needs the level read."""
    listing.check_limit(limit, jobs.MAX_LISTED)
    states = [state for state in JobState if not state.ended] if open_only else []
    async with open_reader(await context.readable(), context.tenant) as reader:
        return await jobs.list_jobs(reader, states, limit)


async def get_job(context: OperationContext, job_id: str) -> Job:
    """One job. Needs the level read. Raises ``NotFound`` (JOB_NOT_FOUND)."""
    async with open_reader(await context.readable(), context.tenant) as reader:
        found = await jobs.read_job(reader, job_id) if is_run_id(job_id) else None
    if found is None:
        raise _not_found(job_id)
    return found


async def job_items(
    context: OperationContext, job_id: str, state: ItemState, *, after: str | None = None, limit: int = 50
) -> tuple[JobItem, ...]:
    """Targets of one state, in the order of their ids, beyond the target ``after``; ``limit`` 1..500. Needs the level read.

    Raises ``NotFound`` (JOB_NOT_FOUND), ``Invalid`` (LIMIT_INVALID, CURSOR_INVALID).
    """
    listing.check_limit(limit, listing.MAX_PAGE)
    if after is not None and not is_run_id(after):
        raise Invalid("CURSOR_INVALID", "The cursor is no id of a target.", "Start again from the first page.")
    job = await get_job(context, job_id)
    async with open_reader(context.store, context.tenant) as reader:
        return await jobs.list_items(reader, job.job_id, state, after, limit)


async def pause_job(context: OperationContext, job_id: str) -> Job:
    """Hold a job up; what is under way is finished. Needs the level admin. Harmless to repeat.

    Raises ``NotFound`` (JOB_NOT_FOUND), ``Conflict`` (JOB_ENDED), ``Forbidden``.
    """
    return await _change(context, job_id, "job_pause", JobState.PAUSED, lambda state: state is not JobState.PAUSED)


async def resume_job(context: OperationContext, job_id: str) -> Job:
    """Let a job that was held up go on. Needs the level admin. Harmless to repeat. Raises as ``pause_job``."""
    return await _change(context, job_id, "job_resume", JobState.QUEUED, lambda state: state is JobState.PAUSED)


async def cancel_job(context: OperationContext, job_id: str) -> Job:
    """End a job; what is done stays done. Needs the level admin. Harmless to repeat. Raises as ``pause_job``."""
    return await _change(context, job_id, "job_cancel", JobState.CANCELED, lambda _: True)


async def hold_up_jobs(
    context: OperationContext, connection: Connection, submitted_by: Callable[[str], bool], reason: str | None
) -> None:
    """Pause what such people have submitted, in the caller's transaction: another admin lets it go on, or ends it."""
    for job in await jobs.lock_jobs_at_work(connection, context.tenant):
        if submitted_by(job.actor):
            await _set(context, connection, job, "job_pause", JobState.PAUSED, reason)


async def _change(
    context: OperationContext, job_id: str, operation: str, to: JobState, wanted: Callable[[JobState], bool]
) -> Job:
    await context.require(Level.ADMIN, tells_temporal=False)
    async with writing(context.store) as connection:
        await context.require_still(connection, Level.ADMIN)
        found = await jobs.load_job(connection, context.tenant, job_id, lock=True) if is_run_id(job_id) else None
        if found is None:
            raise _not_found(job_id)
        if found.state is not to and found.state.ended:
            told = f"The job {job_id} has ended: {found.state.value}."
            raise Conflict("JOB_ENDED", told, "Submit another one for what is left.", {"state": found.state.value})
        if found.state is not to and wanted(found.state):
            await _set(context, connection, found, operation, to, None)
    return await get_job(context, job_id)


def _checked_kind(kind: JobKind | str) -> JobKind:
    try:
        return JobKind(kind)
    except ValueError:
        told = f"{str(kind)[:40]!r} is none of {', '.join(JobKind)}."
        raise Invalid("JOB_KIND_INVALID", told, "Name one of them.") from None


async def _set(  # noqa: PLR0917 # a change, and what is said of it
    context: OperationContext, connection: Connection, job: Job, operation: str, to: JobState, reason: str | None
) -> None:
    await jobs.set_state(connection, job.job_id, to)
    details = {"kind": job.kind.value, "left": job.left, "before": job.state.value}
    await context.audit(connection, _entry(operation, job.job_id, reason, details))


def _stored_filter(kind: JobKind, wanted: RunFilter | str) -> dict[str, Any]:
    if isinstance(wanted, RunFilter) is (kind is JobKind.REDELIVER):
        what = "deliveries: failed, skipped or dead" if kind is JobKind.REDELIVER else "runs"
        raise Invalid("FILTER_INVALID", f"A job of the kind {kind.value} needs a filter of {what}.", "Correct it.")
    if isinstance(wanted, RunFilter):
        return frozen(wanted)
    if wanted not in DELIVERY_STATUSES:
        told = f"{str(wanted)[:40]!r} is none of {', '.join(DELIVERY_STATUSES)}."
        raise Invalid("FILTER_INVALID", told, "Name one of them.")
    return {"status": wanted}


def _as_text(stored: dict[str, Any]) -> str:
    return " ".join(f"{name}:{value}" for name, value in sorted(stored.items()))


async def _matching(context: OperationContext, wanted: RunFilter | str) -> Count:
    if isinstance(wanted, RunFilter):
        return (await listing.count_runs(context.store, context.tenant, wanted)).matching(wanted)
    most = listing.MAX_PAGE
    page = await deliveries_page(context.store, context.tenant, status=wanted, limit=most)
    return Count(len(page.rows), page.next is not None)


def _checked_key(key: str) -> str:
    text = storable_text(key).strip()
    if not text or text != key or len(text) > MAX_KEY:
        told = f"An idempotency key has 1 to {MAX_KEY} characters, and no space at its ends."
        raise Invalid("IDEMPOTENCY_KEY_INVALID", told, "Use another key.")
    return text


def _entry(operation: str, job_id: str, reason: str | None, details: dict[str, Any]) -> AuditEntry:
    return AuditEntry(operation, "job", job_id, reason=reason, details=details)


def _not_found(job_id: str) -> NotFound:
    return NotFound(
        "JOB_NOT_FOUND", f"There is no job {storable_text(job_id)[:60]}.", "`runstudio jobs list` has them."
    )
