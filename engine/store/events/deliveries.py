"""Statements for deliveries: claiming what is due, and how each attempt ended."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select, and_, case, cast, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import UUID

from engine.store.database.transactions import Connection
from engine.store.events.events import EVENT_COLUMNS, StoredEvent, stored_event
from engine.store.tables import workflow_event_deliveries as deliveries
from engine.store.tables import workflow_runtime_events as events

Json = Any

SERVED_KINDS: Final = ("launch", "task", "wait")
"""What this release can deliver to."""
LEASE_SECONDS: Final = 30
"""How long a worker may take for one attempt before another may make it again."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to be made now, and the event it is about."""

    delivery_id: str
    event: StoredEvent
    kind: str
    target: str
    key: str | None
    run_id: str | None
    workflow_id: str | None
    workflow_version: int | None
    payload: Json
    attempts: int
    """This one included."""
    refusals: int
    """How many of the earlier ones were answered, and refused."""


async def claim_deliveries(connection: Connection, limit: int) -> list[Delivery]:
    """Due deliveries, leased to the caller for ``LEASE_SECONDS``; other workers get other ones.

    A delivery waits for the earlier ones to the same wait, or of the same name and key to the same other target: they arrive
    in order. One that was answered, and refused, is tried again beside them, and holds none. One of a kind that this release
    does not know is left to the workers of another.
    """
    return [delivery_of(row) for row in (await connection.execute(_claim_of(limit))).all()]


@lru_cache(maxsize=8)
def _claim_of(limit: int) -> Select[Any]:
    """The statement of ``claim_deliveries``, put together once: that costs more than Postgres needs to answer it."""
    return _claim(_due(limit))


def _due(limit: int) -> Select[Any]:
    earlier, of_key = deliveries.alias("earlier"), deliveries.alias("of_key")
    same_wait = exists().where(
        earlier.c.tenant == deliveries.c.tenant,
        earlier.c.target_kind == "wait",
        earlier.c.target == deliveries.c.target,
        earlier.c.arrival < deliveries.c.arrival,
        earlier.c.status == "pending",
        earlier.c.refusals == 0,
    )
    same_key = exists().where(
        of_key.c.tenant == deliveries.c.tenant,
        of_key.c.event_name == deliveries.c.event_name,
        of_key.c.correlation_key.is_not_distinct_from(deliveries.c.correlation_key),
        of_key.c.target_kind == deliveries.c.target_kind,
        of_key.c.target == deliveries.c.target,
        of_key.c.arrival < deliveries.c.arrival,
        of_key.c.status == "pending",
        of_key.c.refusals == 0,
    )
    return (
        select(deliveries.c.delivery_id)
        .where(
            deliveries.c.status == "pending",
            deliveries.c.target_kind.in_(SERVED_KINDS),
            # Without an event it is the answer to a task, given by hand: the reconciler tells its run.
            deliveries.c.event_id.is_not(None),
            deliveries.c.next_attempt_at <= func.now(),
            ~case((deliveries.c.target_kind == "wait", same_wait), else_=same_key),
        )
        .order_by(deliveries.c.next_attempt_at, deliveries.c.arrival)
        .limit(limit)
        .with_for_update(skip_locked=True, of=deliveries)
    )


def _claim(due: Select[Any]) -> Select[Any]:
    claimed = (
        update(deliveries)
        .where(deliveries.c.delivery_id.in_(due.scalar_subquery()))
        .values(
            attempts=deliveries.c.attempts + 1,
            next_attempt_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, LEASE_SECONDS),
            updated_at=func.now(),
        )
        .returning(deliveries)
        .cte("claimed")
    )
    return (
        select(claimed, *(column.label(f"of_event_{column.name}") for column in EVENT_COLUMNS))
        .join_from(claimed, events, and_(events.c.tenant == claimed.c.tenant, events.c.event_id == claimed.c.event_id))
        .order_by(claimed.c.arrival)
    )


async def due_deliveries(connection: Connection, limit: int) -> list[str]:
    """The ids of what ``claim_deliveries`` would claim. No body is read."""
    return [str(found) for found in (await connection.execute(_due(limit))).scalars()]


