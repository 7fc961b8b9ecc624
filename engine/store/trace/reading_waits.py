"""The waits of a run."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.records import Wait, WaitKind, WaitStatus
from engine.store.catalog.compared import hiding_compared
from engine.store.database.reader import Reader, open_reader, run_id_text
from engine.store.tables import workflow_run_waits

MAX_WAITS: Final = 500

waits = workflow_run_waits.c


async def run_waits(engine: AsyncEngine, tenant: str, run_id: str) -> tuple[Wait, ...]:
    """The waits of a run: the open ones first, then the newest; at most 500. Raises ``NotFound``, ``Unavailable``."""
    run_id = run_id_text(run_id)
    query = (
        select(workflow_run_waits)
        .where(waits.run_id == run_id, waits.tenant == tenant)
        .order_by((waits.status == "WAITING").desc(), waits.created_at.desc(), waits.wait_id.desc())
        .limit(MAX_WAITS)
    )
    async with open_reader(engine, tenant, run_id) as reader:
        rows = await reader.rows(query)
        hiding = await hiding_compared(reader, (row.payload for row in rows))
        return tuple(wait_view(hiding, row) for row in rows)


def wait_view(reader: Reader, row: Row[Any]) -> Wait:
    """A row of ``workflow_run_waits``, redacted."""
    return Wait(
        wait_id=row.wait_id,
        path=row.step_path,
        iteration=row.iteration,
        kind=WaitKind.stored(row.wait_type),
        status=WaitStatus.stored(row.status),
        created_at=row.created_at,
        event_name=row.event_name,
        key=reader.hide_text(row.key),
        until=row.timeout_at,
        resolved_at=row.resolved_at,
        matched_event_id=row.matched_event_id,
        attempt=row.attempt,
        payload=reader.hide(row.payload),
    )
