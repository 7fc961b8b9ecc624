"""Statements that store events, and an event as its readers here see it.

An event is stored first, then routed to its targets by whichever worker comes first, then each target is served on its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, case, select
from sqlalchemy.dialects.postgresql import insert

from engine.store.database.transactions import Connection
from engine.store.tables import workflow_event_arrival_seq
from engine.store.tables import workflow_runtime_events as events

Json = Any

LATE: Final = -(2**62)
"""Added to the number of an event of a transaction that may be committed much later."""


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who submitted an event, as it was known then."""

    name: str
    source: str
    """api, cli, ui, worker or reconciler."""
    known_by: str
    """account, sudo or service."""
    level: str
    """none, read, operate or admin."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be stored."""

    tenant: str
    event_id: str
    name: str
    keys: tuple[str, ...]
    """All keys that count for routing, the explicit or first one first; empty when it has none."""
    payload: dict[str, Json]
    payload_schema_ref: str | None
    digests: tuple[str, ...]
    """Of what the producer sent, the first one to be kept: the same id with none of them is another event."""
    submitter: Submitter


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
    """Its place in the order of arrival; final once it is routed."""
    created_at: datetime
    submitter: Submitter | None
    """None: stored by a program that did not record it."""


async def insert_event(connection: Connection, event: NewEvent, *, late: bool = False) -> bool:
    """Store an event to be routed. False: this tenant has an event of that id already, and nothing is changed.

    ``late``: the transaction may be committed much later, so the event's time is that of its routing.
    """
    # Only the place in the queue to the router, who gives the number that counts.
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
        content_digest=event.digests[0],
        submitted_by=event.submitter.name,
        submitted_from=event.submitter.source,
        submitted_known_by=event.submitter.known_by,
        submitted_level=event.submitter.level,
        state="received",
    )
    once = row.on_conflict_do_nothing(index_elements=[events.c.tenant, events.c.event_id])
    return (await connection.execute(once.returning(events.c.event_id))).first() is not None


async def is_same_event(connection: Connection, event: NewEvent) -> bool:
    """Whether the stored event of that id says the same. True for one from before digests were kept."""
    same: ColumnElement[bool] = case(
        (events.c.content_digest.is_(None), True), else_=events.c.content_digest.in_(event.digests)
    )
    query = select(same).where(events.c.tenant == event.tenant, events.c.event_id == event.event_id)
    return (await connection.execute(query)).scalar_one_or_none() is not False


EVENT_COLUMNS: Final = (
    events.c.tenant,
    events.c.event_id,
    events.c.event_name,
    events.c.correlation_keys,
    events.c.payload,
    events.c.payload_schema_ref,
    events.c.arrival,
    events.c.created_at,
    events.c.submitted_by,
    events.c.submitted_from,
    events.c.submitted_known_by,
    events.c.submitted_level,
)


def stored_event(row: Any, prefix: str = "") -> StoredEvent:
    """A row with ``EVENT_COLUMNS``, named with a prefix."""

    def of(name: str) -> Any:
        return getattr(row, prefix + name)

    known = of("submitted_by") is not None
    return StoredEvent(
        tenant=str(of("tenant")),
        event_id=of("event_id"),
        name=of("event_name"),
        keys=tuple(of("correlation_keys") or ()),
        payload=of("payload"),
        payload_schema_ref=of("payload_schema_ref"),
        arrival=of("arrival"),
        created_at=of("created_at"),
        submitter=Submitter(of("submitted_by"), of("submitted_from"), of("submitted_known_by"), of("submitted_level"))
        if known
        else None,
    )
