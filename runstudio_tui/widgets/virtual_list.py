"""A list of any length that draws only what is on the screen. Identity is an id: cursor and marks never hold a row number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from runstudio_tui.actions import Scope
from runstudio_tui.bindings import bindings_of
from runstudio_tui.widgets.cells import width
from runstudio_tui.widgets.line import Line, Span, highlight, line_width, plain, shift_line
from runstudio_tui.widgets.painted import Painted
from runstudio_tui.widgets.rows import Draw, Keys, RowSource, RowState

__all__ = ("Keys", "RowState", "VirtualList")

CURSOR = "▌"
_WHEEL = 3
_PREFETCH = 30
"""Rows before the loaded end at which more are asked for."""


@dataclass
class OfList(Message):
    """Something about a list."""

    list: VirtualList

    @property
    def control(self) -> VirtualList:
        """The list, for ``@on`` selectors."""
        return self.list


class VirtualList(Painted, can_focus=True):
    """See the module. ``show`` takes a source; what differs from the screen is drawn, nothing else."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Scope.LIST)
    DEFAULT_CSS = """
    VirtualList { height: 1fr; width: 1fr; }
    """

    @dataclass
    class Moved(OfList):
        """The cursor is on another row, or the list has become empty (None)."""

        key: str | None

    @dataclass
    class Activated(OfList):
        """A row was double-clicked."""

        key: str

    @dataclass
    class Viewed(OfList):
        """Other rows are on the screen, or marks or the number of unseen new rows changed."""

    @dataclass
    class LaidOut(OfList):
        """It has another size: what is cut, or in sight, can be something else."""

    @dataclass
    class MoreWanted(OfList):
        """The view is near the loaded end, and there is more."""

    def __init__(
        self,
        draw: Draw,
        *,
        heading: Callable[[int], Line] | None = None,
        with_cursor: bool = True,
        cursor_rests: bool = True,  # the cursor is shown also while the keyboard is elsewhere
        page_scroll: bool = False,
        follows: bool = False,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._draw_row = draw
        self._heading = heading
        self._with_cursor = with_cursor
        self._cursor_rests = cursor_rests
        self._page_scroll = page_scroll
        self._follows = follows
        self._source: RowSource = Keys()
        self._empty: Line = ()
        self._cursor: str | None = None
        self._place = 0
        """Last known place of the cursor: where it stays when its row disappears."""
        self._top = 0
        self._anchor: str | None = None
        """Id of the first row on the screen as last drawn: it stays there when rows come in above."""
        self._touched = False
        """True once somebody moved in it: until then the view depends on the cursor and the room alone, not on the sizes it had
        before."""
        self._marks: set[str] = set()
        self._last_mark: str | None = None
        self._to_end = False
        self.following = follows
        """While true, the view stays at the top as rows come in above."""
        self.unseen = 0
        """Rows that came in above the view since it was last at the top."""
        self._sought = ""
        self._left = 0
        """Cells of every row that are out of sight on the left."""

    # --- what it shows ------------------------------------------------------------------------------------------------

    def show(self, source: RowSource, empty: Line = ()) -> bool:
        """Take over a source whose rows may have changed; ``empty`` stands where there are none. True when it looks different."""
        anchor, anchor_place = (None if self.following else self._anchor), self._top
        in_view = not self._touched or self._cursor_in_view()
        self._source, self._empty = source, empty
        if anchor is not None:
            place = source.index_of(anchor)
            if place is not None and place != anchor_place:
                self.unseen += max(place - anchor_place, 0)
                self._top = place
        self._settle_cursor()
        if self._to_end and len(source) and not source.more:
            self._go(len(source) - 1)
            self._to_end = False
        if self.following:
            self._top = 0
            # Where the operator's row would leave the screen, the view stays with it instead.
            self.following = not self._with_cursor or self._place < max(self._room(), 1)
        if not self._touched:
            self._top = 0
        if in_view:
            self._show_cursor()
        self._clamp()
        return self.redraw()

    def redraw(self) -> bool:
        """Draw the rows on the screen again where they differ: when time went on, or after ``show``."""
        if not self.size.width:
            return False
        self._anchor = self._source.id_at(self._top) if self._top < len(self._source) else None
        # In a list that has room for all of its rows, or is at its top again, none is above.
        self.unseen = min(self.unseen, self._top)
        lines: list[Line] = []
        if self._heading is not None:
            lines.append((*self._gutter(False), *self._heading(self.row_width)))
        cursor_at = -1
        shows_cursor = self._with_cursor and (self._cursor_rests or self.has_focus)
        for place in range(self._top, min(self._top + self._room(), len(self._source))):
            key = self._source.id_at(place)
            at_cursor = shows_cursor and key == self._cursor
            if at_cursor:
                cursor_at = len(lines)
            row = highlight(self._drawn(key, at_cursor=at_cursor), self._sought)
            lines.append((*self._gutter(at_cursor), *shift_line(row, self._left)))
        if not len(self._source) and self._empty:
            lines.append((Span(" "), *self._empty))
        changed = self.put_lines(lines, cursor_at)
        if self._source.more and (self._to_end or self._top + self._room() + _PREFETCH >= len(self._source)):
            self.post_message(self.MoreWanted(self))
        return changed

    @property
    def to_end(self) -> bool:
        """True while it waits for the rest of its rows, to go to the last one then: on the way there nothing is drawn."""
        return self._to_end

    @property
    def length(self) -> int:
        """How many rows there are, loaded and in sight or not."""
        return len(self._source)

    def _drawn(self, key: str, *, at_cursor: bool = False) -> Line:
        return self._draw_row(key, self.row_width, RowState(at_cursor, key in self._marks))

    @property
    def row_width(self) -> int:
        """Cells of a row, right of the cursor's column."""
        return self.size.width - 1 if self._with_cursor else self.size.width

    def _gutter(self, at_cursor: bool) -> Line:
        """The cursor's column; lists without a cursor have none."""
        if not self._with_cursor:
            return ()
        return (Span(CURSOR, "accent" if self.has_focus else "dim") if at_cursor else Span(" "),)

    def resized(self) -> None:
        """See Painted."""
        if not self._touched:
            self._top = 0
        self._clamp()
        self._show_cursor()
        self.redraw()
        self.post_message(self.LaidOut(self))

    def focus_changed(self) -> None:
        """See Painted."""
        self.redraw()

    @property
    def visible_keys(self) -> tuple[str, ...]:
        """Ids of the rows on the screen."""
        end = min(self._top + self._room(), len(self._source))
        return tuple(self._source.id_at(place) for place in range(self._top, end))

    # --- cursor -------------------------------------------------------------------------------------------------------

    @property
    def cursor(self) -> str | None:
        """Id of the row the cursor is on; None in an empty list."""
        return self._cursor

    def move_to(self, key: str) -> bool:
        """Put the cursor on an id; False when it is not in the list."""
        place = self._source.index_of(key)
        if place is None:
            return False
        self._go(place)
        self._show_match()
        self.redraw()
        return True

    def neighbour(self, key: str, by: int) -> str | None:
        """The id ``by`` rows below (or above, negative) another one."""
        place = self._source.index_of(key)
        if place is None or not 0 <= place + by < len(self._source):
            return None
        return self._source.id_at(place + by)

    def action_act(self, action: str) -> None:
        """Move; the actions of scope ``lists``."""
        page = max(self._room() - 1, 1)
        here = self._place if self._with_cursor else self._top
        last = len(self._source) - 1
        self._to_end = False
        self._touched = True
        match action:
            case "list.up":
                self._step(here - 1)
            case "list.down":
                self._step(here + 1)
            case "list.page_up":
                self._step(here - page)
            case "list.page_down":
                self._step(here + page)
            case "list.top":
                self._step(0)
                self.following = self._follows
            case "list.end":
                self._to_end = self._source.more
                if not self._to_end:
                    self._step(last)
            case "list.left":
                self._move_sideways(-self._stride)
            case "list.right":
                self._move_sideways(self._stride)
        self.redraw()
        self.post_message(self.Viewed(self))

    def _step(self, place: int) -> None:
        if not len(self._source):
            return
        place = min(max(place, 0), len(self._source) - 1)
        if self._with_cursor:
            if place != self._place:
                self.following = False
            self._go(place)
        else:
            self._top = place
            self._clamp()

    def _go(self, place: int) -> None:
        key = self._source.id_at(place)
        moved = key != self._cursor
        self._cursor, self._place = key, place
        self._show_cursor()
        if moved:
            self.post_message(self.Moved(self, key))

    def _settle_cursor(self) -> None:
        """Keep the cursor on its id; where that is gone, on the row that took its place."""
        if not self._with_cursor:
            return
        if not len(self._source):
            if self._cursor is not None:
                self._cursor, self._place = None, 0
                self.post_message(self.Moved(self, None))
            return
        place = self._source.index_of(self._cursor) if self._cursor is not None else None
        if place is None:
            place = min(self._place, len(self._source) - 1)
            self._cursor = self._source.id_at(place)
            self.post_message(self.Moved(self, self._cursor))
        self._place = place

    # --- view ---------------------------------------------------------------------------------------------------------

    def _room(self) -> int:
        """Rows that fit."""
        return max(self.size.height - (1 if self._heading is not None else 0), 0)

    def _cursor_in_view(self) -> bool:
        return self._top <= self._place < self._top + self._room()

    def _clamp(self) -> None:
        self._top = min(self._top, max(len(self._source) - self._room(), 0))

    def _show_cursor(self) -> None:
        room = self._room()
        if not self._with_cursor or room <= 0:
            return
        if self._place < self._top:
            self._top = max(self._place - (room // 2 if self._page_scroll else 0), 0)
        elif self._place >= self._top + room:
            self._top = self._place - (room // 2 if self._page_scroll else room - 1)
        self._clamp()

    # --- sideways -----------------------------------------------------------------------------------------------------

    @property
    def _stride(self) -> int:
        return max(self.row_width // 2, 1)

    def _move_sideways(self, by: int) -> None:
        """Bring to sight what is cut off, as far as there is any on the rows on the screen."""
        longest = max((line_width(self._drawn(key)) for key in self.visible_keys), default=0)
        self._left = min(max(self._left + by, 0), max(longest - self.row_width, 0))

    def _show_cells(self, first: int, end: int) -> None:
        """Bring cells of the row under the cursor to sight; nothing to do before there is any room."""
        if self.row_width <= 0:
            return
        if first < self._left or end > self._left + self.row_width:
            self._left = max(first - self.row_width // 3, 0) if end > self.row_width else 0

    def _show_match(self) -> None:
        if self._sought and self._cursor is not None:
            text = plain(self._drawn(self._cursor))
            at = text.casefold().find(self._sought.casefold())
            if at >= 0:
                first = width(text[:at])
                self._show_cells(first, first + width(self._sought))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the view, not the cursor."""
        event.stop()
        self._wheel(_WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves the view, not the cursor."""
        event.stop()
        self._wheel(-_WHEEL)

    def _wheel(self, by: int) -> None:
        self.following = False
        self._touched = True
        self._top = max(self._top + by, 0)
        self._clamp()
        self.redraw()
        self.post_message(self.Viewed(self))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor, a double click opens."""
        place = self._top + event.y - (1 if self._heading is not None else 0)
        if not self._with_cursor or not self._top <= place < len(self._source):
            return
        event.stop()
        self._touched = True
        self._step(place)
        self.redraw()
        if event.chain == 2:
            self.post_message(self.Activated(self, self._source.id_at(place)))

    # --- marks --------------------------------------------------------------------------------------------------------

    @property
    def marks(self) -> frozenset[str]:
        """Marked ids, also of rows that are filtered out now."""
        return frozenset(self._marks)

    @property
    def hidden_marks(self) -> int:
        """How many of the marked rows are not in the list now."""
        return sum(1 for key in self._marks if self._source.index_of(key) is None)

    def toggle_mark(self) -> None:
        """Mark the row under the cursor, or take its mark away, and go one down."""
        if self._cursor is None:
            return
        self._marks ^= {self._cursor}
        self._last_mark = self._cursor
        self._step(self._place + 1)
        self._marks_changed()

    def mark_span(self) -> None:
        """Mark everything from the last marked row to the cursor."""
        start = self._source.index_of(self._last_mark) if self._last_mark is not None else None
        first, last = sorted((self._place if start is None else start, self._place))
        self._marks |= {self._source.id_at(place) for place in range(first, min(last + 1, len(self._source)))}
        self._last_mark = self._cursor
        self._marks_changed()

    def mark_all(self) -> None:
        """Mark every loaded row, or none when all are marked."""
        everything = {self._source.id_at(place) for place in range(len(self._source))}
        self._marks = self._marks - everything if everything <= self._marks else self._marks | everything
        self._marks_changed()

    def clear_marks(self) -> None:
        """Take all marks away."""
        self._marks.clear()
        self._last_mark = None
        self._marks_changed()

    def _marks_changed(self) -> None:
        self.redraw()
        self.post_message(self.Viewed(self))

    # --- find ---------------------------------------------------------------------------------------------------------

    def seek(self, wanted: str) -> None:
        """Show where ``wanted`` stands in the visible lines; empty ends that."""
        if wanted != self._sought:
            self._sought = wanted
            self.redraw()
