"""Statements of routing: numbering events in the order of their arrival, finding their targets, writing deliveries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Boolean, Select, Update, and_, bindparam, case, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on, insert

from engine.ids import derived_id
from engine.store.database.transactions import Connection
from engine.store.events.events import EVENT_COLUMNS, StoredEvent, stored_event
from engine.store.tables import workflow_definition_versions as versions
from engine.store.tables import workflow_event_arrival_seq
from engine.store.tables import workflow_event_deliveries as deliveries
from engine.store.tables import workflow_run_waits as waits
from engine.store.tables import workflow_runs as runs
from engine.store.tables import workflow_runtime_events as events

Json = Any

ROUTING_KIND: Final = "routing"


@dataclass(frozen=True, slots=True)
class EventKey:
    """Which event."""

    tenant: str
    event_id: str


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
    """The latest published version of a workflow that an event starts."""

    workflow_id: str
    version: int
    definition: Json


async def oldest_received(connection: Connection) -> EventKey | None:
    """The event whose turn it is to be routed; None: all are. Its body is not read."""
    query = select(events.c.tenant, events.c.event_id).where(events.c.state == "received")
    row = (await connection.execute(query.order_by(events.c.arrival).limit(1))).one_or_none()
    return None if row is None else EventKey(str(row.tenant), row.event_id)


async def number_received(connection: Connection, limit: int, only: EventKey | None = None) -> list[StoredEvent]:
    """The oldest events that are not routed yet, each with the number and the time of its arrival, which is now.

    ``only``: that one, if it is not. They count as routed from the commit on. Numbers are given by one transaction after the
    other, so nothing with a lower number becomes visible after one with a higher. Events of long transactions come last, with
    the time of their arrival.
    """
    numbering = _numbering(limit) if only is None else _numbering_of(only)
    rows = (await connection.execute(numbering.returning(*EVENT_COLUMNS))).all()
    return sorted((stored_event(row) for row in rows), key=lambda event: event.arrival)


async def set_aside(connection: Connection, event: EventKey, error: str) -> bool:
    """Count an event as routed, with this error. Its body is not read. False: it is routed already, or gone.

    It stands among the deliveries that failed, as one of the kind ``routing``, until somebody has it routed again.
    """
    columns = (events.c.tenant, events.c.event_id, events.c.arrival, events.c.event_name, events.c.correlation_key)
    row = (await connection.execute(_numbering_of(event).values(error_message=error).returning(*columns))).one_or_none()
    if row is None:
        return False
    failed = {
        **row._mapping,
        "delivery_id": derived_id(str(row.tenant), row.event_id, ROUTING_KIND, ""),
        "target_kind": ROUTING_KIND,
        "target": "",
        "status": "failed",
        "attempts": 1,
        "last_error": error,
        "settled_at": func.now(),
    }
    await connection.execute(insert(deliveries).values(failed).on_conflict_do_nothing())
    return True


async def route_again(connection: Connection, tenant: str, event_id: str, delivery_id: str) -> bool:
    """Have an event routed that was set aside, and take it from the deliveries that failed. False: it is not there any more."""
    own = (events.c.tenant == tenant, events.c.event_id == event_id)
    again = update(events).where(*own).values(state="received", processed_at=None, error_message=None)
    found = (await connection.execute(again)).rowcount == 1
    if found:
        await connection.execute(delete(deliveries).where(deliveries.c.delivery_id == delivery_id))
    return found


@lru_cache(maxsize=8)
def _numbering(limit: int) -> Update:
    return _numbered(_RECEIVED.order_by(events.c.arrival).limit(limit))


def _numbering_of(event: EventKey) -> Update:
    return _numbered(_RECEIVED.where(events.c.tenant == event.tenant, events.c.event_id == event.event_id))


_RECEIVED: Final = select(events.c.tenant, events.c.event_id, events.c.arrival).where(events.c.state == "received")


def _numbered(received: Select[Any]) -> Update:
    # An event whose row somebody holds stops no other: it arrives when it is let go of.
    due = received.with_for_update(skip_locked=True).cte("due")
    in_order = select(due).order_by(due.c.arrival < 0, due.c.arrival).subquery("in_order")
    numbered = select(
        in_order.c.tenant,
        in_order.c.event_id,
        (in_order.c.arrival < 0).label("late"),
        workflow_event_arrival_seq.next_value().label("number"),
    ).cte("numbered")
    return (
        update(events)
        .where(events.c.tenant == numbered.c.tenant, events.c.event_id == numbered.c.event_id)
        .values(
            arrival=numbered.c.number,
            created_at=case((numbered.c.late, func.clock_timestamp()), else_=events.c.created_at),
            state="routed",
            processed_at=func.now(),
        )
    )


async def waiting_targets(
    connection: Connection, found: Sequence[StoredEvent]
) -> Mapping[tuple[str, str], list[Target]]:
    """By tenant and event id: the open event waits of its name whose key is one of its keys, or which take any; oldest first."""
    query = (
        select(waits.c.wait_id, waits.c.run_id, waits.c.key, waits.c.tenant, waits.c.event_name)
        .join_from(waits, runs, runs.c.run_id == waits.c.run_id)
        .where(
            waits.c.wait_type == "event",
            waits.c.status == "WAITING",
            runs.c.engine == "temporal",
            or_(*(_wanted(tenant, name, keys) for (tenant, name), keys in _keys(found).items())),
        )
        .order_by(waits.c.created_at, waits.c.wait_id)
    )
    by_name: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in (await connection.execute(query)).all():
        by_name[str(row.tenant), row.event_name].append(row)
    return {
        (event.tenant, event.event_id): [
            Target("wait", row.wait_id, row.key if row.key is not None else _first_key(event), run_id=row.run_id)
            for row in by_name[event.tenant, event.name]
            if row.key is None or row.key in event.keys
        ]
        for event in found
    }


def _keys(found: Iterable[StoredEvent]) -> dict[tuple[str, str], list[str]]:
    keys: dict[tuple[str, str], list[str]] = defaultdict(list)
    for event in found:
        keys[event.tenant, event.name] += event.keys
    return keys


def _wanted(tenant: str, name: str, keys: Sequence[str]) -> Any:
    keyed = or_(waits.c.key.is_(None), waits.c.key.in_(sorted({*keys}) or ("",)))
    return and_(waits.c.tenant == tenant, waits.c.event_name == name, keyed)


def _first_key(event: StoredEvent) -> str | None:
    return event.keys[0] if event.keys else None


async def triggered_workflows(
    connection: Connection, found: Sequence[StoredEvent]
) -> Mapping[tuple[str, str], list[Triggered]]:
    """By tenant and event name: the workflows whose latest published version it triggers, by id."""
    names = sorted({(event.tenant, event.name) for event in found})
    newest = (
        select(
            versions.c.tenant,
            versions.c.workflow_id,
            versions.c.version,
            versions.c.trigger,
            versions.c.definition_json,
        )
        .ext(distinct_on(versions.c.tenant, versions.c.workflow_id))
        .where(versions.c.tenant.in_({tenant for tenant, _ in names}))
        .order_by(versions.c.tenant, versions.c.workflow_id, versions.c.version.desc())
        .subquery("newest")
    )
    event_name = newest.c.trigger["eventName"].astext
    query = select(
        newest.c.tenant, newest.c.workflow_id, newest.c.version, newest.c.definition_json, event_name.label("name")
    ).where(newest.c.trigger["type"].astext == "event", tuple_(newest.c.tenant, event_name).in_(names))
    started: dict[tuple[str, str], list[Triggered]] = defaultdict(list)
    for row in (await connection.execute(query.order_by(newest.c.workflow_id))).all():
        started[str(row.tenant), row.name].append(Triggered(row.workflow_id, row.version, row.definition_json))
    return started


_WRITTEN: Final = (
    insert(deliveries)
    .values(settled_at=case((bindparam("is_refused", type_=Boolean), func.now())))
    .on_conflict_do_nothing()
)


async def write_deliveries(connection: Connection, routed: Sequence[tuple[StoredEvent, Sequence[Target]]]) -> None:
    """Write one delivery per target."""
    rows = [_delivery(event, target) for event, targets in routed for target in targets]
    if rows:
        await connection.execute(_WRITTEN, rows)


def _delivery(event: StoredEvent, target: Target) -> dict[str, Any]:
    return {
        "delivery_id": derived_id(event.tenant, event.event_id, target.kind, target.target),
        "tenant": event.tenant,
        "event_id": event.event_id,
        "arrival": event.arrival,
        "event_name": event.name,
        "correlation_key": target.key,
        "target_kind": target.kind,
        "target": target.target,
        "run_id": target.run_id,
        "workflow_id": target.workflow_id,
        "workflow_version": target.workflow_version,
        "payload": target.payload,
        "status": "pending" if target.refused is None else "skipped",
        "reason": target.refused,
        "is_refused": target.refused is not None,
    }


async def note_error(connection: Connection, event: StoredEvent, error: str) -> None:
    """Say on a routed event why it has no target."""
    own = (events.c.tenant == event.tenant, events.c.event_id == event.event_id)
    await connection.execute(update(events).where(*own).values(error_message=error))
