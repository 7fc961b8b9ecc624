"""Statements for the deliveries that are in line for one wait, and what is known of the wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, cast, exists, func, select, true, update
from sqlalchemy.dialects.postgresql import UUID

from engine.store.database.transactions import Connection
from engine.store.events.deliveries import Delivery, delivery_of
from engine.store.events.events import EVENT_COLUMNS
from engine.store.tables import ACTIVE_RUN_STATUSES
from engine.store.tables import workflow_event_deliveries as deliveries
from engine.store.tables import workflow_run_waits as waits
from engine.store.tables import workflow_runs as runs
from engine.store.tables import workflow_runtime_events as events

Json = Any


@dataclass(frozen=True, slots=True)
class InLine:
    """A pending delivery to a wait."""

    delivery: Delivery
    used: bool
    """The run has ended a wait with this event already."""


@dataclass(frozen=True, slots=True)
class OpenWait:
    """A wait for an event as it is now."""

    run_open: bool
    open: bool
    used: bool
    """The run has ended a wait with the event of this delivery already: it looked it up."""
    told: bool
    """Its run was sent an event that it takes."""
    filters: Sequence[Json]


async def open_wait_of(connection: Connection, delivery: Delivery) -> OpenWait:
    """The wait a delivery is for."""
    other = waits.alias("other")
    used = exists().where(
        other.c.run_id == waits.c.run_id,
        other.c.matched_event_id == delivery.event.event_id,
        other.c.status == "RESOLVED",
    )
    query = (
        select(waits.c.status, waits.c.told_at, waits.c.payload, runs.c.status.label("run_status"), used.label("used"))
        .join_from(waits, runs, runs.c.run_id == waits.c.run_id)
        .where(waits.c.wait_id == cast(delivery.target, UUID))
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return OpenWait(run_open=False, open=False, used=False, told=False, filters=())
    return OpenWait(
        run_open=row.run_status in ACTIVE_RUN_STATUSES,
        open=row.status == "WAITING",
        used=row.used,
        told=row.told_at is not None,
        filters=(row.payload or {}).get("filters") or (),
    )


async def in_line(connection: Connection, first: Delivery, limit: int, *, after: int) -> list[InLine]:
    """The pending deliveries to the wait of ``first``, which stands first, in order, after a number of arrival."""
    used = exists().where(
        waits.c.run_id == cast(first.run_id, UUID),
        waits.c.matched_event_id == deliveries.c.event_id,
        waits.c.status == "RESOLVED",
    )
    query = (
        select(
            deliveries,
            *(column.label(f"of_event_{column.name}") for column in EVENT_COLUMNS),
            used.label("used"),
        )
        .join_from(
            deliveries,
            events,
            and_(events.c.tenant == deliveries.c.tenant, events.c.event_id == deliveries.c.event_id),
        )
        .where(*_to_the_wait_of(first), deliveries.c.arrival > after)
        .order_by(deliveries.c.arrival)
        .limit(limit)
    )
    return [InLine(delivery_of(row), row.used) for row in (await connection.execute(query)).all()]


async def keep_for_later(connection: Connection, first: Delivery, reason: str, *, up_to: int | None = None) -> None:
    """Settle the pending deliveries to the wait of ``first``, or those from it up to a number of arrival: the run looks them up
    when a wait of its own could want them."""
    of_the_line = deliveries.c.arrival.between(first.event.arrival, up_to)
    await connection.execute(
        update(deliveries)
        .where(*_to_the_wait_of(first), true() if up_to is None else of_the_line)
        .values(status="done", reason=reason, last_error=None, settled_at=func.now(), updated_at=func.now())
    )


def _to_the_wait_of(delivery: Delivery) -> tuple[Any, ...]:
    return (
        deliveries.c.tenant == delivery.event.tenant,
        deliveries.c.target_kind == "wait",
        deliveries.c.target == delivery.target,
        deliveries.c.status == "pending",
    )


async def mark_told(connection: Connection, wait_id: str) -> None:
    """Its run was sent an event that the wait takes."""
    own = waits.c.wait_id == cast(wait_id, UUID)
    await connection.execute(update(waits).where(own).values(told_at=func.now()))


async def close_stale_wait(connection: Connection, wait_id: str) -> None:
    """Close a wait whose execution is over."""
    await connection.execute(
        update(waits)
        .where(waits.c.wait_id == wait_id, waits.c.status == "WAITING")
        .values(status="CANCELED", resolved_at=func.now())
    )
