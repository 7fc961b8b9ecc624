"""Dead letters: deliveries that failed or were skipped, and making them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import ClassVar, Final

from textual.binding import BindingType

from engine.errors import NotFound
from engine.records import Count, Delivery, EventDetail, JobKind, Page
from runstudio_tui.actions import Scope
from runstudio_tui.domain.filter_words import FilterKey
from runstudio_tui.domain.record_states import DELIVERY_STATES
from runstudio_tui.screens.base import Handlers, screen_bindings
from runstudio_tui.screens.dialogs.targets import SettlingDialog, Words, outcome_rows
from runstudio_tui.screens.events.rows import dead_detail, dead_line, dead_titles, delivery_target
from runstudio_tui.screens.list_screen import ListScreen
from runstudio_tui.store.event_flows import DEAD, RedeliverFlow
from runstudio_tui.store.jobs import Everything
from runstudio_tui.store.session import Studio
from runstudio_tui.store.targets import TargetOf
from runstudio_tui.text import safe
from runstudio_tui.widgets.cells import cut, pad
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.line_list import Row
from runstudio_tui.widgets.virtual_list import RowState

DEAD_KEYS: Final = (FilterKey("status", "how it ended; without it both", DEAD),)
Letter = tuple[Delivery, EventDetail | None]
"""A delivery and the event it is of; None when no event made it, or it is gone."""


class DeadLettersScreen(ListScreen[Delivery, Letter]):
    """Failed and skipped deliveries, the latest change first."""

    SCOPE = Scope.DEAD
    FILTER_KEYS = DEAD_KEYS
    BESIDE = 140
    FILTER_EXAMPLE = "status:failed"
    BINDINGS: ClassVar[list[BindingType]] = screen_bindings(Scope.DEAD)

    def where(self) -> Line:
        """See StudioScreen."""
        return line(Span("Events", "dim"), Span(" ▸ ", "dim"), Span("Dead letters", "accent"))

    async def fetch_page(self, after: str | None, limit: int) -> Page[Delivery]:
        """See ListScreen."""
        status = self.filter.values.get("status", "dead")
        return await self.studio.backend.events.deliveries(status=status, after=after, limit=limit)

    def key_of(self, row: Delivery) -> str:
        """See ListScreen."""
        return row.delivery_id

    def titles(self, cells: int) -> Line:
        """See ListScreen."""
        return dead_titles(cells)

    def row_line(self, row: Delivery, cells: int, state: RowState) -> Line:
        """See ListScreen."""
        return dead_line(row, state.marked, self.studio.time.now(), self.studio.zone, cells)

    def empty_text(self) -> Line:
        """See ListScreen."""
        return line(Span("✔ ", "ok"), Span("No delivery failed or was skipped.", "dim"))

    async def fetch_detail(self, key: str) -> Letter:
        """See ListScreen."""
        row = self.rows.get(key)
        if row is None:
            raise NotFound("DELIVERY_NOT_FOUND", "This delivery is not in the list any more.", "It was made again.")
        return row, await self.studio.backend.events.get(row.event_id) if row.event_id is not None else None

    def detail_rows(self, detail: Letter, cells: int) -> list[Row]:
        """See ListScreen."""
        return dead_detail(*detail, self.studio.time.now(), self.studio.zone, cells)

    def open_link(self, link: str) -> None:
        """See ListScreen."""
        kind, _, name = link.partition(":")
        if kind == "event":
            self.studio_app.go_to("events", name)
        else:
            super().open_link(link)

    # --- actions ------------------------------------------------------------------------------------------------------

    def handlers(self) -> Handlers:
        """See StudioScreen."""
        return {
            **super().handlers(),
            "dead.redeliver": lambda: self._redeliver(self.marked, self.lost_marks),
            "dead.redeliver_all": self._redeliver_all,
        }

    def _redeliver_all(self) -> None:
        """The loaded ones, each told of; when there are more, all that there are, as a job."""
        if self.rows.more:
            status = self.filter.values.get("status", "dead")
            known = Count(len(self.rows), capped=True)
            self.studio_app.submit_job(
                Everything((JobKind.REDELIVER,), status, self.filter.text, known, "delivery", "deliveries")
            )
            return
        loaded = [self.rows.get(self.rows.id_at(place)) for place in range(len(self.rows))]
        self._redeliver([row for row in loaded if row is not None], 0)

    def _redeliver(self, rows: Sequence[Delivery], lost: int) -> None:
        dialog = RedeliverDialog(self.studio, rows, lost, self.studio_app.copy)
        self.studio_app.settle(dialog, "redeliver", self.refresh_rows)

    def leave(self) -> None:
        """See ListScreen: back to the events."""
        self.dismiss()


class RedeliverDialog(SettlingDialog[Delivery]):
    """Gives in words what came of it; empty when nothing was sent."""

    NOUN = "delivery"
    NOUN_ALL = "deliveries"
    WORDS = Words(
        do="Redeliver",
        doing="asking",
        done="made again",
        keep="Leave it",
        keep_all="Leave them",
        about="It is attempted again at once. A skipped one is refused where its target cannot take it any more.",
        about_all="Each is attempted again at once. Skipped ones are refused where their target cannot take them any more.",
    )

    def __init__(self, studio: Studio, rows: Sequence[Delivery], lost: int, copy: Callable[[str, str], str]) -> None:
        super().__init__(studio, lambda changed: RedeliverFlow(studio, rows, changed), lost, copy)

    def rows_of(self, target: TargetOf[Delivery], now: datetime, zone: tzinfo, cells: int) -> list[Row]:
        """See SettlingDialog."""
        row, state = target.row, DELIVERY_STATES[target.row.status]
        head = line(
            Span(f"{state.glyph} ", state.tone),
            pad(cut(safe(row.event_name or "–"), 19), 20),
            Span(pad(cut(delivery_target(row), 23), 24), "dim"),
        )
        told = safe(target.text or row.last_error or row.reason or state.word)
        return outcome_rows(head, told, target.outcome, self.text_of(target), cells)

    def text_of(self, target: TargetOf[Delivery]) -> str:
        """See SettlingDialog."""
        row = target.row
        return f"{row.delivery_id}  {safe(row.event_name or '')}  {delivery_target(row)}  {safe(target.text) or row.status}"
