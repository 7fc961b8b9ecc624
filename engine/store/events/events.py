"""Statements for events: storing them, finding their targets, claiming and settling deliveries.

An event is stored first, then routed to its targets by whichever worker comes first, then each target is served on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, cast, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import UUID, distinct_on, insert

from engine.ids import derived_id
from engine.store.database.leases import take_turn
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_definition_versions as versions
from engine.store.tables import workflow_event_arrival_seq
from engine.store.tables import workflow_event_deliveries as deliveries
from engine.store.tables import workflow_run_waits as waits
from engine.store.tables import workflow_runs as runs
from engine.store.tables import workflow_runtime_events as events
from engine.store.tenant.duties import ROUTING

Json = Any

LEASE_SECONDS: Final = 30
"""How long a worker may take for one attempt before another may make it again."""
LATE: Final = -(2**62)
"""Added to the number of an event that has not arrived yet: what is below zero keeps its order, and is numbered anew."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be stored."""

    tenant: str
    event_id: str
    name: str
    keys: tuple[str, ...]
    """All keys that count for routing, the explicit or first one first; empty when it has none."""
    payload: dict[str, Json]
    payload_schema_ref: str | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event that is to be routed or delivered."""

    tenant: str
    event_id: str
    name: str
    keys: tuple[str, ...]
    payload: Json
    payload_schema_ref: str | None
    arrival: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Target:
    """A target of an event."""

    kind: str
    """``wait``, ``task`` or ``launch``."""
    target: str
    """Wait id, task id or workflow id."""
    key: str | None
    """The key that matched."""
    run_id: str | None = None
    workflow_id: str | None = None
    workflow_version: int | None = None
    payload: Json = None
    """Launch payload made by the trigger's mapping; None: the event's own."""
    refused: str | None = None
    """Why nothing can be delivered; the delivery is written as skipped, so that somebody can see it."""


@dataclass(frozen=True, slots=True)
class Triggered:
    """The latest published version of a workflow that this event starts."""

    workflow_id: str
    version: int
    definition: Json


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


async def insert_event(connection: Connection, event: NewEvent, *, late: bool = False) -> bool:
    """Store an event to be routed. False: this tenant has an event of that id already, and nothing is changed.

    ``late``: the transaction may be committed much later, so the event arrives when it is first found by ``received_events``.
    """
    arrival = workflow_event_arrival_seq.next_value()
    row = insert(events).values(
        arrival=arrival + LATE if late else arrival,
        tenant=event.tenant,
        event_id=event.event_id,
        event_name=event.name,
        correlation_key=event.keys[0] if event.keys else None,
        correlation_keys=list(event.keys),
        payload=event.payload,
        payload_schema_ref=event.payload_schema_ref,
        state="received",
    )
    once = row.on_conflict_do_nothing(index_elements=[events.c.tenant, events.c.event_id])
    return (await connection.execute(once.returning(events.c.event_id))).first() is not None


async def received_events(connection: Connection, limit: int, holder: str) -> list[StoredEvent] | None:
    """The oldest events that are not routed yet, for this transaction alone; None when another one is routing.

    One transaction at a time, so that events become deliveries in the order of their arrival. ``holder``: who routes.
    """
    if not await take_turn(connection, ROUTING.name, holder):
        return None
    query = select(*_EVENT_COLUMNS).where(events.c.state == "received").order_by(events.c.arrival).limit(limit)
    found = [_stored(row) for row in (await connection.execute(query)).all()]
    late = [await _arrived(connection, event) for event in found if event.arrival < 0]
    return [event for event in found if event.arrival >= 0] + late


async def _arrived(connection: Connection, event: StoredEvent) -> StoredEvent:
    """A late event, with the number and the time of its arrival, which is now."""
    arrived = (
        update(events)
        .where(events.c.tenant == event.tenant, events.c.event_id == event.event_id)
        .values(arrival=workflow_event_arrival_seq.next_value(), created_at=func.clock_timestamp())
        .returning(*_EVENT_COLUMNS)
    )
    return _stored((await connection.execute(arrived)).one())


async def waiting_targets(connection: Connection, event: StoredEvent) -> list[Target]:
    """Open event waits of this name whose key is one of the event's, or which take any key; the oldest first."""
    keyed: ColumnElement[bool] = or_(waits.c.key.is_(None), waits.c.key.in_(event.keys or ("",)))
    query = (
        select(waits.c.wait_id, waits.c.run_id, waits.c.key)
        .join_from(waits, runs, runs.c.run_id == waits.c.run_id)
        .where(
            waits.c.tenant == event.tenant,
            waits.c.event_name == event.name,
            waits.c.wait_type == "event",
            waits.c.status == "WAITING",
            keyed,
            runs.c.engine == "temporal",
        )
        .order_by(waits.c.created_at, waits.c.wait_id)
    )
    primary = event.keys[0] if event.keys else None
    rows = (await connection.execute(query)).all()
    return [Target("wait", row.wait_id, row.key if row.key is not None else primary, run_id=row.run_id) for row in rows]


