"""What needs attention: everything that does not mend itself, the most urgent first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from textual import on
from textual.binding import BindingType

from engine.records import Attention, AttentionItem, AttentionKind, Change
from runstudio_tui.actions import Scope, Situation
from runstudio_tui.domain.present import moment
from runstudio_tui.screens.base import Handlers, StudioScreen, screen_bindings
from runstudio_tui.screens.chrome import live_mark
from runstudio_tui.store.feed import Poller
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import cut, pad
from runstudio_tui.widgets.line import Line, Span, justify, line
from runstudio_tui.widgets.virtual_list import Keys, RowState, VirtualList

WORDS: Final = {
    AttentionKind.WORKERS: ("✖", "no worker"),
    AttentionKind.DUTY: ("✖", "duty overdue"),
    AttentionKind.STUCK: ("▲", "stuck"),
    AttentionKind.STALLED: ("▲", "no progress"),
    AttentionKind.TASK_FAILING: ("✖", "task failing"),
    AttentionKind.TASK_TIMING_OUT: ("✖", "task too slow"),
    AttentionKind.STORES: ("≠", "stores"),
    AttentionKind.LAUNCH: ("✖", "not launched"),
    AttentionKind.DELIVERY: ("✖", "not delivered"),
    AttentionKind.SCHEDULE: ("▲", "schedule"),
    AttentionKind.FAILED: ("✖", "failed"),
    AttentionKind.RETRYING: ("◔", "retrying"),
    AttentionKind.LATE_TASK: ("◔", "late task"),
    AttentionKind.JOB: ("▲", "job"),
    AttentionKind.ALERT: ("✖", "alert not sent"),
}
"""Glyph and word of each kind."""


class AttentionScreen(StudioScreen):
    """One line a thing; enter goes to it."""

    SCOPE = Scope.ATTENTION
    BINDINGS: ClassVar[list[BindingType]] = screen_bindings(Scope.ATTENTION)

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self._items: dict[str, AttentionItem] = {}
        self._answer: Attention | None = None
        self.listing = VirtualList(self._row, heading=self._titles, id="list")
        self._poller: Poller[Attention] = Poller(
            clock=studio.clock,
            fetch=studio.backend.system.attention,
            apply=self._apply,
            interval=lambda: studio.poll_seconds,
            polled=self._polled,
            broken=studio.report_bug,
        )

    def body(self) -> Iterable[Any]:
        """See StudioScreen."""
        yield Bar(id="counted")
        yield self.listing

    def pollers(self) -> tuple[Poller[Any], ...]:
        """See StudioScreen."""
        return (self._poller,)

    def heard(self, change: Change) -> None:
        """See StudioScreen."""
        self._poller.nudge()

    def on_mount(self) -> None:
        """See StudioScreen."""
        self.listing.focus()

    @property
    def current(self) -> AttentionItem | None:
        """The thing under the cursor."""
        return self._items.get(self.listing.cursor or "")

    def situation(self) -> Situation:
        """See StudioScreen."""
        return Situation(
            level=self.studio.level,
            row=self.current,
            rows=len(self._items),
            loading=self._poller.freshness.unread,
        )

    def handlers(self) -> Handlers:
        """See StudioScreen."""
        return {"attention.open": self._open, "attention.why": self._why, "attention.copy": self._copy}

    def _apply(self, answer: Attention) -> None:
        self._answer = answer
        self.studio.time.observe(answer.server_now)
        self._items = {f"{item.kind}:{item.key}": item for item in answer.items}

    def _polled(self) -> None:
        if self.can_draw and self.listing.show(Keys(tuple(self._items)), self._empty()):
            self.as_of = self.studio.time.now()
        self.show_chrome()

    def show_state(self) -> None:
        """See StudioScreen."""
        self.query_one("#counted", Bar).show(self._counted)

    def _counted(self, cells: int) -> list[Line]:
        spans: list[Span] = [Span(" ")]
        for kind, (glyph, word) in WORDS.items():
            number = sum(1 for item in self._items.values() if item.kind is kind)
            if number:
                more = "+" if self._answer is not None and kind in self._answer.more else ""
                spans.append(Span(f"{glyph} {number}{more} {word}   ", "attention"))
        return [justify(tuple(spans), line(live_mark(self._poller.freshness, self.studio.poll_seconds)), cells)]

    def _empty(self) -> Line:
        if self._answer is None:
            return line(Span("loading…", "dim")) if not self._poller.freshness.failures else ()
        return line(Span("✔ ", "ok"), Span("Nothing needs attention.", "dim"))

    def _titles(self, cells: int) -> Line:
        return line(Span(f"{pad('WHAT', 17)}{pad('SINCE', 10)}{pad('OF', 20)}WHY", "dim"))

    def _row(self, key: str, cells: int, _: RowState) -> Line:
        item = self._items[key]
        glyph, word = WORDS[item.kind]
        since = moment(item.since, self.studio.time.now(), self.studio.zone)
        return line(
            Span(pad(f"{glyph} {word}", 17), "attention"),
            Span(pad(since, 10), "dim"),
            pad(cut(safe(item.title), 19), 20),
            cut(safe(item.reason), max(cells - 47, 10)),
        )

    def note_right(self) -> Line:
        """See StudioScreen."""
        error = self._answer.temporal_error if self._answer is not None else ""
        return line(Span(f"workflow tasks were not looked at: {safe(error)} ", "attention")) if error else ()

    @on(VirtualList.Moved, "#list")
    def _moved(self) -> None:
        self.show_chrome()

    @on(VirtualList.Activated, "#list")
    def _open(self) -> None:
        item = self.current
        if item is None:
            return
        if item.kind is AttentionKind.DELIVERY and item.event_id is not None:
            self.studio_app.go_to("events", item.event_id)
        elif item.kind is AttentionKind.LATE_TASK and item.task_id is not None:
            self.studio_app.go_to("tasks", item.task_id)
        elif item.kind is AttentionKind.SCHEDULE and item.workflow_id is not None:
            self.studio_app.go_to("workflows", item.workflow_id)
        elif item.run_id is not None:
            self.studio_app.open_run(item.run_id)
        else:
            self.studio_app.go_to("system")

    def _why(self) -> None:
        item = self.current
        if item is not None and item.run_id is not None:
            self.studio_app.show_why(item.run_id)

    def _copy(self) -> None:
        item = self.current
        if item is not None:
            self.studio_app.copy(item.key, "id")

    def back(self) -> None:
        """esc: to the runs."""
        self.studio_app.go_to("runs")

    def quit(self) -> None:
        """See StudioScreen: back to the runs."""
        self.studio_app.go_to("runs")
