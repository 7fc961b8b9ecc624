"""Runs that failed and that nobody has dealt with yet."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.records import RunRow, RunStatus
from engine.store.database.question import QUESTIONS, Telling, ask_telling, question
from engine.store.runs.run_rows import listed, run_view, telling_of
from engine.store.tables import workflow_runs


async def failures_to_look_at(engine: AsyncEngine, tenant: str, since: datetime, most: int) -> tuple[RunRow, ...]:
    """Runs without parent that failed since then and were not replayed, the latest first. Raises ``Unavailable``.

    Runs Temporal never took are left out.
    """
    reading, [rows] = await ask_telling(engine, tenant, _failures(tenant, most), parameters={"since": since})
    return tuple(run_view(reading, row) for row in rows)


@lru_cache(maxsize=QUESTIONS)
def _failures(tenant: str, most: int) -> Telling:
    failed, replays = workflow_runs.c, workflow_runs.alias("replays").c
    since = bindparam("since", type_=failed.updated_at.type, required=False)
    replayed = select(replays.run_id).where(replays.tenant == tenant, replays.replay_of_run_id == failed.run_id)
    latest = (failed.updated_at.desc(), failed.run_id.desc())
    picked = (
        select(failed.run_id)
        .where(
            failed.tenant == tenant,
            failed.status == RunStatus.FAILED,
            # What ended later was changed later, and that has an index.
            failed.updated_at >= since,
            failed.completed_at >= since,
            failed.parent_run_id.is_(None),
            failed.launch_state == "started",
            ~replayed.exists(),
        )
        .order_by(*latest)
        .limit(most)
    )
    return telling_of(question(listed(picked.subquery("picked")).order_by(*latest)))
