"""Events, and what came of each: one delivery per target."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Invalid, NotFound
from engine.records import Delivery, Event, EventDetail, EventFilter, Page
from engine.store.database.keyset import Keyset, Stretch, decode_cursor, encode_cursor, fingerprint, page_of
from engine.store.database.question import ANY_TIME, QUESTIONS, Telling, ask_telling, question, telling, tells
from engine.store.database.reader import Reading, open_reader
from engine.store.database.transactions import Connection
from engine.store.events.routing import ROUTING_KIND
from engine.store.runs.listing import check_limit
from engine.store.tables import workflow_event_deliveries, workflow_payload_schemas, workflow_runtime_events
from engine.values.event_key import normal_key

EVENT_STATUSES: Final = ("received", "matched", "unmatched", "error")
MAX_EVENTS: Final = 500
MAX_DELIVERIES: Final = 1_000
DELIVERY_WORDS: Final = {
    **{word: (word,) for word in ("pending", "done", "skipped", "failed")},
    "dead": ("failed", "skipped"),
}
"""Statuses by the word they are asked for with."""

FAILED_CAP: Final = 1000

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
_LAST_ID: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_TEXTS: Final = ("correlation_key", "correlation_keys", "error_message")
"""Of an event; where it has none of them, nothing of it can be a copy."""


async def events_page(
    engine: AsyncEngine,
    tenant: str,
    wanted: EventFilter,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Event]:
    """Events newest first, after a cursor; ``limit`` 1..500.

    Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID), ``Unavailable``.
    """
    check_limit(limit, MAX_EVENTS)
    query = fingerprint("events", tenant, wanted)
    position = decode_cursor(query, cursor, (datetime, str))
    timeless = replace(wanted, since=wanted.since and ANY_TIME, before=wanted.before and ANY_TIME)
    asked = _events(tenant, timeless, limit + 1, continued=cursor is not None)
    given = {"since": wanted.since, "before": wanted.before, **_NEWEST.parameters(position)}
    reading, [rows] = await ask_telling(engine, tenant, asked, parameters=given)
    page = page_of(
        [_event(reading, row) for row in rows],
        limit,
        query,
        lambda view: (view.created_at, view.event_id),
        reading.server_now,
    )
    return page if wanted.key is None else _without_hidden_keys(page, normal_key(wanted.key))


def _without_hidden_keys(page: Page[Event], key: str) -> Page[Event]:
    """The page without the events whose key is hidden: a filter is no way to a hidden value."""
    rows = tuple(row for row in page.rows if key in (row.key, *row.keys))
    return replace(page, rows=rows) if rows else replace(page, rows=(), next=None)


async def event_detail(engine: AsyncEngine, tenant: str, event_id: str) -> EventDetail:
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
        schema = await reader.row(_schema(tenant, row.payload_schema_ref)) if row.payload_schema_ref else None
        told = [row.matched_run_id, *(item.run_id for item in sent)]
        known = await reader.following(events=[event_id], runs=told)
        own = known.of(event_id=event_id)
        payload = (
            None if row.payload is None else own.of_schema(None if schema is None else schema.schema_json, row.payload)
        )
        return EventDetail(_event(known, row), payload, tuple(_delivery(known, item) for item in sent))


def _schema(tenant: str, ref: str) -> Select[Any]:
    schemas = workflow_payload_schemas.c
    return select(schemas.schema_json).where(schemas.tenant == tenant, schemas.ref == ref)


async def deliveries_page(
    engine: AsyncEngine, tenant: str, *, status: str = "failed", cursor: str | None = None, limit: int = 50
) -> Page[Delivery]:
    """Deliveries of one status, or with ``dead`` the failed and the skipped ones, the latest change first, after a cursor;
    ``limit`` 1..500.

    ``failed`` ones are what an operator must look at, and served by an index. Raises as ``events_page``.
    """
    check_limit(limit, MAX_EVENTS)
    if status not in DELIVERY_WORDS:
        raise _invalid("status", f"it is none of {', '.join(DELIVERY_WORDS)}")
    query = fingerprint("deliveries", tenant, status)
    position = decode_cursor(query, cursor, (datetime, UUID))
    asked = _deliveries(tenant, status, limit + 1, continued=cursor is not None)
    reading, [found] = await ask_telling(engine, tenant, asked, parameters=_LATEST.parameters(position))
    views = tuple(_delivery(reading, row) for row in found[:limit])
    last = found[limit - 1] if len(found) > limit else None
    after = None if last is None else encode_cursor(query, (last.updated_at, last.delivery_id))
    return Page(views, after, reading.server_now)


def deliveries_until(tenant: str, status: str, moment: datetime) -> str:
    """The cursor of ``deliveries_page`` before which there is what has changed since a moment."""
    return encode_cursor(fingerprint("deliveries", tenant, status), (moment, _LAST_ID))


@lru_cache(maxsize=QUESTIONS)
def _events(tenant: str, wanted: EventFilter, limit: int, *, continued: bool) -> Telling:
    where = _conditions(tenant, wanted)
    if continued:
        where.append(_NEWEST.beyond_parameters())
    columns = [column for column in events if column.name != "payload"]
    rows = select(*columns, _STATUS.label("status")).where(*where)
    return telling(question(Stretch(_NEWEST, limit).of(rows)), _TEXTS, run="matched_run_id", event="event_id")


@lru_cache(maxsize=QUESTIONS)
def _deliveries(tenant: str, status: str, limit: int, *, continued: bool) -> Telling:
    """One short range per status, merged: a range over both would have to be sorted whole."""
    where = [deliveries.tenant == tenant]
    if continued:
        where.append(_LATEST.beyond_parameters())
    stretch = Stretch(_LATEST, limit)
    branches = [
        stretch.of(select(workflow_event_deliveries).where(*where, deliveries.status == word)).subquery()
        for word in DELIVERY_WORDS[status]
    ]
    merged = union_all(*(select(branch) for branch in branches)).subquery("merged")
    shown = question(stretch.of(select(merged), merged))
    return telling(shown, ("delivery_id",), run="run_id", event="event_id")


@dataclass(frozen=True, slots=True)
class Failed:
    """How many deliveries were given up, at most ``FAILED_CAP``."""

    deliveries: int
    unrouted: int
    """Of these, events that could not be routed."""


async def count_failed(connection: Connection, tenant: str) -> Failed:
    """Deliveries that were given up."""
    where = (deliveries.tenant == tenant, deliveries.status == "failed")
    failed = select(deliveries.target_kind).where(*where).limit(FAILED_CAP).subquery()
    unrouted = func.count().filter(failed.c.target_kind == ROUTING_KIND)
    row = (await connection.execute(select(func.count(), unrouted).select_from(failed))).one()
    return Failed(int(row[0]), int(row[1]))


def _conditions(tenant: str, wanted: EventFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [events.tenant == tenant]
    for column, value in (
        (events.event_name, None if wanted.name is None else normal_key(wanted.name)),
        (events.correlation_key, None if wanted.key is None else normal_key(wanted.key)),
        (events.matched_run_id, wanted.run_id),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.since is not None:
        found.append(events.created_at >= bindparam("since", wanted.since, events.created_at.type))
    if wanted.before is not None:
        found.append(events.created_at < bindparam("before", wanted.before, events.created_at.type))
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


def _event(known: Reading, row: Any) -> Event:
    reader = known.of(event_id=row.event_id, run_id=row.matched_run_id) if tells(row, _TEXTS) else known
    keys = row.correlation_keys if isinstance(row.correlation_keys, list) else [row.correlation_key]
    return Event(
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


def _delivery(known: Reading, row: Any) -> Delivery:
    reader = known.of(event_id=row.event_id, run_id=row.run_id)
    return Delivery(
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
