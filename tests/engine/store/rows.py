"""Rows for the tests of readers, written as plainly as possible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.ids import new_id
from engine.store.tables import workflow_runs
from tests.engine.store.conftest import TENANT

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """A moment after the start."""
    return START + timedelta(seconds=seconds)


async def insert(engine: AsyncEngine, table: Table, *rows: dict[str, Any]) -> None:
    """Insert rows of one table; each may have columns of its own."""
    async with engine.begin() as connection:
        for row in rows:
            await connection.execute(table.insert().values(tenant=TENANT, **row))


async def insert_run(engine: AsyncEngine, /, **values: Any) -> str:
    """A run; by default one of Temporal, RUNNING, with three steps. Its id."""
    row = {
        "run_id": new_id(),
        "workflow_id": "order-fulfilment",
        "workflow_version": 3,
        "status": "RUNNING",
        "engine": "temporal",
        "step_count": 3,
        "started_at": START,
        "updated_at": START,
        **values,
    }
    await insert(engine, workflow_runs, row)
    return str(row["run_id"])


async def insert_old_run(engine: AsyncEngine, /, **values: Any) -> str:
    """A run as it was before the cutover: such a row can only be there before the guard."""
    guard = "ALTER TABLE workflow_runs {} CONSTRAINT workflow_runs_engine_is_temporal {}"
    check = "CHECK (engine IS NOT NULL AND engine = 'temporal') NOT VALID"
    async with engine.begin() as connection:
        await connection.execute(text(guard.format("DROP", "")))
    run_id = await insert_run(engine, **{"engine": "db", "status": "SUCCEEDED", "step_count": 0, **values})
    async with engine.begin() as connection:
        await connection.execute(text(guard.format("ADD", check)))
    return run_id
