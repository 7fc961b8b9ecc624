"""The events: what was submitted, and what came of it."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.binding import BindingType

from engine.records import EVENT_STATUSES, Change, Event, EventDetail, EventFilter, EventReceipt, Page
from runstudio_tui.actions import Scope
from runstudio_tui.domain.filter_times import check_time, time_at
from runstudio_tui.domain.filter_words import FilterKey
from runstudio_tui.screens.base import Handlers, screen_bindings
from runstudio_tui.screens.events.dead import DeadLettersScreen
from runstudio_tui.screens.events.rows import event_detail, event_line, event_titles
from runstudio_tui.screens.events.submit import SubmitDialog
from runstudio_tui.screens.list_screen import ListScreen
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.line_list import Row
from runstudio_tui.widgets.virtual_list import RowState

EVENT_KEYS: Final = (
    FilterKey("status", "what came of it", EVENT_STATUSES),
    FilterKey("name", "event name, exact"),
    FilterKey("key", "correlation key, exact"),
    FilterKey("run", "run it was sent to or started"),
    FilterKey("since", "submitted in the last 15m, 2h, 7d; or since a date", ("1h", "24h", "7d", "today"), check_time),
    FilterKey("until", "submitted before", ("1h", "24h", "today"), check_time),
)


class EventsScreen(ListScreen[Event, EventDetail]):
    """Events newest first; the detail has payload and deliveries."""

    SCOPE = Scope.EVENTS
    FILTER_KEYS = EVENT_KEYS
    BESIDE = 140
    FILTER_EXAMPLE = "status:error name:order.paid since:2h"
    BINDINGS: ClassVar[list[BindingType]] = screen_bindings(Scope.EVENTS)

    async def fetch_page(self, after: str | None, limit: int) -> Page[Event]:
        """See ListScreen."""
        values = self.filter.values
        now, zone = self.rows.asked_at or self.studio.time.now(), self.studio.zone
        wanted = EventFilter(
            name=values.get("name") or self.filter.words or None,
            key=values.get("key"),
            status=values.get("status"),
            run_id=values.get("run"),
            since=time_at(values["since"], now, zone) if "since" in values else None,
            before=time_at(values["until"], now, zone) if "until" in values else None,
        )
        return await self.studio.backend.events.list(wanted, after=after, limit=limit)

    def still_meant(self, row: Event) -> bool:
        """See ListScreen."""
        since = self.filter.values.get("since")
        return since is None or row.created_at >= time_at(since, self.studio.time.now(), self.studio.zone)

    def heard(self, change: Change) -> None:
        """See StudioScreen."""
        self._poller.nudge()

    def key_of(self, row: Event) -> str:
        """See ListScreen."""
        return row.event_id

    def titles(self, cells: int) -> Line:
        """See ListScreen."""
        return event_titles(cells)

    def row_line(self, row: Event, cells: int, state: RowState) -> Line:
        """See ListScreen."""
        return event_line(row, self.studio.time.now(), self.studio.zone, cells)

    def empty_text(self) -> Line:
        """See ListScreen."""
        return line(Span("No event was submitted yet: ", "dim"), Span("n", "key"), Span(" submits one.", "dim"))

    async def fetch_detail(self, key: str) -> EventDetail:
        """See ListScreen."""
        return await self.studio.backend.events.get(key)

    def detail_rows(self, detail: EventDetail, cells: int) -> list[Row]:
        """See ListScreen."""
        return event_detail(detail, self.studio.time.now(), self.studio.zone, cells)

    # --- actions ------------------------------------------------------------------------------------------------------

    def handlers(self) -> Handlers:
        """See StudioScreen."""
        return {**super().handlers(), "events.submit": self._submit, "events.dead": self._dead}

    def _submit(self) -> None:
        self.studio_app.ask(SubmitDialog(self.studio, self.studio_app.edit_outside), self._submitted)

    def _submitted(self, receipt: EventReceipt) -> None:
        self.seek(receipt.event_id)
        self.refresh_rows()
        before = "this id was submitted before, nothing changed; here is that event"
        self.say(f"submitted {receipt.event_id}" if receipt.accepted else before)

    def _dead(self) -> None:
        self.studio_app.push_screen(DeadLettersScreen(self.studio))
