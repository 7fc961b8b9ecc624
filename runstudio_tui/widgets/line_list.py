"""A scrolling list of lines made for the width there is: panes, help, messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runstudio_tui.widgets.line import Line, line_width, plain
from runstudio_tui.widgets.virtual_list import Keys, RowState, VirtualList


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a pane."""

    line: Line
    copy: str | None = None
    """What is copied from it, unshortened; None: what is drawn."""
    key: str = ""
    """Stable id; empty: the place in the list."""
    link: str = ""
    """What ``enter`` on it opens, for the screen; empty for nothing."""


Make = Callable[[int], list[Row]]


class LineList(VirtualList):
    """Shows the rows ``make`` returns for a width. With a cursor, rows can be copied and opened."""

    def __init__(self, *, with_cursor: bool = False, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(self._line_of, with_cursor=with_cursor, cursor_rests=False, id=id, classes=classes)
        self._make: Make = lambda _: []
        self._rows: dict[str, Row] = {}

    def show_rows(self, make: Make) -> bool:
        """Show rows now and after every change of width; True when it looks different."""
        self._make = make
        return self._remake()

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self._rows.get(self.cursor) if self.cursor is not None else None

    @property
    def current_text(self) -> str:
        """What copying the row under the cursor copies."""
        row = self.current
        if row is None:
            return ""
        return row.copy if row.copy is not None else plain(row.line).strip()

    @property
    def cut_text(self) -> str:
        """The text of the row under the cursor where not all of it is in sight; empty otherwise."""
        row = self.current
        return self.current_text if row is not None and line_width(row.line) > self.row_width else ""

    @property
    def all_text(self) -> str:
        """All lines as text."""
        return "\n".join(plain(row.line).rstrip() for row in self._rows.values())

    def find(self, wanted: str) -> list[str]:
        """Ids of the rows containing ``wanted``, without case."""
        needle = wanted.casefold()
        return [key for key, row in self._rows.items() if needle in plain(row.line).casefold()] if needle else []

    def resized(self) -> None:
        """See Painted."""
        self._remake()
        super().resized()

    def _remake(self) -> bool:
        if not self.size.width:
            return False
        rows = self._make(self.row_width)
        self._rows = {row.key or str(place): row for place, row in enumerate(rows)}
        return self.show(Keys(tuple(self._rows)))

    def _line_of(self, key: str, _: int, __: RowState) -> Line:
        return self._rows[key].line
