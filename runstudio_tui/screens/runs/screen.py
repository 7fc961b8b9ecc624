"""The runs list, the home screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, ClassVar, Final

from textual import events, on, work
from textual.binding import BindingType

from engine.errors import EngineError
from engine.records import Change, ChangeKind, Count, RunRow
from engine.wording import counted
from runstudio_tui.actions import Scope, Situation
from runstudio_tui.domain.filter_text import KEYS
from runstudio_tui.domain.filter_words import completions
from runstudio_tui.screens.base import Handlers, screen_bindings
from runstudio_tui.screens.chrome import live_mark
from runstudio_tui.screens.dialogs.go_on import GoOnDialog
from runstudio_tui.screens.runs.filtering import RunsFiltering
from runstudio_tui.screens.runs.preview_lines import preview_lines
from runstudio_tui.screens.runs.rows import Needs, counters, matching_text, place, row_line, titles
from runstudio_tui.store.export import export_of_filter, export_of_marked
from runstudio_tui.store.feed import Poller
from runstudio_tui.store.jobs import OF_RUNS, Everything
from runstudio_tui.store.journal import Weight
from runstudio_tui.store.preview import PreviewedRun
from runstudio_tui.store.runs import RunsAnswer
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.filter_bar import FilterBar
from runstudio_tui.widgets.line import Line, Span, justify, line
from runstudio_tui.widgets.line_list import LineList, Row
from runstudio_tui.widgets.split import Split
from runstudio_tui.widgets.virtual_list import RowState, VirtualList

WIDE: Final = 100
"""Columns from which the preview can stand beside the list."""
BESIDE: Final = 140
"""Columns from which it does so by itself: the list keeps its own columns there."""


class RunsScreen(RunsFiltering):
    """List, filter, counters, and the preview where there is room."""

    SCOPE = Scope.RUNS
    BINDINGS: ClassVar[list[BindingType]] = screen_bindings(Scope.RUNS)
    DEFAULT_CSS = """
    RunsScreen Split > #preview { display: none; }
    RunsScreen.-preview Split > #preview { display: block; }
    """

    def __init__(self, studio: Studio, filter_text: str = "", page_scroll: bool = False) -> None:
        super().__init__(studio, filter_text)
        self._preview_wanted: bool | None = None
        """Shown or hidden by hand; None: as the width allows."""
        self._needs = Needs()
        self._list = VirtualList(self._row, heading=self._titles, page_scroll=page_scroll, follows=True, id="runs")
        self._preview = LineList(id="preview")
        self._previewed = PreviewedRun(studio, lambda: self._preview.action_act("list.top"), self._show_preview)
        self._poller: Poller[RunsAnswer] = Poller(
            clock=studio.clock,
            fetch=self.store.fetch,
            apply=self._apply,
            interval=lambda: studio.poll_seconds,
            polled=self._polled,
            broken=studio.report_bug,
        )

    # --- parts --------------------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Any]:
        """See StudioScreen."""
        yield FilterBar(lambda text: completions(text, KEYS), "status:failed wf:billing since:2h text", id="filter")
        yield Bar(id="counters")
        yield Split(self._list, self._preview)

    def pollers(self) -> tuple[Poller[Any], ...]:
        """See StudioScreen."""
        return (self._poller, self._previewed.poller)

    def heard(self, change: Change) -> None:
        """See StudioScreen."""
        if change.kind is ChangeKind.RUN:
            self._poller.nudge()
            self._previewed.hears(change)

    def on_mount(self) -> None:
        """See StudioScreen."""
        self._list.focus()
        self._fit_preview()

    @property
    def current(self) -> RunRow | None:
        """The run under the cursor."""
        return self.store.get(self._list.cursor)

    def situation(self) -> Situation:
        """See StudioScreen."""
        return Situation(
            level=self.studio.level,
            run=self.current,
            marked=len(self._list.marks),
            for_quota=any(row.waits_for_quota for row in self._chosen()),
            rows=len(self.store),
            loading=self._poller.freshness.unread,
            has_filter=self.store.filter.restricts,
            preview=self.has_class("-preview"),
        )

    async def on_unmount(self) -> None:
        """See StudioScreen."""
        self._previewed.stop()

    # --- drawing ------------------------------------------------------------------------------------------------------

    def _apply(self, answer: RunsAnswer) -> None:
        self.store.apply(answer)

    def _polled(self) -> None:
        self._show_list()
        self.back_to_the_run()
        self.show_chrome()

    def show_state(self) -> None:
        """See StudioScreen."""
        self.query_one(FilterBar).show(self._filter_line)

    def _show_list(self) -> None:
        if not self.can_draw:
            return
        self._needs.see(self.store.head(), self.studio.time.now(), self.studio.zone)
        changed = self._list.show(self.store, self._empty_text())
        self.store.on_screen(self._list.visible_keys)
        counts, query = self.store.counts, self.store.filter.query
        changed |= self.query_one("#counters", Bar).show(lambda cells: [counters(counts, query, cells)])
        self._previewed.show(self._preview_run())
        self._show_preview()
        if changed:
            self.as_of = self.studio.time.now()

    def _row(self, key: str, cells: int, state: RowState) -> Line:
        row = self.store.get(key)
        if row is None:
            return ()
        return row_line(row, self._placed(cells), state.marked, self.studio.time.now(), self.studio.zone)

    def _titles(self, cells: int) -> Line:
        return titles(self._placed(cells))

    def _placed(self, cells: int) -> Any:
        return place(cells, self._needs, beside_preview=self.has_class("-preview"))

    def _empty_text(self) -> Line:
        if not self.store.loaded:
            return line(Span("loading…", "dim")) if not self._poller.freshness.failures else ()
        if self.store.filter.restricts:
            return line(Span("No run matches this filter. ", "dim"), Span("esc", "key"), Span(" clears it.", "dim"))
        return line(
            Span("No runs yet. ", "dim"),
            Span("n", "key"),
            Span(" starts one; runstudio publish adds a workflow.", "dim"),
        )

    def _filter_line(self, cells: int) -> list[Line]:
        text = safe(self.store.filter.text)
        shown = Span(f" {text}") if text else Span(" all runs", "dim")
        if self.filter_editing:
            shown = Span("")  # the text is in the input
        live = live_mark(self._poller.freshness, self.studio.poll_seconds)
        counted = matching_text(self.store.counts, self.store.filter.query)
        return [justify(line(shown), line(Span(f"{counted}  ", "dim"), live), cells)]

    def note_right(self) -> Line:
        """See StudioScreen."""
        parts: list[str | Span] = []
        if self._list.to_end:
            parts.append(Span(f"to the end: {len(self.store):,} loaded…  ", "accent"))
        marked = len(self._list.marks)
        if marked:
            hidden = self._list.hidden_marks
            parts.append(Span(f"{marked} marked" + (f" ({hidden} not in view)" if hidden else "") + "  ", "accent"))
        if self._list.unseen:
            parts += [Span(f"+ {self._list.unseen} new  ", "accent"), Span("(g top) ", "dim")]
        return line(*parts)

    # --- preview ------------------------------------------------------------------------------------------------------

    def _fit_preview(self) -> None:
        wanted = self.size.width >= BESIDE if self._preview_wanted is None else self._preview_wanted
        self.set_class(wanted and self.size.width >= WIDE, "-preview")
        self._show_list()

    def on_resize(self, _: events.Resize) -> None:
        """Show the preview only where there is room."""
        self._fit_preview()
        self.show_chrome()

    def _show_preview(self) -> None:
        if self._preview.is_attached:
            self._preview.show_rows(self._preview_rows)

    def _preview_rows(self, cells: int) -> list[Row]:
        shown = self._previewed
        if shown.store is None:
            return []
        now, zone = self.studio.time.now(), self.studio.zone
        return [Row(made) for made in preview_lines(shown.store, shown.why, now, zone, cells)]

    def _preview_run(self) -> str | None:
        row = self.current
        return row.run_id if row is not None and self.has_class("-preview") else None

    def _toggle_preview(self) -> None:
        if self.size.width < WIDE:
            self.say(f"the preview needs {WIDE} columns; this terminal has {self.size.width}", Weight.WARNING)
            return
        self._preview_wanted = not self.has_class("-preview")
        self._fit_preview()
        self._list.focus()
        self.show_chrome()

    def _to_preview(self) -> None:
        if self._preview.has_focus:
            self._list.focus()
        else:
            self._preview.focus()

    # --- the list's messages ------------------------------------------------------------------------------------------

    @on(VirtualList.Moved, "#runs")
    def _moved(self) -> None:
        self._previewed.show(self._preview_run())
        self.show_chrome()

    @on(VirtualList.Viewed, "#runs")
    def _viewed(self) -> None:
        self.store.on_screen(self._list.visible_keys)
        self.show_chrome()

    @on(VirtualList.Activated, "#runs")
    def _activated(self) -> None:
        self._open()

    @on(VirtualList.MoreWanted, "#runs")
    @work(group="more", exit_on_error=False)
    async def _load_more(self) -> None:
        try:
            if await self.store.load_more(to_end=self._list.to_end):
                self._list.show(self.store, self._empty_text())
                self.show_chrome()
        except EngineError as error:
            self.say(f"the rest of the list: {error.sentences}", Weight.WARNING)

    # --- filter -------------------------------------------------------------------------------------------------------

    def filtered_list(self) -> VirtualList:
        """See FilterEditing."""
        return self._list

    def redraw_list(self) -> None:
        """See RunsFiltering."""
        self._show_list()

    def filter_changed(self) -> None:
        """See RunsFiltering."""
        self._needs = Needs()
        self._list.following = True
        self._poller.retarget()
        self._show_list()
        self.show_chrome()

    # --- actions ------------------------------------------------------------------------------------------------------

    def handlers(self) -> Handlers:
        """See StudioScreen."""
        return {
            "runs.open": self._open,
            "runs.start": lambda: self.studio_app.start_a_run(self.current.workflow_id if self.current else None),
            "runs.cancel": self._cancel,
            "runs.replay": self._replay,
            "runs.go_on": self._go_on,
            "runs.why": self._why,
            "runs.export": self._export,
            "runs.job": self._job,
            "runs.filter": self.edit_filter,
            "runs.mark": self._list.toggle_mark,
            "runs.mark_span": self._list.mark_span,
            "runs.mark_all": self._mark_all,
            "runs.preview": self._to_preview,
            "runs.toggle_preview": self._toggle_preview,
            "runs.status": partial(self.step_through, "status"),
            "runs.range": partial(self.step_through, "since"),
            "runs.sort": partial(self.step_through, "sort"),
            "runs.follow": self._toggle_follow,
            "runs.workflow": lambda: self.toggle_workflow(self.current),
            "runs.copy": self._copy_id,
            "runs.copy_cli": self._copy_command,
        }

    def back(self) -> None:
        """esc: filter input, preview, marks, filter."""
        if self.filter_editing:
            self.leave_filter()
        elif self._preview.has_focus:
            self._list.focus()
        elif self._list.marks:
            self._list.clear_marks()
        elif self.store.filter.text:
            self.take_filter("")
        else:
            self.say("q leaves the studio")

    def quit(self) -> None:
        """See StudioScreen: this is the first screen."""
        self.app.exit()

    def _open(self) -> None:
        row = self.current
        if row is not None:
            self.studio_app.open_run(row.run_id, self._neighbour)

    def _neighbour(self, run_id: str, by: int) -> str | None:
        """The run above or below in the list as it is now; the cursor goes with it."""
        found = self._list.neighbour(run_id, by)
        if found is None:
            return None
        self._list.move_to(found)
        return found

    def _cancel(self) -> None:
        self.studio_app.cancel_runs(*self._targets(), self._after_action)

    def _replay(self) -> None:
        self.studio_app.replay_runs(*self._targets(), self._after_action)

    def _go_on(self) -> None:
        self.studio_app.act_on_runs(GoOnDialog, *self._targets(), "quota", self._after_action)

    def _targets(self) -> tuple[list[RunRow], int]:
        """The marked runs as the list has them, else the one under the cursor; and how many marked ones are not loaded any
        more."""
        chosen = sorted(self._chosen(), key=lambda row: self.store.index_of(row.run_id) or 0)
        return chosen, max(len(self._list.marks) - len(chosen), 0)

    def _chosen(self) -> Iterator[RunRow]:
        """The marked runs that are loaded, in no order; without marks the run under the cursor."""
        keys = self._list.marks or (self._list.cursor,)
        return (row for row in map(self.store.get, keys) if row is not None)

    def _mark_all(self) -> None:
        self._list.mark_all()
        if self._list.marks and self.store.more:
            self.say(
                f"marked: the {counted(len(self._list.marks), 'loaded run')}; there are more (G loads them, J: all that match)"
            )

    def _export(self) -> None:
        runs, at = self.studio.backend.runs, self.studio.time.now().astimezone(self.studio.zone)
        marks = self._list.marks
        if marks:
            named = sorted(marks, key=lambda key: (self.store.index_of(key) or 0, key))
            self.studio_app.export(export_of_marked(runs, named, at))
        else:
            self.studio_app.export(export_of_filter(runs, self.store.meant_now(), self.store.counts, at))

    def _job(self) -> None:
        query, counts = self.store.meant_now(), self.store.counts
        matching = counts.matching(query) if counts is not None else Count(len(self.store), self.store.more)
        self.studio_app.submit_job(Everything(OF_RUNS, query, self.store.filter.text, matching, "run", "runs"))

    def _after_action(self) -> None:
        self._list.clear_marks()
        self._poller.refresh_now()

    def _why(self) -> None:
        row = self.current
        if row is not None:
            self.studio_app.show_why(row.run_id)

    def _toggle_follow(self) -> None:
        self._list.following = not self._list.following
        if self._list.following:
            self._list.action_act("list.top")
        self.say("following what is new" if self._list.following else "not following: new runs come in above")

    def _copy_id(self) -> None:
        row = self.current
        if row is not None:
            self.studio_app.copy(row.run_id, "run id")

    def _copy_command(self) -> None:
        row = self.current
        if row is not None:
            self.studio_app.copy(f"runstudio run {row.run_id}", "command")