async def claim_delivery(connection: Connection, delivery_id: str) -> list[Delivery]:
    """As ``claim_deliveries``, that one, if it is still due."""
    one = _due(1).where(deliveries.c.delivery_id == delivery_id)
    return [delivery_of(row) for row in (await connection.execute(_claim(one))).all()]


async def fail_unread(connection: Connection, delivery_id: str, error: str) -> None:
    """Settle a delivery as failed whose body, or that of its event, cannot be read."""
    await connection.execute(
        update(deliveries)
        .where(deliveries.c.delivery_id == delivery_id, deliveries.c.status == "pending")
        .values(status="failed", last_error=error, settled_at=func.now(), updated_at=func.now())
    )


async def settle_delivery(
    connection: Connection,
    delivery: Delivery,
    status: str,
    *,
    reason: str | None = None,
    run_id: str | None = None,
    wait_id: str | None = None,
) -> None:
    """A delivery came to its end: ``done``, ``skipped`` or ``failed``; the event tells what came of it."""
    settled = (
        update(deliveries)
        .where(deliveries.c.delivery_id == delivery.delivery_id, deliveries.c.status == "pending")
        .values(
            status=status,
            reason=reason if status == "skipped" else None,
            last_error=reason if status == "failed" else None,
            run_id=cast(run_id, UUID) if run_id else deliveries.c.run_id,
            settled_at=func.now(),
            updated_at=func.now(),
        )
    )
    if (await connection.execute(settled)).rowcount == 0:
        return
    done = status == "done"
    nothing_else = ~exists().where(
        deliveries.c.tenant == delivery.event.tenant,
        deliveries.c.event_id == delivery.event.event_id,
        deliveries.c.status.in_(("done", "pending")),
    )
    values: dict[str, Any] = (
        {
            "matched_run_id": func.coalesce(events.c.matched_run_id, cast(run_id, UUID)),
            "matched_wait_id": func.coalesce(events.c.matched_wait_id, cast(wait_id, UUID)),
            "error_message": None,
        }
        if done
        else {"error_message": case((nothing_else, literal(reason)), else_=events.c.error_message)}
    )
    own = (events.c.tenant == delivery.event.tenant, events.c.event_id == delivery.event.event_id)
    await connection.execute(update(events).where(*own).values(**values))


async def postpone_delivery(
    connection: Connection, delivery: Delivery, error: str, seconds: float, *, refused: bool
) -> None:
    """An attempt failed for now: it is made again after ``seconds``. ``refused``: it counts."""
    await connection.execute(
        update(deliveries)
        .where(deliveries.c.delivery_id == delivery.delivery_id, deliveries.c.status == "pending")
        .values(
            last_error=error,
            refusals=deliveries.c.refusals + int(refused),
            next_attempt_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds),
            updated_at=func.now(),
        )
    )


async def postpone_beside(connection: Connection, delivery: Delivery, error: str, seconds: float) -> None:
    """What is due to the same target, and would meet the same, is tried after ``seconds`` as well: others come before it."""
    due = (
        select(deliveries.c.delivery_id)
        .where(
            deliveries.c.tenant == delivery.event.tenant,
            deliveries.c.target_kind == delivery.kind,
            deliveries.c.target == delivery.target,
            deliveries.c.status == "pending",
            deliveries.c.next_attempt_at <= func.now(),
        )
        .with_for_update(skip_locked=True)
    )
    later = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    await connection.execute(
        update(deliveries)
        .where(deliveries.c.delivery_id.in_(due.scalar_subquery()))
        .values(last_error=error, next_attempt_at=later, updated_at=func.now())
    )


def delivery_of(row: Any) -> Delivery:
    """A row of deliveries with ``EVENT_COLUMNS`` beside it, named ``of_event_...``."""
    return Delivery(
        delivery_id=str(row.delivery_id),
        event=stored_event(row, "of_event_"),
        kind=row.target_kind,
        target=row.target,
        key=row.correlation_key,
        run_id=None if row.run_id is None else str(row.run_id),
        workflow_id=row.workflow_id,
        workflow_version=row.workflow_version,
        payload=row.payload,
        attempts=row.attempts,
        refusals=row.refusals,
    )
