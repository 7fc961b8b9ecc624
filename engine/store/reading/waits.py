"""The waits of a run."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.store.reader import open_reader, run_id_text
from engine.store.tables import workflow_run_waits
from engine.store.views import Reply, WaitView

MAX_WAITS: Final = 500

waits = workflow_run_waits.c


async def run_waits(engine: AsyncEngine, tenant: str, run_id: str) -> Reply[tuple[WaitView, ...]]:
    """The waits of a run: the open ones first, then the newest; at most 500. Raises ``NotFound``, ``Unavailable``."""
    run_id = run_id_text(run_id)
    query = (
        select(workflow_run_waits)
        .where(waits.run_id == run_id, waits.tenant == tenant)
        .order_by((waits.status == "WAITING").desc(), waits.created_at.desc(), waits.wait_id.desc())
        .limit(MAX_WAITS)
    )
    async with open_reader(engine, tenant) as reader:
        views = tuple(
            WaitView(
                wait_id=row.wait_id,
                path=row.step_path,
                iteration=row.iteration,
                kind=row.wait_type,
                status=row.status,
                created_at=row.created_at,
                event_name=row.event_name,
                key=reader.hide_text(row.key),
                until=row.timeout_at,
                resolved_at=row.resolved_at,
                matched_event_id=row.matched_event_id,
                attempt=row.attempt,
                payload=reader.hide(row.payload),
            )
            for row in await reader.rows(query)
        )
        return Reply(views, reader.server_now)
