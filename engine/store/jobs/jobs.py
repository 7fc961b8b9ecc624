"""Rows of jobs: submitting, reading, holding up, and taking one up for a while.

A job is claimed for some time by one worker, and by any other when that time is over. Times are Postgres's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import and_, func, literal_column, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from engine.records import ItemState, Job, JobItem, JobKind, JobState
from engine.store.database.question import QUESTIONS, Question, question
from engine.store.database.reader import Reader, Reading
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_job_items, workflow_jobs

CLAIM_SECONDS: Final = 60.0
MAX_LISTED: Final = 200

jobs, items = workflow_jobs.c, workflow_job_items.c


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be made."""

    job_id: str
    tenant: str
    kind: str
    filter_json: dict[str, Any]
    filter_text: str
    reason: str
    actor: str
    actor_level: str
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that this worker may work at."""

    job_id: str
    tenant: str
    kind: JobKind
    filter_json: dict[str, Any]
    frozen_at: Any
    reason: str
    actor: str
    fill_cursor: str | None
    filled: bool


async def insert_job(connection: Connection, job: NewJob) -> bool:
    """False, and nothing is written, when another job holds the idempotency key."""
    values = {name: getattr(job, name) for name in NewJob.__dataclass_fields__}
    statement = insert(workflow_jobs).values(**values).on_conflict_do_nothing().returning(jobs.job_id)
    return (await connection.execute(statement)).first() is not None


async def job_of_key(connection: Connection, tenant: str, key: str) -> tuple[Job, dict[str, Any]] | None:
    """The job that an idempotency key has made, and its frozen filter."""
    question = select(workflow_jobs).where(jobs.tenant == tenant, jobs.idempotency_key == key)
    row = (await connection.execute(question)).first()
    return None if row is None else (job_of(row), row.filter_json)


async def load_job(connection: Connection, tenant: str, job_id: str, *, lock: bool = False) -> Job | None:
    """A job of the tenant; ``lock``: nobody else changes it until the transaction ends."""
    question = select(workflow_jobs).where(jobs.tenant == tenant, jobs.job_id == job_id)
    row = (await connection.execute(question.with_for_update() if lock else question)).first()
    return None if row is None else job_of(row)


async def lock_jobs_at_work(connection: Connection, tenant: str) -> list[Job]:
    """Jobs of the tenant that are queued or running; nobody else changes them until the transaction ends."""
    at_work = jobs.state.in_([JobState.QUEUED.value, JobState.RUNNING.value])
    question = select(workflow_jobs).where(jobs.tenant == tenant, at_work).order_by(jobs.job_id).with_for_update()
    return [job_of(row) for row in await connection.execute(question)]


async def read_job(reader: Reader, job_id: str) -> Job | None:
    """A job of the reader's tenant, as it may be shown."""
    row = await reader.row(select(workflow_jobs).where(jobs.tenant == reader.tenant, jobs.job_id == job_id))
    return None if row is None else job_of(row, reader)


async def list_jobs(reader: Reader, states: Collection[JobState], limit: int) -> tuple[Job, ...]:
    """Jobs of any of the states, newest first."""
    question = select(workflow_jobs).where(jobs.tenant == reader.tenant)
    if states:
        question = question.where(jobs.state.in_(sorted(states)))
    rows = await reader.rows(question.order_by(jobs.created_at.desc(), jobs.job_id.desc()).limit(limit))
    return tuple(job_of(row, reader) for row in rows)


@lru_cache(maxsize=QUESTIONS)
def troubled_jobs(tenant: str, within: timedelta, limit: int) -> Question:
    """Jobs that something keeps, and those that ended ``within`` that time with targets that failed; newest first."""
    kept = and_(jobs.state == literal_column("'running'"), jobs.trouble.is_not(None))
    ended = and_(jobs.completed_at >= func.now() - within, jobs.failed > 0)
    rows = select(workflow_jobs).where(jobs.tenant == tenant, or_(kept, ended))
    return question(rows.order_by(jobs.created_at.desc(), jobs.job_id.desc()).limit(limit))


async def list_items(
    reader: Reader, job_id: str, state: ItemState, after: str | None, limit: int
) -> tuple[JobItem, ...]:
    """Targets of one state, in the order of their ids, beyond ``after``."""
    question = select(workflow_job_items).where(
        items.tenant == reader.tenant, items.job_id == job_id, items.state == state
    )
    if after is not None:
        question = question.where(items.target > after)
    rows = await reader.rows(question.order_by(items.target).limit(limit))
    reader = await reader.following(runs=(row.target for row in rows))
    return tuple(
        JobItem(
            row.target,
            ItemState.stored(row.state),
            reader.of(run_id=row.target).hide_text(row.result) or "",
            reader.of(run_id=row.target).hide_text(row.error_code),
            row.run_id,
            row.settled_at,
        )
        for row in rows
    )


