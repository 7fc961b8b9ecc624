"""Events, and what came of each: one delivery per target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, case, select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Invalid, NotFound
from engine.settings import DEFAULT_TENANT
from engine.store.keyset import Keyset, decode_cursor, encode_cursor, fingerprint, page_of
from engine.store.listing import check_limit
from engine.store.reader import Reader, open_reader, uuid_text
from engine.store.tables import workflow_event_deliveries, workflow_runtime_events
from engine.store.views import DeliveryView, EventDetail, EventView, Page, Reply

EVENT_STATUSES: Final = ("received", "matched", "unmatched", "error")
MAX_EVENTS: Final = 500
MAX_DELIVERIES: Final = 1_000

events = workflow_runtime_events.c
deliveries = workflow_event_deliveries.c

_STATUS: Final = case(
    (events.state == "received", "received"),
    (events.error_message.is_not(None), "error"),
    (events.matched_run_id.is_not(None), "matched"),
    else_="unmatched",
)
_NEWEST: Final = Keyset((events.created_at, events.event_id))
_LATEST: Final = Keyset((deliveries.updated_at, deliveries.delivery_id))


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Conditions are joined with AND; an empty one does not restrict."""

    tenant: str = DEFAULT_TENANT
    name: str | None = None
    key: str | None = None
    """The explicit key, or the first derived one."""
    status: str | None = None
    """One of ``EVENT_STATUSES``."""
    run_id: str | None = None
    """First run the event was sent to or started."""
    since: datetime | None = None
    """Inclusive; aware."""
    before: datetime | None = None
    """Exclusive; aware."""

    def __post_init__(self) -> None:
        """Raises ``Invalid`` (FILTER_INVALID, ID_INVALID)."""
        if self.status is not None and self.status not in EVENT_STATUSES:
            raise _invalid("status", f"it is none of {', '.join(EVENT_STATUSES)}")
        for name in ("name", "key"):
            if re.search("[\0\ud800-\udfff]", getattr(self, name) or ""):
                raise _invalid(name, "it has characters no stored text can have")
        for name in ("since", "before"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise _invalid(name, "a time needs its zone")
        uuid_text(self.tenant, "tenant")
        if self.run_id is not None:
            uuid_text(self.run_id, "run")


async def events_page(
    engine: AsyncEngine, wanted: EventFilter, *, cursor: str | None = None, backwards: bool = False, limit: int = 50
) -> Page[EventView]:
    """Events newest first, after a cursor or with ``backwards`` before it; ``limit`` 1..500.

    Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID), ``Unavailable``.
    """
    check_limit(limit, MAX_EVENTS)
    query = fingerprint("events", wanted)
    where = _conditions(wanted)
    if cursor is not None:
        where.append(_NEWEST.beyond(decode_cursor(query, cursor, (datetime, str)), reverse=backwards))
    columns = [column for column in events if column.name != "payload"]
    rows = select(*columns, _STATUS.label("status")).where(*where).order_by(*_NEWEST.order(reverse=backwards))
    async with open_reader(engine, wanted.tenant) as reader:
        found = await reader.rows(rows.limit(limit + 1))
        views = [_event(reader, row) for row in found]
        return page_of(
            views,
            limit,
            query,
            lambda view: (view.created_at, view.event_id),
            cursor,
            backwards=backwards,
            now=reader.server_now,
        )


async def event_detail(engine: AsyncEngine, tenant: str, event_id: str) -> Reply[EventDetail]:
    """One event with its payload and deliveries (at most 1,000). Raises ``NotFound`` (EVENT_NOT_FOUND), ``Unavailable``."""
    not_found = NotFound("EVENT_NOT_FOUND", f"There is no event {event_id[:60]!r}.", "Check the id and the tenant.")
    if re.search("[\0\ud800-\udfff]", event_id):
        raise not_found
    one = select(workflow_runtime_events, _STATUS.label("status"))
    async with open_reader(engine, tenant) as reader:
        row = await reader.row(one.where(events.tenant == tenant, events.event_id == event_id))
        if row is None:
            raise not_found
        mine = select(workflow_event_deliveries).where(deliveries.tenant == tenant, deliveries.event_id == event_id)
        order = (deliveries.created_at, deliveries.delivery_id)
        sent = await reader.rows(mine.order_by(*order).limit(MAX_DELIVERIES))
        payload = None if row.payload is None else reader.document(row.payload)
        detail = EventDetail(_event(reader, row), payload, tuple(_delivery(reader, item) for item in sent))
        return Reply(detail, reader.server_now)


async def deliveries_page(
    engine: AsyncEngine, tenant: str, *, status: str = "failed", cursor: str | None = None, limit: int = 50
) -> Page[DeliveryView]:
    """Deliveries of one status, the latest change first, after a cursor; ``limit`` 1..500.

    ``failed`` ones are what an operator must look at, and served by an index. Raises as ``events_page``.
    """
    check_limit(limit, MAX_EVENTS)
    if status not in ("pending", "done", "skipped", "failed"):
        raise _invalid("status", "it is none of pending, done, skipped, failed")
    query = fingerprint("deliveries", tenant, status)
    where = [deliveries.tenant == tenant, deliveries.status == status]
    if cursor is not None:
        where.append(_LATEST.beyond(decode_cursor(query, cursor, (datetime, str))))
    rows = select(workflow_event_deliveries).where(*where).order_by(*_LATEST.order()).limit(limit + 1)
    async with open_reader(engine, tenant) as reader:
        found = await reader.rows(rows)
        views = tuple(_delivery(reader, row) for row in found[:limit])
        last = found[limit - 1] if len(found) > limit else None
        after = None if last is None else encode_cursor(query, (last.updated_at, last.delivery_id))
        return Page(views, after, None, reader.server_now)


def _conditions(wanted: EventFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [events.tenant == wanted.tenant]
    for column, value in (
        (events.event_name, wanted.name),
        (events.correlation_key, wanted.key),
        (events.matched_run_id, wanted.run_id),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.since is not None:
        found.append(events.created_at >= wanted.since)
    if wanted.before is not None:
        found.append(events.created_at < wanted.before)
    routed = events.state == "routed"
    match wanted.status:
        case "received":
            found.append(events.state == "received")
        case "error":
            found.append(and_(routed, events.error_message.is_not(None)))
        case "matched":
            found.append(and_(routed, events.error_message.is_(None), events.matched_run_id.is_not(None)))
        case "unmatched":
            found.append(and_(routed, events.error_message.is_(None), events.matched_run_id.is_(None)))
    return found


def _event(reader: Reader, row: Row[Any]) -> EventView:
    keys = row.correlation_keys if isinstance(row.correlation_keys, list) else [row.correlation_key]
    return EventView(
        event_id=row.event_id,
        name=row.event_name,
        key=reader.hide_text(row.correlation_key),
        keys=tuple(reader.hide_text(str(key)) or "" for key in keys if key is not None),
        created_at=row.created_at,
        processed_at=row.processed_at,
        status=row.status,
        matched_run=row.matched_run_id,
        error=reader.hide_text(row.error_message),
        schema_ref=row.payload_schema_ref,
    )


def _delivery(reader: Reader, row: Row[Any]) -> DeliveryView:
    return DeliveryView(
        delivery_id=row.delivery_id,
        event_id=row.event_id,
        event_name=row.event_name,
        key=reader.hide_text(row.correlation_key),
        kind=row.target_kind,
        target=row.target,
        run_id=row.run_id,
        workflow_id=row.workflow_id,
        status=row.status,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at if row.status == "pending" else None,
        reason=reader.hide_text(row.reason),
        last_error=reader.hide_text(row.last_error),
        created_at=row.created_at,
        settled_at=row.settled_at,
    )


def _invalid(name: str, why: str) -> Invalid:
    return Invalid(
        "FILTER_INVALID", f"The filter {name} cannot be used: {why}.", "Correct the filter.", {"field": name}
    )
