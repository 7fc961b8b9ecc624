"""``engine.events``: submitting events, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.operations.context import OperationContext
from engine.operations.events import correlation_paths as paths
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.redelivery import redeliver_event
from engine.records import Delivery, Event, EventDetail, EventFilter, EventReceipt, Json, Page
from engine.store.database.callers_connection import CallersConnection
from engine.store.events import reading


class Events:
    """Events of one tenant."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context
        self._tenant = context.tenant

    async def submit(
        self,
        name: str,
        payload: Json = None,
        *,
        key: str | None = None,
        event_id: str | None = None,
        schema_ref: str | None = None,
        connection: CallersConnection | None = None,
    ) -> EventReceipt:
        """Store an event for routing; ``payload`` None is ``{}``. Needs the level operate.

        ``key``: correlation key; None: the keys of the tenant's correlation paths. ``event_id``: the producer's id, by which the
        same event is taken once. ``schema_ref``: name of the payload's schema. ``connection``: the program's own, of psycopg or
        SQLAlchemy, to the same database: the event is part of its transaction. Raises as ``submit_event``.
        """
        request = EventRequest(name, {} if payload is None else payload, key, event_id, schema_ref)
        return await submit_event(self._context, request, connection)

    async def list(
        self, wanted: EventFilter = EventFilter(), *, after: str | None = None, limit: int = 50
    ) -> Page[Event]:
        """Events newest first, after a cursor; ``limit`` 1..500. Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID)."""
        return await reading.events_page(
            await self._context.readable(), self._tenant, wanted, cursor=after, limit=limit
        )

    async def get(self, event_id: str) -> EventDetail:
        """One event with its payload and deliveries. Raises ``NotFound`` (EVENT_NOT_FOUND)."""
        return await reading.event_detail(await self._context.readable(), self._tenant, event_id)

    async def deliveries(self, *, status: str = "failed", after: str | None = None, limit: int = 50) -> Page[Delivery]:
        """Deliveries of one status (pending, done, skipped, failed; dead: failed and skipped), the latest change first; ``limit``
        1..500. Raises ``Invalid`` (FILTER_INVALID, CURSOR_INVALID, LIMIT_INVALID)."""
        return await reading.deliveries_page(
            await self._context.readable(), self._tenant, status=status, cursor=after, limit=limit
        )

    async def redeliver(self, delivery_id: str, reason: str) -> None:
        """Make a failed or a skipped delivery again. Needs the level admin. Raises as ``redeliver_event``."""
        await redeliver_event(self._context, delivery_id, reason)

    async def correlation_paths(self) -> Mapping[str, Sequence[str]]:
        """Where the correlation keys stand in payloads, by event name. Needs the level read."""
        return await paths.correlation_paths(self._context)

    async def set_correlation_paths(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Replace the correlation paths. Needs the level admin. Raises ``Invalid``."""
        await paths.set_correlation_paths(self._context, wanted)
