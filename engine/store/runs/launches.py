"""What became of a run's launch: Temporal has the run, could not be asked, or will never take it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Text, bindparam, func, update

from engine.contract import workflow_id_for
from engine.store.database.transactions import Connection
from engine.store.runs.runs import is_active, is_pending
from engine.store.tables import workflow_runs as runs

Json = Any


async def mark_launched(connection: Connection, run_id: str, temporal_run_id: str | None) -> str | None:
    """Record that Temporal has the run. Its status now: a run canceled meanwhile is for the caller to cancel in Temporal."""
    row = {"of_run": run_id, "in_temporal": workflow_id_for(run_id), "execution": temporal_run_id}
    status: str | None = (await connection.execute(_MARK_LAUNCHED, row)).scalar_one_or_none()
    return status


async def mark_launch_postponed(connection: Connection, run_id: str, reason: str, *, retry_seconds: float) -> None:
    """Record that Temporal could not be asked, and when to ask again."""
    await connection.execute(
        update(runs)
        .where(runs.c.run_id == run_id, is_pending())
        .values(
            launch_attempts=runs.c.launch_attempts + 1,
            launch_error=reason,
            next_launch_at=func.now() + timedelta(seconds=retry_seconds),
            updated_at=func.now(),
        )
    )


async def put_off_launches(
    connection: Connection, run_ids: Sequence[str], reason: str, *, retry_seconds: float
) -> None:
    """Record that none of them could be started. They are due together, so they keep their order."""
    await connection.execute(
        update(runs)
        .where(runs.c.run_id.in_(run_ids), is_pending(), is_active())
        .values(
            launch_attempts=func.greatest(runs.c.launch_attempts, 1),
            launch_error=reason,
            next_launch_at=func.now() + timedelta(seconds=retry_seconds),
            updated_at=func.now(),
        )
    )


async def mark_launch_refused(connection: Connection, run_id: str, error: dict[str, Json]) -> bool:
    """Close a run that Temporal will never take. False when somebody else started or closed it."""
    statement = (
        update(runs)
        .where(runs.c.run_id == run_id, is_pending(), is_active())
        .values(
            status="FAILED",
            launch_state="failed",
            launch_attempts=runs.c.launch_attempts + 1,
            launch_error=error["message"],
            next_launch_at=None,
            error_json=error,
            last_error_code=error["code"],
            completed_at=func.now(),
            updated_at=func.now(),
        )
    )
    return (await connection.execute(statement.returning(runs.c.run_id))).first() is not None


# Put together once: that costs as much as asking.
_MARK_LAUNCHED: Final = (
    update(runs)
    .where(runs.c.run_id == bindparam("of_run"))
    .values(
        launch_state="started",
        launch_error=None,
        next_launch_at=None,
        temporal_workflow_id=bindparam("in_temporal"),
        temporal_run_id=func.coalesce(bindparam("execution", type_=Text), runs.c.temporal_run_id),
    )
    .returning(runs.c.status)
)