async def triggered_workflows(connection: Connection, event: StoredEvent) -> list[Triggered]:
    """Workflows whose latest published version is triggered by this event name, by id."""
    newest = (
        select(versions.c.workflow_id, versions.c.version, versions.c.trigger, versions.c.definition_json)
        .ext(distinct_on(versions.c.workflow_id))
        .where(versions.c.tenant == event.tenant)
        .order_by(versions.c.workflow_id, versions.c.version.desc())
        .subquery("newest")
    )
    query = select(newest.c.workflow_id, newest.c.version, newest.c.definition_json).where(
        newest.c.trigger["type"].astext == "event", newest.c.trigger["eventName"].astext == event.name
    )
    rows = (await connection.execute(query.order_by(newest.c.workflow_id))).all()
    return [Triggered(row.workflow_id, row.version, row.definition_json) for row in rows]


async def route_event(connection: Connection, event: StoredEvent, targets: Sequence[Target], note: str | None) -> None:
    """Write one delivery per target and say that the event is routed; ``note``: why it has no target."""
    for target in targets:
        row = insert(deliveries).values(
            delivery_id=derived_id(event.tenant, event.event_id, target.kind, target.target),
            tenant=event.tenant,
            event_id=event.event_id,
            arrival=event.arrival,
            event_name=event.name,
            correlation_key=target.key,
            target_kind=target.kind,
            target=target.target,
            run_id=target.run_id,
            workflow_id=target.workflow_id,
            workflow_version=target.workflow_version,
            payload=target.payload,
            status="pending" if target.refused is None else "skipped",
            reason=target.refused,
            settled_at=None if target.refused is None else func.now(),
        )
        await connection.execute(row.on_conflict_do_nothing())
    live = any(target.refused is None for target in targets)
    refusals = "; ".join(target.refused for target in targets if target.refused is not None)
    await connection.execute(
        update(events)
        .where(events.c.tenant == event.tenant, events.c.event_id == event.event_id)
        .values(state="routed", processed_at=func.now(), error_message=None if live else refusals or note)
    )


async def claim_deliveries(connection: Connection, limit: int) -> list[Delivery]:
    """Due deliveries, leased to the caller for ``LEASE_SECONDS``; other workers get other ones.

    A delivery waits for the earlier ones of the same name and key to the same target: they arrive in order.
    """
    return [_delivery(row) for row in (await connection.execute(_claim_of(limit))).all()]


@lru_cache(maxsize=8)
def _claim_of(limit: int) -> Select[Any]:
    """The statement of ``claim_deliveries``, put together once: that costs more than Postgres needs to answer it."""
    earlier = deliveries.alias("earlier")
    blocked = exists().where(
        earlier.c.tenant == deliveries.c.tenant,
        earlier.c.event_name == deliveries.c.event_name,
        earlier.c.correlation_key.is_not_distinct_from(deliveries.c.correlation_key),
        earlier.c.target_kind == deliveries.c.target_kind,
        earlier.c.target == deliveries.c.target,
        earlier.c.arrival < deliveries.c.arrival,
        earlier.c.status == "pending",
    )
    due = (
        select(deliveries.c.delivery_id)
        .where(
            deliveries.c.status == "pending",
            # Without an event it is the answer to a task, given by hand: the reconciler tells its run.
            deliveries.c.event_id.is_not(None),
            deliveries.c.next_attempt_at <= func.now(),
            ~blocked,
        )
        .order_by(deliveries.c.next_attempt_at, deliveries.c.arrival)
        .limit(limit)
        .with_for_update(skip_locked=True, of=deliveries)
    )
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
        select(claimed, *(column.label(f"of_event_{column.name}") for column in _EVENT_COLUMNS))
        .join_from(claimed, events, and_(events.c.tenant == claimed.c.tenant, events.c.event_id == claimed.c.event_id))
        .order_by(claimed.c.arrival)
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


async def postpone_delivery(connection: Connection, delivery: Delivery, error: str, seconds: float) -> None:
    """An attempt failed for now: it is made again after ``seconds``."""
    await connection.execute(
        update(deliveries)
        .where(deliveries.c.delivery_id == delivery.delivery_id, deliveries.c.status == "pending")
        .values(
            last_error=error,
            next_attempt_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds),
            updated_at=func.now(),
        )
    )


async def close_stale_wait(connection: Connection, wait_id: str) -> None:
    """Close a wait whose execution is over."""
    await connection.execute(
        update(waits)
        .where(waits.c.wait_id == wait_id, waits.c.status == "WAITING")
        .values(status="CANCELED", resolved_at=func.now())
    )


_EVENT_COLUMNS: Final = (
    events.c.tenant,
    events.c.event_id,
    events.c.event_name,
    events.c.correlation_keys,
    events.c.payload,
    events.c.payload_schema_ref,
    events.c.arrival,
    events.c.created_at,
)


def _stored(row: Any, prefix: str = "") -> StoredEvent:
    def of(name: str) -> Any:
        return getattr(row, prefix + name)

    return StoredEvent(
        tenant=str(of("tenant")),
        event_id=of("event_id"),
        name=of("event_name"),
        keys=tuple(of("correlation_keys") or ()),
        payload=of("payload"),
        payload_schema_ref=of("payload_schema_ref"),
        arrival=of("arrival"),
        created_at=of("created_at"),
    )


def _delivery(row: Any) -> Delivery:
    return Delivery(
        delivery_id=str(row.delivery_id),
        event=_stored(row, "of_event_"),
        kind=row.target_kind,
        target=row.target,
        key=row.correlation_key,
        run_id=None if row.run_id is None else str(row.run_id),
        workflow_id=row.workflow_id,
        workflow_version=row.workflow_version,
        payload=row.payload,
        attempts=row.attempts,
    )
