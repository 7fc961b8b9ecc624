"""All rows of one tenant, whatever table they are in."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Select, Table, func, literal_column, select

from engine.store.database.transactions import Connection
from engine.store.tables import (
    ACTIVE_RUN_STATUSES,
    metadata,
    workflow_audit_log,
    workflow_definitions,
    workflow_members,
    workflow_run_snapshots,
    workflow_runs,
    workflow_schedules,
)

BATCH: Final = 1_000
_NOT_DELETED: Final = (workflow_audit_log, workflow_run_snapshots)
"""The audit log is append-only. Snapshots go with their runs, by which alone the service may delete them."""


def tables_of_tenants() -> tuple[Table, ...]:
    """Tables to delete from, in an order in which nothing refers to what is gone; members, who may do it, at the end."""
    last = (workflow_members, *_NOT_DELETED)
    others = [table for table in reversed(metadata.sorted_tables) if "tenant" in table.c and table not in last]
    return (*others, workflow_members)


async def pause_workflows(connection: Connection, tenant: str) -> None:
    """Let no workflow of the tenant start a run."""
    mine = workflow_definitions.c.tenant == tenant
    await connection.execute(workflow_definitions.update().where(mine).values(is_paused=True))


async def delete_rows(connection: Connection, table: Table, tenant: str) -> int:
    """Delete at most ``BATCH`` rows of the tenant; how many."""
    # Other identities of rows cost an index, which not every table has for its tenant.
    mine: Select[tuple[Any]] = (
        select(literal_column("ctid")).select_from(table).where(table.c.tenant == tenant).limit(BATCH)
    )
    deleted = await connection.execute(table.delete().where(literal_column("ctid").in_(mine)))
    return int(deleted.rowcount)


async def active_runs(connection: Connection, tenant: str, limit: int) -> list[str]:
    """Ids of runs that are RUNNING or WAITING."""
    runs = workflow_runs.c
    question = select(runs.run_id).where(runs.tenant == tenant, runs.status.in_(ACTIVE_RUN_STATUSES)).limit(limit)
    return list((await connection.execute(question)).scalars())


async def schedule_ids(connection: Connection, tenant: str) -> list[str]:
    """Ids of the tenant's schedules."""
    question = select(workflow_schedules.c.schedule_id).where(workflow_schedules.c.tenant == tenant)
    return list((await connection.execute(question)).scalars())


async def end_row(connection: Connection, run_id: str) -> None:
    """Close the row of a run whose execution was ended, so that nobody takes it for a live one."""
    await connection.execute(
        workflow_runs.update()
        .where(workflow_runs.c.run_id == run_id)
        .values(status="CANCELED", completed_at=func.now(), updated_at=func.now())
    )
