"""The runs list, the home screen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, Final

from textual import events, on, work
from textual.binding import BindingType

from runstudio_tui.actions import Scope, Situation
from runstudio_tui.domain.catalog import Change, ChangeKind
from runstudio_tui.domain.filter_text import RunFilter, complete, parse_filter, with_value
from runstudio_tui.domain.models import RunId, RunRow
from runstudio_tui.domain.query import Sort
from runstudio_tui.ports import PortError
from runstudio_tui.screens.base import Handlers, StudioScreen, screen_bindings
from runstudio_tui.screens.runs.preview import Preview
from runstudio_tui.screens.runs.rows import counters, matching_text, place, row_line, titles
from runstudio_tui.store.feed import Poller
from runstudio_tui.store.journal import Weight
from runstudio_tui.store.runs import RunsAnswer, RunsStore
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.bar import Bar
from runstudio_tui.widgets.filter_bar import FilterBar
from runstudio_tui.widgets.line import Line, Span, justify, line
from runstudio_tui.widgets.split import Split
from runstudio_tui.widgets.virtual_list import RowState, VirtualList

WIDE: Final = 100
"""Columns from which the preview stands beside the list."""
_DEBOUNCE: Final = 0.3
_STATUS_STEPS: Final = ("", "running,waiting", "failed", "stuck")
_RANGE_STEPS: Final = ("1h", "24h", "7d", "")


class RunsScreen(StudioScreen):
    """List, filter, counters, and the preview where there is room."""

    SCOPE = Scope.RUNS
    BINDINGS: ClassVar[list[BindingType]] = screen_bindings(Scope.RUNS)
    DEFAULT_CSS = """
    RunsScreen Split > Preview { display: none; }
    RunsScreen.-preview Split > Preview { display: block; }
    """

    def __init__(self, studio: Studio, filter_text: str = "", page_scroll: bool = False) -> None:
        super().__init__(studio)
        self.store = RunsStore(studio.backend.runs, studio.time, studio.zone)
        self.store.set_filter(parse_filter(filter_text))
        self._preview_wanted = True
        self._list = VirtualList(self._row, heading=self._titles, page_scroll=page_scroll, follows=True, id="runs")
        self._preview = Preview(studio)
        self._draft: asyncio.Task[None] | None = None
        self._before_edit = ""
        self._left_at: str | None = None
        """The run under the cursor when the filter was changed: the cursor goes back to it where it is still listed."""
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
        yield FilterBar(complete, id="filter")
        yield Bar(id="counters")
        yield Split(self._list, self._preview)

    def where(self) -> Line:
        """See StudioScreen."""
        return line(Span("Runs", "accent"))

    def pollers(self) -> tuple[Poller[Any], ...]:
        """See StudioScreen."""
        return (self._poller, self._preview.poller)

    def heard(self, change: Change) -> None:
        """See StudioScreen."""
        if change.kind is ChangeKind.RUN:
            self._poller.nudge()
            self._preview.hears(change)

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
            rows=len(self.store),
            has_filter=self.store.filter.restricts,
            preview=self.has_class("-preview"),
        )

    async def on_unmount(self) -> None:
        """See StudioScreen."""
        self._preview.stop()
        if self._draft is not None:
            self._draft.cancel()

    # --- drawing ------------------------------------------------------------------------------------------------------

    def _apply(self, answer: RunsAnswer) -> None:
        self.store.apply(answer)

    def _polled(self) -> None:
        self._show_list()
        self._back_to_the_run()
        self.show_chrome()

    def _back_to_the_run(self) -> None:
        if self._left_at is None or not len(self.store):
            return
        self._list.move_to(self._left_at)
        if not self.query_one(FilterBar).editing:
            self._left_at = None

    def show_state(self) -> None:
        """See StudioScreen."""
        self.query_one(FilterBar).show(self._filter_line)

    def _show_list(self) -> None:
        if not self.can_draw:
            return
        changed = self._list.show(self.store, self._empty_text())
        self.store.on_screen(self._list.visible_keys)
        counts, query = self.store.counts, self.store.filter.query
        changed |= self.query_one("#counters", Bar).show(lambda cells: [counters(counts, query, cells)])
        self._preview.show_run(self._preview_run())
        self._preview.redraw()
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
        return place(cells, self.has_class("-preview"))

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
        if self.query_one(FilterBar).editing:
            shown = Span("")  # the text is in the input
        live = Span("● live ", "running") if not self._poller.freshness.paused else Span("‖ paused ", "attention")
        if self._poller.freshness.failures:
            live = Span("○ not current ", "attention")
        counted = matching_text(self.store.counts, self.store.filter.query)
        return [justify(line(shown), line(Span(f"{counted}  ", "dim"), live), cells)]

    def note_right(self) -> Line:
        """See StudioScreen."""
        parts: list[str | Span] = []
        marked = len(self._list.marks)
        if marked:
            hidden = self._list.hidden_marks
            parts.append(Span(f"{marked} marked" + (f" ({hidden} not in view)" if hidden else "") + "  ", "accent"))
        if self._list.unseen:
            parts += [Span(f"+ {self._list.unseen} new  ", "accent"), Span("(g top) ", "dim")]
        return line(*parts)

    # --- preview ------------------------------------------------------------------------------------------------------

    def _fit_preview(self) -> None:
        self.set_class(self._preview_wanted and self.size.width >= WIDE, "-preview")
        self._show_list()

    def on_resize(self, _: events.Resize) -> None:
        """Show the preview only where there is room."""
        self._fit_preview()
        self.show_chrome()

    def _preview_run(self) -> RunId | None:
        row = self.current
        return row.run_id if row is not None and self.has_class("-preview") else None

    def _toggle_preview(self) -> None:
        if self.size.width < WIDE:
            self.say(f"the preview needs {WIDE} columns; this terminal has {self.size.width}", Weight.WARNING)
            return
        self._preview_wanted = not self._preview_wanted
        self._fit_preview()
        self._list.focus()
        self.show_chrome()

    def _to_preview(self) -> None:
        if self._preview.lines.has_focus:
            self._list.focus()
        else:
            self._preview.lines.focus()

    # --- the list's messages ------------------------------------------------------------------------------------------

    @on(VirtualList.Moved, "#runs")
    def _moved(self) -> None:
        self._preview.show_run(self._preview_run())
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
            if await self.store.load_more():
                self._list.show(self.store, self._empty_text())
        except PortError as error:
            self.say(f"the rest of the list: {error}", Weight.WARNING)

    @on(Bar.LinkClicked, "#counters")
    def _counter_clicked(self, event: Bar.LinkClicked) -> None:
        key, _, value = event.link.partition(":")
        chosen = parse_filter(event.link).query
        now = self.store.filter.query
        same = chosen.statuses == now.statuses and chosen.stuck == now.stuck
        self._set_filter(with_value(self.store.filter.text, key, "" if same else value))

    # --- filter -------------------------------------------------------------------------------------------------------

    def _set_filter(self, text: str) -> None:
        self._take_filter(parse_filter(text))

    def _take_filter(self, parsed: RunFilter) -> None:
        if parsed.problems:
            self.say(parsed.problems[0].message, Weight.WARNING)
        if replace(parsed, text="") == replace(self.store.filter, text=""):
            self.store.filter = parsed
            self._show_list()
            return
        self._left_at = self._left_at or self._list.cursor
        self.store.set_filter(parsed)
        self._list.following = True
        self._poller.retarget()
        self._show_list()
        self.show_chrome()

    def _edit_filter(self) -> None:
        self._before_edit = self.store.filter.text
        text = self._before_edit
        self.query_one(FilterBar).edit(f"{text} " if text else "")

    @on(FilterBar.Edited)
    def _filter_edited(self, event: FilterBar.Edited) -> None:
        if self._draft is not None:
            self._draft.cancel()
        if event.done:
            self._close_filter()
            self._set_filter(event.text)
        else:
            self._draft = asyncio.create_task(self._apply_later(event.text))

    async def _apply_later(self, text: str) -> None:
        """Live filtering, once the typing pauses; a line that is not understood yet waits for more."""
        await self.studio.clock.wait(asyncio.Event(), _DEBOUNCE)
        parsed = parse_filter(text)
        if not parsed.problems:
            self._take_filter(parsed)

    def _close_filter(self) -> None:
        self.query_one(FilterBar).close()
        self._list.focus()

    def _step_through(self, key: str, values: tuple[str, ...]) -> None:
        """Set a key of the filter to the value after its present one."""
        present = next(
            (word.partition(":")[2] for word in self.store.filter.text.split() if word.startswith(f"{key}:")), ""
        )
        at = values.index(present) if present in values else -1
        self._set_filter(with_value(self.store.filter.text, key, values[(at + 1) % len(values)]))

    def _toggle_workflow(self) -> None:
        row = self.current
        if row is None:
            return
        chosen = self.store.filter.query.workflow == row.workflow_id
        self._set_filter(with_value(self.store.filter.text, "wf", "" if chosen else row.workflow_id))

    # --- actions ------------------------------------------------------------------------------------------------------

    def handlers(self) -> Handlers:
        """See StudioScreen."""
        return {
            "runs.open": self._open,
            "runs.start": lambda: self.studio_app.start_a_run(self.current.workflow_id if self.current else None),
            "runs.cancel": self._cancel,
            "runs.why": self._why,
            "runs.filter": self._edit_filter,
            "runs.mark": self._list.toggle_mark,
            "runs.mark_span": self._list.mark_span,
            "runs.mark_all": self._list.mark_all,
            "runs.preview": self._to_preview,
            "runs.toggle_preview": self._toggle_preview,
            "runs.status": lambda: self._step_through("status", _STATUS_STEPS),
            "runs.range": lambda: self._step_through("since", _RANGE_STEPS),
            "runs.sort": lambda: self._step_through("sort", tuple(sort.value for sort in Sort)),
            "runs.follow": self._toggle_follow,
            "runs.workflow": self._toggle_workflow,
            "runs.copy": self._copy_id,
            "runs.copy_cli": self._copy_command,
        }

    def back(self) -> None:
        """esc: filter input, preview, marks, filter."""
        if self.query_one(FilterBar).editing:
            if self._draft is not None:
                self._draft.cancel()
            self._close_filter()
            self._set_filter(self._before_edit)
        elif self._preview.lines.has_focus:
            self._list.focus()
        elif self._list.marks:
            self._list.clear_marks()
        elif self.store.filter.text:
            self._set_filter("")
        else:
            self.say("q leaves the studio")

    def quit(self) -> None:
        """See StudioScreen: this is the first screen."""
        self.app.exit()

    def _open(self) -> None:
        row = self.current
        if row is not None:
            self.studio_app.open_run(row.run_id, self._neighbour)

    def _neighbour(self, run_id: RunId, by: int) -> RunId | None:
        """The run above or below in the list as it is now; the cursor goes with it."""
        found = self._list.neighbour(run_id, by)
        if found is None:
            return None
        self._list.move_to(found)
        return RunId(found)

    def _cancel(self) -> None:
        marks = sorted(self._list.marks, key=lambda key: self.store.index_of(key) or 0)
        marked = [row for row in (self.store.get(key) for key in marks) if row is not None]
        lost = len(self._list.marks) - len(marked)
        rows = marked if self._list.marks else [row for row in (self.current,) if row is not None]
        self.studio_app.cancel_runs(rows, lost, self._after_action)

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