async def set_state(connection: Connection, job_id: str, state: JobState) -> None:
    """Hold a job up, let it go on at once, or end it."""
    values: dict[str, Any] = {"state": state.value, "updated_at": func.now(), "claimed_until": func.now()}
    if state.ended:
        values |= {"completed_at": func.now(), "claimed_by": None, "trouble": None}
    await connection.execute(update(workflow_jobs).where(jobs.job_id == job_id).values(**values))


async def claim_job(connection: Connection, worker: str) -> ClaimedJob | None:
    """Take up the job that has waited longest, for ``CLAIM_SECONDS``; None when none is free. One of a kind that this release
    does not know is left to the workers of another.
    """
    values = {"worker": worker, "seconds": CLAIM_SECONDS, "kinds": [kind.value for kind in JobKind]}
    row = (await connection.execute(_CLAIM, values)).first()
    if row is None:
        return None
    return ClaimedJob(
        str(row.job_id),
        str(row.tenant),
        JobKind(row.kind),
        row.filter_json,
        row.frozen_at,
        row.reason,
        row.actor,
        row.fill_cursor,
        row.filled_at is not None,
    )


async def is_claimed(connection: Connection, job_id: str, worker: str) -> bool:
    """Whether this worker is to go on with the job: nobody held it up, or took it over."""
    mine = (jobs.job_id == job_id, jobs.claimed_by == worker, jobs.state == JobState.RUNNING.value)
    return (await connection.execute(select(jobs.job_id).where(*mine))).first() is not None


async def let_go(connection: Connection, job_id: str, worker: str, *, seconds: float, trouble: str | None) -> None:
    """Let any worker take the job up, after ``seconds``; ``trouble``: why it did not go on."""
    await connection.execute(
        _LET_GO, {"job": job_id, "worker": worker, "seconds": seconds, "trouble": trouble and trouble[:1000]}
    )


async def finish_job(connection: Connection, job_id: str, worker: str) -> bool:
    """End a job of which nothing is pending. False when it was held up or taken over meanwhile."""
    return (await connection.execute(_FINISH, {"job": job_id, "worker": worker})).first() is not None


def job_of(row: Any, reader: Reading | None = None) -> Job:
    """The job of a row; with a ``reader`` as it may be shown."""
    return Job(
        job_id=row.job_id,
        kind=JobKind.stored(row.kind),
        filter_text=(reader.hide_text(row.filter_text) or "") if reader is not None else row.filter_text,
        frozen_at=row.frozen_at,
        reason=(reader.hide_text(row.reason) or "") if reader is not None else row.reason,
        actor=row.actor,
        actor_level=row.actor_level,
        state=JobState.stored(row.state),
        filled=row.filled_at is not None,
        total=row.total,
        done=row.done,
        skipped=row.skipped,
        failed=row.failed,
        trouble=((reader.hide_text(row.trouble) if reader is not None else row.trouble) or ""),
        claimed_by=row.claimed_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
        completed_at=row.completed_at,
    )


_CLAIM: Final = text("""
    UPDATE workflow_jobs SET state = 'running', claimed_by = :worker,
        claimed_until = now() + :seconds * interval '1 second'
    WHERE job_id = (
        SELECT job_id FROM workflow_jobs
        WHERE state IN ('queued', 'running') AND claimed_until <= now() AND kind = ANY(CAST(:kinds AS text[]))
        ORDER BY claimed_until, job_id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING job_id, tenant, kind, filter_json, frozen_at, reason, actor, fill_cursor, filled_at
""")
_LET_GO: Final = text("""
    UPDATE workflow_jobs SET claimed_by = NULL, claimed_until = now() + :seconds * interval '1 second',
        trouble = :trouble, updated_at = CASE WHEN trouble IS DISTINCT FROM :trouble THEN now() ELSE updated_at END
    WHERE job_id = CAST(:job AS uuid) AND claimed_by = :worker
""")
_FINISH: Final = text("""
    UPDATE workflow_jobs SET state = 'done', completed_at = now(), updated_at = now(), claimed_by = NULL, trouble = NULL
    WHERE job_id = CAST(:job AS uuid) AND claimed_by = :worker AND state = 'running' RETURNING job_id
""")
