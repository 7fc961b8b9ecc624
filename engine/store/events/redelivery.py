"""Deliveries that came to their end without reaching their target: a lock, the target as it is now, due again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Text, cast, func, select, update

from engine.store.database.transactions import Connection
from engine.store.tables import workflow_event_deliveries as deliveries
from engine.store.tables import workflow_human_tasks as tasks
from engine.store.tables import workflow_run_waits as waits
from engine.store.tables import workflow_runs as runs


@dataclass(frozen=True, slots=True)
class DeadDelivery:
    """A failed or skipped delivery, and its target as it is now."""

    delivery_id: str
    event_id: str | None
    kind: str
    target: str
    status: str
    """``failed`` or ``skipped``."""
    attempts: int
    """0 for one that routing skipped: it was never attempted."""
    reason: str | None
    """Why it was skipped."""
    run_id: str | None
    run_status: str | None
    """Of the run that waits or asks; None when there is none."""
    target_status: str | None
    """Of the wait or the task; None when there is none."""


async def lock_dead_delivery(connection: Connection, tenant: str, delivery_id: str) -> DeadDelivery | None:
    """The failed or skipped delivery of that id, locked until the transaction ends; None when there is none."""
    target = cast(deliveries.c.target, Text)
    question = (
        select(
            deliveries.c.delivery_id,
            deliveries.c.event_id,
            deliveries.c.target_kind,
            deliveries.c.target,
            deliveries.c.status,
            deliveries.c.attempts,
            deliveries.c.reason,
            func.coalesce(waits.c.run_id, tasks.c.run_id).label("of_run"),
            runs.c.status.label("run_status"),
            func.coalesce(waits.c.status, tasks.c.status).label("target_status"),
        )
        .outerjoin(waits, (deliveries.c.target_kind == "wait") & (cast(waits.c.wait_id, Text) == target))
        .outerjoin(
            tasks,
            (deliveries.c.target_kind == "task")
            & (cast(tasks.c.task_id, Text) == target)
            & (tasks.c.tenant == deliveries.c.tenant),
        )
        .outerjoin(runs, runs.c.run_id == func.coalesce(waits.c.run_id, tasks.c.run_id))
        .where(
            deliveries.c.tenant == tenant,
            deliveries.c.delivery_id == delivery_id,
            deliveries.c.status.in_(("failed", "skipped")),
        )
        .with_for_update(of=deliveries)
    )
    row = (await connection.execute(question)).one_or_none()
    if row is None:
        return None
    return DeadDelivery(
        delivery_id=str(row.delivery_id),
        event_id=row.event_id,
        kind=row.target_kind,
        target=row.target,
        status=row.status,
        attempts=row.attempts,
        reason=row.reason,
        run_id=None if row.of_run is None else str(row.of_run),
        run_status=row.run_status,
        target_status=row.target_status,
    )


async def make_due(connection: Connection, dead: DeadDelivery) -> None:
    """Make a locked delivery due now, with its attempts counted anew."""
    await connection.execute(
        update(deliveries)
        .where(deliveries.c.delivery_id == dead.delivery_id)
        .values(
            status="pending",
            attempts=0,
            refusals=0,
            next_attempt_at=func.now(),
            reason=None,
            settled_at=None,
            updated_at=func.now(),
        )
    )
