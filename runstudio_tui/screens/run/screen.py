"""One run: its steps on the left, what is known of the chosen one on the right. Opens on what matters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from textual import events, on
from textual.binding import BindingType

from runstudio_tui.actions import Scope, Situation
from runstudio_tui.domain.catalog import Change
from runstudio_tui.domain.models import RunId, RunRow
from runstudio_tui.ports import NotFound
from runstudio_tui.screens.base import Handlers, StudioScreen, screen_bindings
from runstudio_tui.screens.run.contents import Contents
from runstudio_tui.screens.run.finding import Finder
from runstudio_tui.screens.run.header import header_lines
from runstudio_tui.screens.run.panes import Pane, Panes
from runstudio_tui.screens.run.timeline import TimelineList
from runstudio_tui.screens.run.tree import StepList
from runstudio_tui.screens.why import stuck_lines
from runstudio_tui.store.feed import Poller
from runstudio_tui.store.journal import Weight
from runstudio_tui.store.run import RunAnswer, RunStore
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe, short_id
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.cells import cut
from runstudio_tui.widgets.filter_bar import LineInput
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.split import Split
from runstudio_tui.widgets.virtual_list import VirtualList

WIDE: Final = 100
_BESIDE_NAME: Final = 60
"""Cells of the title for the id of the run, the deployment and the actor."""
_LEAST_NAME: Final = 12
_LAST_LOOK: Final = 3.0
"""Seconds after a run was first seen to have ended at which it is read once more: what trails behind is in then."""
Neighbour = Callable[[RunId, int], RunId | None]


class RunScreen(StudioScreen):
    """Steps and panes of one run."""

    SCOPE = Scope.RUN
    BINDINGS: ClassVar[list[BindingType]] = screen_bindings(Scope.RUN)
    DEFAULT_CSS = """
    RunScreen #header { height: 2; }
    RunScreen #stuck { height: 0; }
    RunScreen #rule { height: 1; }
    RunScreen Split > .-left { width: 1fr; }
    RunScreen Split > .-right { width: 1fr; }
    RunScreen.-narrow Split > Panes { display: none; border-left: none; }
    RunScreen.-narrow.-panes Split > Panes { display: block; }
    RunScreen.-narrow.-panes Split > StepList { display: none; }
    RunScreen > TimelineList { display: none; }
    RunScreen.-timeline > TimelineList { display: block; }
    RunScreen.-timeline Split { display: none; }
    RunScreen #find { display: none; }
    RunScreen.-finding #find { display: block; }
    """

    def __init__(self, studio: Studio, run_id: RunId, neighbour: Neighbour | None = None) -> None:
        super().__init__(studio)
        self.run_id = run_id
        self.store = RunStore(studio.backend.runs, studio.time, run_id)
        self._neighbour = neighbour
        self._tree = StepList(studio.time)
        self._timeline = TimelineList(studio)
        self._panes = Panes()
        self._contents = Contents(studio, self.store, self._show_pane)
        self._finder = Finder()
        self._settled = False
        """True once the cursor was put on what matters."""
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

    def body(self) -> Iterable[Any]:
        """See StudioScreen."""
        yield Bar(id="header")
        yield Bar(id="stuck")
        yield Bar(id="rule")
        yield Split(self._tree, self._panes)
        yield self._timeline
        yield LineInput(id="find", placeholder="find", select_on_focus=False)

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
        self._steps.focus()
        self._panes.show_tabs()
        self._fit()
        self._show()

    async def on_unmount(self) -> None:
        """See StudioScreen."""
        self._contents.stop()

    @property
    def _row(self) -> RunRow | None:
        return self.store.summary.row if self.store.summary is not None else None

    @property
    def _steps(self) -> StepList:
        """The steps in the form that is shown: tree or timeline."""
        return self._timeline if self.has_class("-timeline") else self._tree

    def situation(self) -> Situation:
        """See StudioScreen."""
        return Situation(
            level=self.studio.level,
            run=self._row,
            finding=bool(self._finder.wanted),
            timeline=self.has_class("-timeline"),
            panes=self._in_panes,
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
        self._contents.run_read(self._step_key())
        self._show()
        if not self._settled and self.store.complete:
            self._settled = True
            self._to_focus()
            self._show()

    def counts_seconds(self) -> bool:
        """See StudioScreen: a live run counts."""
        return self.store.live or super().counts_seconds()

    def tick(self) -> None:
        """See StudioScreen: only the header counts seconds; steps and panes follow with every poll."""
        self._show_stuck()
        self.show_chrome()

    # --- drawing ------------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        if not self.can_draw:
            return
        self._show_stuck()
        self.query_one("#rule", Bar).show(self._rule)
        self._steps.show_run(self.store, self._nothing())
        self._show_pane()
        self.show_chrome()

    def show_state(self) -> None:
        """See StudioScreen."""
        now, zone = self.studio.time.now(), self.studio.zone
        self.query_one("#header", Bar).show(lambda cells: header_lines(self.store, self._live(), now, zone, cells))

    def _rule(self, cells: int) -> list[Line]:
        across = "─" * cells
        if not self.has_class("-narrow") and not self.has_class("-timeline"):
            at = self._steps.outer_size.width
            across = f"{across[:at]}┬{across[at + 1 :]}"
        return [line(Span(across, "rule"))]

    def _live(self) -> Line:
        fresh = self._poller.freshness
        if fresh.failures:
            return line(Span(" ○ not current ", "attention"))
        if self.studio_app.paused:
            return line(Span(" ‖ paused ", "attention"))
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

    def _show_pane(self) -> None:
        if self.can_draw:
            step = self._steps.current_step
            self._contents.fill(self._panes, self._steps.current, step)

    def note_right(self) -> Line:
        """See StudioScreen: the path in a document, the place in a search."""
        parts: list[str | Span] = []
        if self.has_class("-timeline"):
            parts.append(Span(f"{self._timeline.figures} ", "dim"))
        if self._finder.wanted:
            parts.append(Span(f"{self._finder.place_text}  ", "accent"))
        if self._panes.shown is self._panes.document:
            parts.append(Span(f"{self._panes.document.path} ", "dim"))
        elif self._panes.pane is Pane.LOGS:
            parts.append(Span(f"{self._contents.log_level_text} ", "dim"))
        return line(*parts)

    # --- layout -------------------------------------------------------------------------------------------------------

    def on_resize(self, _: events.Resize) -> None:
        """Side by side where there is room, else one over the other."""
        self._fit()
        self._show()

    def _fit(self) -> None:
        self.set_class(self.size.width < WIDE, "-narrow")

    def _toggle_timeline(self) -> None:
        key = self._steps.cursor
        self.toggle_class("-timeline")
        self._show()
        if key is not None:
            self._steps.move_to(key)
        self._to_steps()
        self.show_chrome()

    def _to_panes(self) -> None:
        if self.has_class("-timeline"):
            self._toggle_timeline()
        self.add_class("-panes")
        self._panes.shown.focus()

    def _to_steps(self) -> None:
        self.remove_class("-panes")
        self._steps.focus()

    @property
    def _in_panes(self) -> bool:
        return self._panes.rows.has_focus or self._panes.document.has_focus

    # --- messages -----------------------------------------------------------------------------------------------------

    def _step_key(self) -> str | None:
        step = self._steps.current_step
        return step.row_id if step is not None else None

    @on(VirtualList.Moved)
    @on(VirtualList.Viewed)
    def _moved(self) -> None:
        self._contents.look_at_step(self._step_key(), again=False)
        self._show_pane()
        self.show_chrome()

    @on(VirtualList.Activated)
    def _activated(self) -> None:
        self._open()

    @on(Bar.LinkClicked, "#tabs")
    def _tab_clicked(self, event: Bar.LinkClicked) -> None:
        self._choose(Pane(event.link))

    # --- actions ------------------------------------------------------------------------------------------------------

    def handlers(self) -> Handlers:
        """See StudioScreen."""
        app = self.studio_app
        return {
            "run.steps": self._to_steps,
            "run.fold": self._to_steps,
            "run.timeline": self._toggle_timeline,
            "run.pan": self._to_steps,
            "run.zoom_in": lambda: self._timeline.zoom(1),
            "run.zoom_out": lambda: self._timeline.zoom(-1),
            "run.zoom_fit": lambda: self._timeline.zoom(0),
            "run.open": self._open,
            "run.cancel": lambda: app.cancel_runs(
                [row] if (row := self._row) is not None else [], 0, self._poller.refresh_now
            ),
            "run.why": lambda: app.show_why(self.run_id),
            "run.outcome": lambda: self._choose(Pane.OUTCOME),
            "run.tries": lambda: self._choose(Pane.TRIES),
            "run.payload": lambda: self._choose(Pane.PAYLOAD),
            "run.waits": lambda: self._choose(Pane.WAITS),
            "run.logs": lambda: self._choose(Pane.LOGS),
            "run.more": lambda: self._choose(Pane.MORE),
            "run.next_pane": lambda: self._to_steps() if self._in_panes else self._to_panes(),
            "run.find": self._find,
            "run.find_next": lambda: self._go_to_match(1),
            "run.find_previous": lambda: self._go_to_match(-1),
            "run.level": self._next_level,
            "run.focus": self._to_focus,
            "run.copy": self._copy,
            "run.copy_all": self._copy_all,
            "run.previous": lambda: self._other_run(-1),
            "run.next": lambda: self._other_run(1),
        }

    def back(self) -> None:
        """esc: search, opened document, panes, screen."""
        if self.has_class("-finding"):
            self._end_find()
        elif self._finder.wanted:
            self._finder.end()
            self._seek("")
        elif self._panes.close_document():
            self._panes.rows.focus()
            self._show_pane()
        elif self._in_panes:
            self._to_steps()
        elif self.has_class("-timeline"):
            self._toggle_timeline()
        else:
            self.dismiss()
        self.show_chrome()

    def _choose(self, pane: Pane) -> None:
        self._finder.end()
        self._seek("")
        self._panes.choose(pane)
        self._contents.pane_chosen(pane, self._step_key())
        self._show_pane()
        if self.has_class("-narrow") or self._in_panes or pane not in (Pane.OUTCOME, Pane.TRIES):
            self._to_panes()
        if pane is Pane.LOGS:
            self._panes.rows.action_act("list.end")
        self.show_chrome()

    def _open(self) -> None:
        if not self._in_panes:
            found = self._steps.current
            if found is not None and found.row_id is None and self._steps.toggle():
                return
            self._to_panes()
            return
        row = self._panes.rows.current if self._panes.shown is self._panes.rows else None
        kind, _, value = (row.link if row is not None else "").partition(":")
        if kind == "run":
            self.studio_app.open_run(RunId(value), None)
        elif kind == "older":
            self._contents.read_older_logs()
        elif kind:
            self._panes.open(self._contents.open_body(kind, value))
            self._show_pane()
            self._panes.document.focus()

    def _other_run(self, by: int) -> None:
        found = self._neighbour(self.run_id, by) if self._neighbour is not None else None
        if found is None:
            self.say("there is no run above" if by < 0 else "there is no run below", Weight.WARNING)
            return
        self.app.switch_screen(RunScreen(self.studio, found, self._neighbour))

    def _to_focus(self) -> None:
        step = self.store.executions.focus()
        if step is not None:
            self._steps.go_to(step)
            self._contents.look_at_step(step.row_id, again=False)

    def _next_level(self) -> None:
        if self._panes.pane is not Pane.LOGS:
            self._choose(Pane.LOGS)
        self._contents.next_log_level()
        self._show_pane()
        self.show_chrome()

    # --- find ---------------------------------------------------------------------------------------------------------

    @property
    def _searched(self) -> Any:
        if self._in_panes or self.has_class("-panes"):
            return self._panes.shown
        return self._steps

    def _find(self) -> None:
        self._finder.begin(self._searched)
        self.add_class("-finding")
        field = self.query_one("#find", LineInput)
        field.value = ""
        field.focus()

    @on(LineInput.Changed, "#find")
    def _find_typed(self, event: LineInput.Changed) -> None:
        if self._finder.list is not None:
            self._seek(event.value)
            self._finder.search(event.value)
            self._go_to_match(0)

    @on(LineInput.Submitted, "#find")
    def _find_done(self) -> None:
        self._end_find()

    def _end_find(self) -> None:
        self.remove_class("-finding")
        found = self._finder.list
        if found is not None:
            found.focus()
        self.show_chrome()

    def _seek(self, wanted: str) -> None:
        for found in (self._tree, self._timeline, self._panes.rows, self._panes.document):
            found.seek(wanted if found is self._finder.list else "")

    def _go_to_match(self, by: int) -> None:
        key = self._finder.step(by)
        if key is not None and self._finder.list is not None:
            self._finder.list.move_to(key)
        self.show_chrome()

    # --- copying ------------------------------------------------------------------------------------------------------

    def _copy(self) -> None:
        if self._in_panes:
            shown = self._panes.shown
            text = self._panes.document.current_text if shown is self._panes.document else self._panes.rows.current_text
            self.studio_app.copy(text, "what is under the cursor")
        else:
            found = self._steps.current
            self.studio_app.copy(found.path if found is not None else self.run_id, "step path" if found else "run id")

    def _copy_all(self) -> None:
        if self._panes.shown is self._panes.document and self._in_panes:
            self.studio_app.copy(self._panes.document.all_text, "the document")
        elif self._in_panes:
            self.studio_app.copy(self._panes.rows.all_text, "the pane")
        else:
            self.studio_app.copy(self.run_id, "run id")
