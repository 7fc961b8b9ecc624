"""What a job that exports has made: one compressed document for each run, until it is too old."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from engine.store.database.transactions import Connection

KEPT_DAYS: Final = 7
"""So long a document is kept after it was made, unless its run, or its bodies, are deleted before."""


@dataclass(frozen=True, slots=True)
class JobFile:
    """The document of one run."""

    run_id: str
    body: bytes
    """gzip."""


async def save_file(connection: Connection, tenant: str, job_id: str, run_id: str, body: bytes) -> None:
    """Keep the document of a run, in place of the one there was; none of a run that is gone meanwhile."""
    values = {"tenant": tenant, "job": job_id, "run": run_id, "body": body, "bytes": len(body)}
    await connection.execute(_SAVE, values)


async def count_files(connection: Connection, tenant: str, job_id: str) -> int:
    """Documents a job has made, as far as they are kept."""
    return int((await connection.execute(_COUNT, {"tenant": tenant, "job": job_id})).scalar_one())


async def next_file(connection: Connection, tenant: str, job_id: str, after: str | None) -> JobFile | None:
    """The document of the run with the next id; None when there is no more."""
    values = {"tenant": tenant, "job": job_id, "after": after or "00000000-0000-0000-0000-000000000000"}
    row = (await connection.execute(_NEXT, values)).one_or_none()
    return None if row is None else JobFile(str(row.run_id), bytes(row.body))


async def delete_old_files(connection: Connection, limit: int) -> int:
    """Delete at most ``limit`` documents of any tenant that are older than ``KEPT_DAYS``; how many."""
    return len((await connection.execute(_DELETE_OLD, {"days": KEPT_DAYS, "limit": limit})).all())


_SAVE: Final = text("""
    INSERT INTO workflow_job_files (tenant, job_id, run_id, body, bytes)
    SELECT r.tenant, CAST(:job AS uuid), r.run_id, :body, :bytes
    FROM workflow_runs AS r WHERE r.tenant = CAST(:tenant AS uuid) AND r.run_id = CAST(:run AS uuid) FOR KEY SHARE
    ON CONFLICT (job_id, run_id) DO UPDATE SET body = excluded.body, bytes = excluded.bytes, made_at = now()
""")
_COUNT: Final = text("""
    SELECT count(*) FROM workflow_job_files WHERE tenant = CAST(:tenant AS uuid) AND job_id = CAST(:job AS uuid)
""")
_NEXT: Final = text("""
    SELECT run_id, body FROM workflow_job_files
    WHERE tenant = CAST(:tenant AS uuid) AND job_id = CAST(:job AS uuid) AND run_id > CAST(:after AS uuid)
    ORDER BY run_id LIMIT 1
""")
_DELETE_OLD: Final = text("""
    DELETE FROM workflow_job_files WHERE (job_id, run_id) IN (
        SELECT job_id, run_id FROM workflow_job_files WHERE made_at < now() - :days * interval '1 day'
        ORDER BY made_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ) RETURNING run_id
""")
