"""What the screens with a list and a detail share: filter line, paging, a poller, the detail beside the list or in its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final, Generic, TypeVar

from textual import events, on, work

from engine.errors import EngineError
from engine.records import Page
from engine.wording import counted
from runstudio_tui.actions import Situation
from runstudio_tui.domain.filter_words import FilterKey, FilterWords, Problem, completions, read_words
from runstudio_tui.screens.base import Handlers
from runstudio_tui.screens.chrome import live_mark
from runstudio_tui.screens.filter_editing import FilterEditing
from runstudio_tui.store.feed import Poller
from runstudio_tui.store.journal import Weight
from runstudio_tui.store.paged import PagedAnswer, PagedStore
from runstudio_tui.store.run import SETTLE, Body, OnDemand
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.filter_bar import FilterBar
from runstudio_tui.widgets.line import Line, Span, justify, line
from runstudio_tui.widgets.line_list import LineList
from runstudio_tui.widgets.line_list import Row as DetailRow
from runstudio_tui.widgets.split import Split
from runstudio_tui.widgets.virtual_list import RowState, VirtualList

Row = TypeVar("Row")
Detail = TypeVar("Detail")

WIDE: Final = 100
"""Columns from which the detail can stand beside the list; below, it takes the list's place."""


class ListScreen(FilterEditing, Generic[Row, Detail]):
    """A subclass says how rows are read, keyed and drawn, and what the detail of one is."""

    FILTER_KEYS: ClassVar[Sequence[FilterKey]] = ()
    FILTER_EXAMPLE: ClassVar[str] = ""
    BESIDE: ClassVar[int] = WIDE
    """Columns from which the detail stands beside the list by itself: the list keeps its own columns there."""
    DEFAULT_CSS = """
    ListScreen Split > .-right { display: none; border-left: none; }
    ListScreen.-wide Split > .-right { display: block; border-left: solid $tone-rule; }
    ListScreen.-detail.-narrow Split > .-left { display: none; }
    ListScreen.-detail.-narrow Split > .-right { display: block; }
    """

    def __init__(self, studio: Studio, page_scroll: bool = False) -> None:
        super().__init__(studio)
        self.filter: FilterWords = read_words("", self.FILTER_KEYS)
        self.rows: PagedStore[Row] = PagedStore(self.fetch_page, self.key_of, studio.time)
        self.listing = VirtualList(self._row, heading=self.titles, page_scroll=page_scroll, id="list")
        self.detail = LineList(with_cursor=True, id="detail")
        self._bodies: OnDemand[Detail] = OnDemand(
            lambda key: self.fetch_detail(str(key)), self.show_detail, clock=studio.clock, settle=SETTLE
        )
        self._beside: bool | None = None
        """The detail is beside the list, or not, by hand; None: as the width allows."""
        self._sought: str | None = None
        """The row another screen asked for, until it is loaded."""
        self._poller: Poller[PagedAnswer[Row]] = Poller(
            clock=studio.clock,
            fetch=self.rows.fetch,
            apply=self._apply,
            interval=lambda: studio.poll_seconds,
            polled=self._polled,
            broken=studio.report_bug,
        )

    # --- what a subclass says -----------------------------------------------------------------------------------------

    async def fetch_page(self, after: str | None, limit: int) -> Page[Row]:
        """Rows of the filter, after a cursor. Raises EngineError."""
        raise NotImplementedError

    def still_meant(self, row: Row) -> bool:
        """False for a row that a relative time of the filter has left behind since it was asked for."""
        return True

    def key_of(self, row: Row) -> str:
        """The id of a row."""
        raise NotImplementedError

    def titles(self, cells: int) -> Line:
        """The heading of the list."""
        raise NotImplementedError

    def row_line(self, row: Row, cells: int, state: RowState) -> Line:
        """One row of the list."""
        raise NotImplementedError

    def empty_text(self) -> Line:
        """What stands in a list without rows and without a filter."""
        raise NotImplementedError

    async def fetch_detail(self, key: str) -> Detail:
        """The detail of a row. Raises EngineError."""
        raise NotImplementedError

    def detail_rows(self, detail: Detail, cells: int) -> list[DetailRow]:
        """The lines of a detail."""
        raise NotImplementedError

    def open_link(self, link: str) -> None:
        """enter on a line of the detail that has a link, ``run:ID`` for instance."""
        kind, _, name = link.partition(":")
        if kind == "run":
            self.studio_app.open_run(name)

    # --- parts --------------------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Any]:
        """See StudioScreen."""
        yield FilterBar(lambda text: completions(text, self.FILTER_KEYS), self.FILTER_EXAMPLE, id="filter")
        yield Split(self.listing, self.detail)

    def pollers(self) -> tuple[Poller[Any], ...]:
        """See StudioScreen."""
        return (self._poller,)

    def on_mount(self) -> None:
        """See StudioScreen."""
        self.listing.focus()
        self._fit()

    async def on_unmount(self) -> None:
        """See StudioScreen."""
        self._bodies.stop()

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self.rows.get(self.listing.cursor)

    @property
    def current_detail(self) -> Detail | None:
        """The detail of the row under the cursor, once it was read."""
        body = self._bodies.body
        return body.value if body is not None and body.key == self.listing.cursor else None

    @property
    def marked(self) -> list[Row]:
        """The marked rows that are loaded, in the order of the list; without marks the row under the cursor."""
        if not self.listing.marks:
            return [row for row in (self.current,) if row is not None]
        keys = sorted(self.listing.marks, key=lambda key: self.rows.index_of(key) or 0)
        return [row for row in (self.rows.get(key) for key in keys) if row is not None]

    @property
    def lost_marks(self) -> int:
        """How many marked rows are not loaded any more."""
        return self.listing.hidden_marks

    def situation(self) -> Situation:
        """See StudioScreen."""
        return Situation(
            level=self.studio.level,
            row=self.current,
            who=self.studio.who.actor if self.studio.who is not None else "",
            marked=len(self.listing.marks),
            rows=len(self.rows),
            loading=self._poller.freshness.unread,
            has_filter=bool(self.filter.text),
            detail=self.has_class("-detail"),
            can_open=not self.detail.has_focus or self._opens_something,
        )

    @property
    def _opens_something(self) -> bool:
        row = self.detail.current
        return row is not None and bool(row.link or self.detail.cut_text)

    def _apply(self, answer: PagedAnswer[Row]) -> None:
        self.rows.apply(answer)
        self.rows.keep(self.still_meant)

    # --- drawing ------------------------------------------------------------------------------------------------------

    def _polled(self) -> None:
        self.show_list()
        self._find_sought()
        if self.listing.cursor is not None and self._detail_shown:
            self._bodies.look_at(self.listing.cursor, again=True)
        self.show_chrome()

    def show_state(self) -> None:
        """See StudioScreen."""
        self.query_one(FilterBar).show(self._filter_line)

    def show_list(self) -> None:
        """Draw the rows that differ."""
        if self.can_draw and self.listing.show(self.rows, self._empty()):
            self.as_of = self.studio.time.now()

    def show_detail(self) -> None:
        """Draw the detail where it differs."""
        if self.can_draw:
            self.detail.show_rows(self._detail_rows)

    @property
    def _detail_shown(self) -> bool:
        return self.has_class("-wide") or self.has_class("-detail")

    def _detail_rows(self, cells: int) -> list[DetailRow]:
        body: Body[Detail] | None = self._bodies.body
        if body is None or body.key != self.listing.cursor:
            return []
        if body.value is None:
            text = "loading…" if body.error is None else body.error.sentences
            return [DetailRow(line(Span(f" {safe(text)}", "dim" if body.error is None else "failed")))]
        return self.detail_rows(body.value, cells)

    def _row(self, key: str, cells: int, state: RowState) -> Line:
        row = self.rows.get(key)
        return () if row is None else self.row_line(row, cells, state)

    def _empty(self) -> Line:
        if not self.rows.loaded:
            return line(Span("loading…", "dim")) if not self._poller.freshness.failures else ()
        if self.filter.text:
            return line(Span("Nothing matches this filter. ", "dim"), Span("esc", "key"), Span(" clears it.", "dim"))
        return self.empty_text()

    def _filter_line(self, cells: int) -> list[Line]:
        text = safe(self.filter.text)
        shown = Span(f" {text}") if text else Span(" all", "dim")
        if self.filter_editing:
            shown = Span("")  # the text is in the input
        live = live_mark(self._poller.freshness, self.studio.poll_seconds)
        more = "+" if self.rows.more else ""
        return [justify(line(shown), line(Span(f"{len(self.rows)}{more}  ", "dim"), live), cells)]

    def note_right(self) -> Line:
        """See StudioScreen."""
        if self.listing.to_end:
            return line(Span(f"to the end: {len(self.rows):,} loaded… ", "accent"))
        marked = len(self.listing.marks)
        return line(Span(f"{marked} marked ", "accent")) if marked else ()

    # --- list and detail ----------------------------------------------------------------------------------------------

    def _fit(self) -> None:
        beside = self.size.width >= self.BESIDE if self._beside is None else self._beside
        wide = beside and self.size.width >= WIDE
        self.set_class(wide, "-wide")
        self.set_class(not wide, "-narrow")
        self._look()

    def on_resize(self, _: events.Resize) -> None:
        """The detail stands beside the list only where there is room."""
        self._fit()
        self.show_chrome()

    def _look(self, *, at_once: bool = True) -> None:
        if self.listing.cursor is not None and self._detail_shown:
            self._bodies.look_at(self.listing.cursor, at_once=at_once or self._bodies.body is None)
        if not self._bodies.settling:
            self.show_detail()

    @on(VirtualList.Moved, "#list")
    def _moved(self) -> None:
        # Beside the list, the detail of the row before stands until the cursor has rested on another one.
        self._look(at_once=not self.has_class("-wide"))
        self.show_chrome()

    @on(VirtualList.LaidOut, "#detail")
    def _laid_out(self) -> None:
        self.show_chrome()

    @on(VirtualList.Activated, "#list")
    def _activated(self) -> None:
        self.open_detail()

    @on(VirtualList.MoreWanted, "#list")
    @work(group="more", exit_on_error=False)
    async def _load_more(self) -> None:
        try:
            if await self.rows.load_more(to_end=self.listing.to_end):
                self.show_list()
                self.show_chrome()
        except EngineError as error:
            self.say(f"the rest of the list: {error.sentences}", Weight.WARNING)

    def open_detail(self) -> None:
        """enter: to the detail; in it, open what is under the cursor."""
        if self.detail.has_focus:
            row = self.detail.current
            if row is not None and row.link:
                self.open_link(row.link)
            elif self.detail.cut_text:
                self.studio_app.show_text("The whole line", self.detail.cut_text)
        else:
            self._to_detail()

    def _to_detail(self) -> None:
        self.add_class("-detail")
        self._look()
        self.detail.focus()
        self.show_chrome()

    def seek(self, key: str) -> None:
        """Put the cursor on a row and open its detail, as soon as it is loaded."""
        self._sought = key
        if self.filter.text:
            self.take_filter("")
        self._find_sought()

    def _find_sought(self) -> None:
        if self._sought is not None and self.listing.move_to(self._sought):
            self._sought = None
            self._to_detail()

    def close_detail(self) -> None:
        """Back to the list."""
        self.remove_class("-detail")
        self.listing.focus()
        self.show_chrome()

    def refresh_rows(self) -> None:
        """Something was done: take the marks away and read again now."""
        self.listing.clear_marks()
        self._poller.refresh_now()

    # --- filter -------------------------------------------------------------------------------------------------------

    def filter_text(self) -> str:
        """See FilterEditing."""
        return self.filter.text

    def filter_problems(self, text: str) -> Sequence[Problem]:
        """See FilterEditing."""
        return read_words(text, self.FILTER_KEYS).problems

    def take_filter(self, text: str) -> None:
        """See FilterEditing."""
        before, self.filter = self.filter, read_words(text, self.FILTER_KEYS)
        if (self.filter.values, self.filter.words) != (before.values, before.words):
            self.rows.forget()
            self._poller.retarget()
            self.show_list()
        self.show_chrome()

    def filtered_list(self) -> VirtualList:
        """See FilterEditing."""
        return self.listing

    # --- actions ------------------------------------------------------------------------------------------------------

    def handlers(self) -> Handlers:
        """See StudioScreen. The actions of ``list_actions``; a subclass adds its own."""
        name = self.SCOPE.value
        return {
            f"{name}.open": self.open_detail,
            f"{name}.filter": self.edit_filter,
            f"{name}.detail": self._toggle_detail,
            f"{name}.beside": self._toggle_beside,
            f"{name}.copy": self._copy,
            f"{name}.mark": self.listing.toggle_mark,
            f"{name}.mark_span": self.listing.mark_span,
            f"{name}.mark_all": self._mark_all,
        }

    def _toggle_beside(self) -> None:
        if self.size.width < WIDE:
            self.say(
                f"the detail beside the list needs {WIDE} columns; this terminal has {self.size.width}", Weight.WARNING
            )
            return
        self._beside = not self.has_class("-wide")
        self._fit()
        self.close_detail()

    def _mark_all(self) -> None:
        self.listing.mark_all()
        if self.listing.marks and self.rows.more:
            self.say(f"marked: the {counted(len(self.listing.marks), 'loaded row')}; there are more (G loads them)")

    def _toggle_detail(self) -> None:
        if self.detail.has_focus:
            self.close_detail()
        else:
            self.open_detail()

    def _copy(self) -> None:
        if self.detail.has_focus:
            self.studio_app.copy(self.detail.current_text, "line")
        elif self.listing.cursor is not None:
            self.studio_app.copy(self.listing.cursor, "id")

    def back(self) -> None:
        """esc: filter input, detail, marks, filter."""
        if self.filter_editing:
            self.leave_filter()
        elif self.detail.has_focus:
            self.close_detail()
        elif self.listing.marks:
            self.listing.clear_marks()
        elif self.filter.text:
            self.take_filter("")
        else:
            self.leave()

    def quit(self) -> None:
        """See StudioScreen."""
        self.leave()

    def leave(self) -> None:
        """Back to the runs."""
        self.studio_app.go_to("runs")
