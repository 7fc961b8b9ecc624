"""One run: its steps on the left, what is known of the chosen one on the right. Opens on what matters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final

from textual import on
from textual.binding import BindingType

from engine.errors import NotFound
from engine.records import Change, RunRow
from runstudio_tui.actions import Scope, Situation
from runstudio_tui.domain.effective import READ_ONLY_GLYPH
from runstudio_tui.screens.base import Handlers, screen_bindings
from runstudio_tui.screens.dialogs.go_on import GoOnDialog
from runstudio_tui.screens.run.following import Following
from runstudio_tui.screens.run.header import header_lines
from runstudio_tui.screens.run.panes import Pane
from runstudio_tui.screens.why import stuck_lines
from runstudio_tui.store.export import export_of_run
from runstudio_tui.store.feed import Poller
from runstudio_tui.store.journal import Weight
from runstudio_tui.store.run import RunAnswer
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe, short_id
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import cut
from runstudio_tui.widgets.compare_pane import ComparePane
from runstudio_tui.widgets.json_pane import JsonPane
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.virtual_list import VirtualList

_BESIDE_NAME: Final = 60
"""Cells of the title for the id of the run, the deployment and the actor."""
_LEAST_NAME: Final = 12
_LAST_LOOK: Final = 3.0
"""Seconds after a run was first seen to have ended at which it is read once more: what trails behind is in then."""
_OF_THE_STEP: Final = (Pane.OUTCOME, Pane.TRIES, Pane.STATE, Pane.DEFINITION)
"""Panes about the step under the cursor: where they stand beside the steps, the steps keep the keys."""
Neighbour = Callable[[str, int], str | None]


class RunScreen(Following):
    """Steps and panes of one run."""

    SCOPE = Scope.RUN
    BINDINGS: ClassVar[list[BindingType]] = screen_bindings(Scope.RUN)

    def __init__(self, studio: Studio, run_id: str, neighbour: Neighbour | None = None) -> None:
        super().__init__(studio, run_id)
        self._neighbour = neighbour
        self._ended_polls = 0
        self._missing = False
        self._poller: Poller[RunAnswer] = Poller(
            clock=studio.clock,
            fetch=self._fetch,
            apply=self._apply,
            interval=self._interval,
            polled=self._polled,
            broken=studio.report_bug,
        )

    # --- parts --------------------------------------------------------------------------------------------------------

    def where(self) -> Line:
        """See StudioScreen."""
        row = self._row
        room = max(
            self.size.width - _BESIDE_NAME, _LEAST_NAME
        )  # the id behind it says more than the end of a long name
        name = f"{cut(safe(row.workflow_name), room)} " if row is not None else ""
        return line(Span("Runs", "dim"), Span(" ▸ ", "dim"), Span(f"{name}{short_id(self.run_id)}", "accent"))

    def pollers(self) -> tuple[Poller[Any], ...]:
        """See StudioScreen."""
        return (self._poller,)

    def heard(self, change: Change) -> None:
        """See StudioScreen."""
        if change.run_id is None or change.run_id == self.run_id:
            self._poller.nudge()

    def on_mount(self) -> None:
        """See StudioScreen."""
        self.show_all()

    async def on_unmount(self) -> None:
        """See StudioScreen."""
        self._contents.stop()
        self._names.stop()

    @property
    def _row(self) -> RunRow | None:
        return self.store.summary.row if self.store.summary is not None else None

    def situation(self) -> Situation:
        """See StudioScreen."""
        found = self.steps.current
        return Situation(
            level=self.studio.level,
            run=self._row,
            for_quota=self._row is not None and self._row.waits_for_quota,
            can_fold=found is not None and (found.foldable or found.depth > 0),
            can_open=not self.panes.focused or self.panes.can_open,
            has_input=self.store.summary is None or self.store.summary.has_input,
            finding=bool(self.finder.wanted),
            timeline=self.has_timeline,
            zoomed=self.timeline.zoomed,
            panes=self.panes.focused,
            pane=self.panes.pane.value,
            snapshots=self.store.summary is not None and self.store.summary.has_snapshots,
            rows=len(self.store.executions),
        )

    # --- data ---------------------------------------------------------------------------------------------------------

    async def _fetch(self) -> RunAnswer:
        try:
            return await self.store.fetch()
        except NotFound:
            self._missing = True
            raise

    def _apply(self, answer: RunAnswer) -> None:
        self.store.apply(answer)
        if not self.store.complete:
            self._poller.refresh_now()

    def _interval(self) -> float | None:
        if self._missing:
            return None
        if self.store.live:
            return self.studio.poll_seconds
        self._ended_polls += 1
        return _LAST_LOOK if self._ended_polls == 1 else None

    def _polled(self) -> None:
        self.follow_where_wanted()
        self._contents.run_read(self.steps.current_step)
        self._names.look()
        self.show_all()

    def counts_seconds(self) -> bool:
        """See StudioScreen: a live run counts."""
        return self.store.live or super().counts_seconds()

    def tick(self) -> None:
        """See StudioScreen: only the header counts seconds; steps and panes follow with every poll."""
        self._show_stuck()
        self.show_chrome()

    # --- drawing ------------------------------------------------------------------------------------------------------

    def show_all(self) -> None:
        """See RunLayout."""
        if not self.can_draw:
            return
        self._show_stuck()
        self.query_one("#rule", Bar).show(self.rule)
        self.steps.show_run(self.store, self._nothing())
        self.share_height()
        self._show_tabs()
        self._show_pane()
        self.show_chrome()

    def badge(self) -> str:
        """See RunLayout."""
        row = self._row
        return f"{READ_ONLY_GLYPH} before the cutover, read-only" if row is not None and row.read_only else ""

    def show_state(self) -> None:
        """See StudioScreen."""
        now, zone = self.studio.time.now(), self.studio.zone
        nothing = self._nothing()
        self.query_one("#header", Bar).show(
            lambda cells: header_lines(self.store, self._live(), now, zone, cells, instead=nothing)
        )

    def _live(self) -> Line:
        fresh = self._poller.freshness
        if self._missing:
            return ()
        if fresh.stale(self.studio.poll_seconds):
            return line(Span(" ○ not current ", "attention"))
        if self.studio_app.paused:
            return line(Span(" ‖ paused ", "attention"))
        if fresh.refused:
            return line(Span(" ○ refused ", "attention"))
        if fresh.unread:
            return line(Span(" ○ loading ", "dim"))
        return line(Span(" ● live ", "running")) if self.store.live else line(Span(" ended ", "dim"))

    def _nothing(self) -> str:
        if self._missing:
            return "There is no such run."
        if self.store.summary is None:
            return "loading…"
        return "No step was executed." if not self.store.live else "No step yet."

    def _show_stuck(self) -> None:
        """The panel comes and goes by itself, with every poll and every second."""
        bar = self.query_one("#stuck", Bar)
        row = self._row
        if row is None or row.started_at is None or not self.store.stuck:
            bar.styles.height = 0
            bar.show(lambda _: [])
            return
        since = (self.studio.time.now() - row.started_at).total_seconds()
        started = row.started_at.astimezone(self.studio.zone).strftime("%H:%M:%S")
        why = self._contents.diagnosis
        bar.styles.height = len(stuck_lines(since, started, why, max(self.size.width, 20)))
        bar.show(lambda cells: stuck_lines(since, started, why, cells))

    def _show_tabs(self) -> None:
        summary = self.store.summary
        before_cutover = summary is not None and summary.has_snapshots and summary.row.read_only
        if before_cutover != self.panes.before_cutover:
            self.panes.before_cutover = before_cutover
            self.panes.show_tabs()

    def _show_pane(self) -> None:
        if self.can_draw:
            step = self.steps.current_step
            self._contents.fill(self.panes, self.steps.current, step)

    def note_right(self) -> Line:
        """See StudioScreen: the path in a document, the place in a search."""
        parts: list[str | Span] = []
        if self.has_timeline:
            parts.append(Span(f"{self.timeline.figures} ", "dim"))
        if self.finder.wanted:
            parts.append(Span(f"{self.finder.place_text}  ", "accent"))
        shown = self.panes.shown
        if self.panes.focused and isinstance(shown, JsonPane | ComparePane):
            parts.append(Span(f"{shown.path} ", "dim"))
        elif self.panes.pane is Pane.LOGS:
            parts.append(Span(f"{self._contents.log_level_text} ", "dim"))
        return line(*parts)

    # --- messages -----------------------------------------------------------------------------------------------------

    @on(VirtualList.Moved)
    @on(VirtualList.Viewed)
    def _moved(self, event: VirtualList.Moved | VirtualList.Viewed) -> None:
        step = self.steps.current_step
        self._contents.look_at_step(step, again=False)
        if isinstance(event, VirtualList.Moved) and event.list is self.steps and self.panes.pane is Pane.SNAPSHOTS:
            self._contents.snapshots.go_to(self.panes, step)
        self._show_pane()
        self.show_chrome()

    @on(VirtualList.Activated)
    def _activated(self) -> None:
        self._open()

    @on(JsonPane.WholeWanted)
    def _see_whole(self, event: JsonPane.WholeWanted) -> None:
        self.studio_app.show_text(f"Value of {event.pointer}", event.text)

    @on(Bar.LinkClicked, "#header")
    def _related_clicked(self, event: Bar.LinkClicked) -> None:
        self.studio_app.open_run(event.link.removeprefix("run:"))

    @on(Bar.LinkClicked, "#tabs")
    def _tab_clicked(self, event: Bar.LinkClicked) -> None:
        self._choose(Pane(event.link))

    @on(Bar.LinkClicked, "#about")
    def _part_clicked(self, event: Bar.LinkClicked) -> None:
        self._contents.choose_part(event.link.removeprefix("part:"))
        self._show_pane()

    # --- actions ------------------------------------------------------------------------------------------------------

    def handlers(self) -> Handlers:
        """See StudioScreen."""
        app = self.studio_app
        return {
            "run.steps": self.to_steps,
            "run.fold": self.to_steps,
            "run.timeline": self.toggle_timeline,
            "run.pan": self.to_steps,
            "run.zoom_in": lambda: self.zoom(1),
            "run.zoom_out": lambda: self.zoom(-1),
            "run.zoom_fit": lambda: self.zoom(0),
            "run.open": self._open,
            "run.cancel": lambda: app.cancel_runs(
                [row] if (row := self._row) is not None else [], 0, self._poller.refresh_now
            ),
            "run.replay": lambda: app.replay_runs(
                [row] if (row := self._row) is not None else [], 0, self._poller.refresh_now
            ),
            "run.go_on": lambda: app.act_on_runs(
                GoOnDialog, [row] if (row := self._row) is not None else [], 0, "quota", self._poller.refresh_now
            ),
            "run.why": lambda: app.show_why(self.run_id),
            "run.export": self._export,
            **{f"run.{pane.value}": partial(self._choose, pane) for pane in Pane},
            "run.part": self._show_next_part,
            "run.pin": self._pin,
            "run.next_mark": lambda: self.next_mark(1),
            "run.previous_mark": lambda: self.next_mark(-1),
            "run.next_pane": self.next_part,
            **self.finding_handlers(),
            "run.level": self._next_level,
            "run.focus": self.follow_again,
            "run.copy": self._copy,
            "run.copy_all": self._copy_all,
            "run.previous": lambda: self._neighbouring(-1),
            "run.next": lambda: self._neighbouring(1),
        }

    def back(self) -> None:
        """esc: search, opened document, panes, screen."""
        if self.has_class("-finding"):
            self.end_find()
        elif self.finder.wanted:
            self.end_search()
        elif self.panes.close_document():
            self.panes.rows.focus()
            self._show_pane()
        elif self.panes.focused:
            self.to_steps()
        elif self.take_away():
            pass
        elif self.has_timeline:
            self.toggle_timeline()
        else:
            self.dismiss()
        self.show_chrome()

    def _export(self) -> None:
        if self._row is not None:
            self.studio_app.export(export_of_run(self.studio.backend.runs, self._row))

    def _choose(self, pane: Pane) -> None:
        self.end_search()
        self.panes.choose(pane)
        self._contents.pane_chosen(pane, self.steps.current_step)
        self._show_pane()
        if self.panes.focused or pane not in _OF_THE_STEP:
            self.to_panes()
        else:
            self.put_below()
        if pane is Pane.LOGS:
            self.panes.rows.action_act("list.end")
        self.show_chrome()

    def _open(self) -> None:
        if not self.panes.focused:
            found = self.steps.current
            if found is not None and found.row_id is None and self.steps.toggle():
                return
            self.to_panes()
            return
        shown = self.panes.shown
        if shown is self.panes.snapshots:
            self.panes.content.focus()
            return
        row = self.panes.rows.current if shown is self.panes.rows else None
        kind, _, value = (row.link if row is not None else "").partition(":")
        if kind == "run":
            self.studio_app.open_run(value, None)
        elif kind == "pane":
            self._choose(Pane(value))
        elif kind == "older":
            self._contents.read_older()
        elif not kind:
            if self.panes.rows.cut_text:
                self.studio_app.show_text("The whole line", self.panes.rows.cut_text)
        else:
            self.panes.open(self._contents.open_body(kind, value))
            self._show_pane()
            self.panes.document.focus()

    def _neighbouring(self, by: int) -> None:
        """[ and ]: in Snapshots the one before or after, else the run above or below."""
        if self.panes.pane is not Pane.SNAPSHOTS:
            self._other_run(by)
        elif not self._contents.snapshots.move(self.panes, by):
            self.say("there is no snapshot before" if by < 0 else "there is no snapshot after", Weight.WARNING)

    def _other_run(self, by: int) -> None:
        found = self._neighbour(self.run_id, by) if self._neighbour is not None else None
        if found is None:
            self.say("there is no run above" if by < 0 else "there is no run below", Weight.WARNING)
            return
        self.app.switch_screen(RunScreen(self.studio, found, self._neighbour))

    def _next_level(self) -> None:
        if self.panes.pane is not Pane.LOGS:
            self._choose(Pane.LOGS)
        self._contents.next_log_level()
        self._show_pane()
        self.show_chrome()

    def _show_next_part(self) -> None:
        self._contents.choose_part()
        self._show_pane()

    def _pin(self) -> None:
        self.say(self._contents.state.toggle_pin(self.steps.current_step))
        row_id = self._contents.state.moments.pinned_row
        for steps in (self.step_list, self.timeline):
            steps.pin(row_id)
        self._show_pane()

    # --- copying ------------------------------------------------------------------------------------------------------

    def _copy(self) -> None:
        if self.panes.focused:
            self.studio_app.copy(self.panes.shown.current_text, "what is under the cursor")
        else:
            found = self.steps.current
            self.studio_app.copy(found.path if found is not None else self.run_id, "step path" if found else "run id")

    def _copy_all(self) -> None:
        if not self.panes.focused:
            self.studio_app.copy(self.run_id, "run id")
            return
        shown = self.panes.shown
        what = "the document" if isinstance(shown, JsonPane | ComparePane) else "the pane"
        self.studio_app.copy(shown.all_text, what)
