"""The events of the fake world."""

from __future__ import annotations

from typing import Final

from engine.errors import Invalid, NotFound
from engine.records import Delivery, Event, EventDetail, EventFilter, EventReceipt, Json, Level, Page
from runstudio_tui.backend.fake.calls import Calls
from runstudio_tui.backend.fake.paging import page_of
from runstudio_tui.backend.fake.redelivery import DEAD_STATUSES, redeliver

_WORDS: Final = ("pending", "done", "skipped", "failed", "dead")


class FakeEvents:
    """See EventsPort."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._world = calls.world

    async def list(
        self, wanted: EventFilter = EventFilter(), *, after: str | None = None, limit: int = 50
    ) -> Page[Event]:
        """See EventsReading."""
        await self._calls.enter("events.list", wanted, after, limit)
        rows = [detail.row for detail in self._world.events.values() if _matches(detail.row, wanted)]
        rows.sort(key=lambda row: (row.created_at, row.event_id), reverse=True)
        return page_of(rows, lambda row: row.event_id, after, limit, self._world.now())

    async def get(self, event_id: str) -> EventDetail:
        """See EventsReading."""
        await self._calls.enter("events.get", event_id)
        if event_id not in self._world.events:
            raise NotFound("EVENT_NOT_FOUND", f"There is no event {event_id!r}.", "Check the id and the tenant.")
        return self._world.events[event_id]

    async def deliveries(self, *, status: str = "failed", after: str | None = None, limit: int = 50) -> Page[Delivery]:
        """See EventsReading."""
        await self._calls.enter("events.deliveries", status, after, limit)
        if status not in _WORDS:
            why = f"The filter status cannot be used: it is none of {', '.join(_WORDS)}."
            raise Invalid("FILTER_INVALID", why, "Correct the filter.", {"field": "status"})
        wanted = DEAD_STATUSES if status == "dead" else (status,)
        rows = [one for detail in self._world.events.values() for one in detail.deliveries if one.status in wanted]
        rows.sort(key=lambda row: (row.settled_at or row.created_at, row.delivery_id), reverse=True)
        return page_of(rows, lambda row: row.delivery_id, after, limit, self._world.now())

    async def submit(
        self,
        name: str,
        payload: Json = None,
        *,
        key: str | None = None,
        event_id: str | None = None,
        schema_ref: str | None = None,
    ) -> EventReceipt:
        """See EventsPort."""
        await self._calls.enter("events.submit", name, payload, key, event_id, schema_ref)
        self._calls.require(Level.OPERATE)
        accepted = self._world.receive_event(name, {} if payload is None else payload, key, event_id, schema_ref)
        self._calls.stirred.set()
        return accepted

    async def redeliver(self, delivery_id: str, reason: str) -> None:
        """See EventsPort."""
        await self._calls.enter("events.redeliver", delivery_id, reason)
        self._calls.require(Level.ADMIN)
        redeliver(self._world, delivery_id, reason)
        self._calls.stirred.set()


def _matches(row: Event, wanted: EventFilter) -> bool:
    return all(
        (
            wanted.name is None or row.name == wanted.name,
            wanted.key is None or row.key == wanted.key or wanted.key in row.keys,
            wanted.status is None or row.status == wanted.status,
            wanted.run_id is None or row.matched_run == wanted.run_id,
            wanted.since is None or row.created_at >= wanted.since,
            wanted.before is None or row.created_at < wanted.before,
        )
    )
