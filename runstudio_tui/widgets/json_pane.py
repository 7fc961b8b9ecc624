"""A JSON document: folds, search, the path of what is under the cursor, copying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from textual.message import Message

from engine.records import Document
from engine.wording import counted
from runstudio_tui.domain.jsonview import JsonIndex, JsonKind, JsonLine, flatten, pretty, value_at
from runstudio_tui.text import safe
from runstudio_tui.widgets.folding_pane import FoldingPane
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.virtual_list import RowState

JSON_TONES: Final = {
    JsonKind.OPEN: "dim",
    JsonKind.CLOSE: "dim",
    JsonKind.TEXT: "text",
    JsonKind.NUMBER: "waiting",
    JsonKind.WORD: "waiting",
    JsonKind.MASKED: "attention",
}


AT_LEAST: Final = 24
"""Cells of a value that are in sight while the cursor is on it."""


class _Visible:
    """The visible lines as a source of rows; ids are the numbers of the lines in the whole document."""

    more = False

    def __init__(self, visible: list[int]) -> None:
        self._visible = visible
        self._places = {str(index): place for place, index in enumerate(visible)}

    def __len__(self) -> int:
        return len(self._visible)

    def id_at(self, place: int, /) -> str:
        """See RowSource."""
        return str(self._visible[place])

    def index_of(self, key: str, /) -> int | None:
        """See RowSource."""
        return self._places.get(key)


class JsonPane(FoldingPane):
    """Shows one document; folds are kept by path when a newer one comes."""

    @dataclass
    class WholeWanted(Message):
        """enter on a value that is no container: it is to be seen whole."""

        pointer: str
        text: str

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(self._line_of, cursor_rests=False, id=id, classes=classes)
        self._document: Document | None = None
        self._index = JsonIndex(())

    def show_document(self, document: Document | None, instead: str = "") -> None:
        """Show a document; without one, ``instead`` says why there is none."""
        if document is not None and document == self._document:
            self.redraw()
            return
        self._document = document
        lines: tuple[JsonLine, ...] = flatten(document) if document is not None else ()
        self._index = JsonIndex(lines, self._index.folded)
        self._show(instead)

    def _go(self, place: int) -> None:
        """See VirtualList; where a value stands so deep that nothing of it would be seen, the pane moves along."""
        super()._go(place)
        found = self._current
        if found is not None:
            begin = 2 * found.depth + 2
            self._show_cells(begin, begin + min(self.row_width // 3, AT_LEAST))

    @property
    def path(self) -> str:
        """JSON pointer of what is under the cursor; ``/`` for the whole."""
        found = self._current
        return safe(found.pointer) or "/" if found is not None else ""

    @property
    def can_open(self) -> bool:
        """Whether enter does something: it folds, or shows a value whole."""
        found = self._current
        return found is not None and found.kind is not JsonKind.CLOSE

    @property
    def current_text(self) -> str:
        """The value under the cursor as JSON, or bare when it is a text."""
        if self._document is None or self._current is None:
            return ""
        value = value_at(self._document.value, self._current.pointer)
        return value if isinstance(value, str) else pretty(value)

    @property
    def all_text(self) -> str:
        """The whole document as JSON."""
        return pretty(self._document.value) if self._document is not None else ""

    def find(self, wanted: str) -> list[str]:
        """Ids of all lines, also folded ones, that contain ``wanted``."""
        return [str(index) for index in self._index.find(wanted)]

    def move_to(self, key: str) -> bool:
        """See VirtualList; unfolds what hides the line."""
        if key.isdigit() and int(key) < len(self._index.lines):
            self._index.reveal(int(key))
            self._show()
        return super().move_to(key)

    def fold(self, *, close: bool) -> None:
        """See FoldingPane."""
        found = self._current
        if found is None:
            return
        is_container = found.kind is JsonKind.OPEN
        if is_container and self._index.is_folded(found.pointer) != close:
            self._toggle(found.pointer)
        elif close:
            holder = found.pointer.rpartition("/")[0] if found.kind is not JsonKind.CLOSE else found.pointer
            places = [i for i, entry in enumerate(self._index.lines) if entry.pointer == holder]
            if places:
                super().move_to(str(places[0]))

    def open_or_fold(self) -> None:
        """See FoldingPane."""
        found = self._current
        if found is not None and found.kind is JsonKind.OPEN:
            self._toggle(found.pointer)
        elif found is not None and found.kind is not JsonKind.CLOSE:
            self.post_message(self.WholeWanted(self.path, self.current_text))

    def fold_all(self, *, close: bool) -> None:
        """See FoldingPane."""
        self._index.fold_below(1 if close else 0)
        self._show()

    @property
    def _current(self) -> JsonLine | None:
        return self._index.lines[int(self.cursor)] if self.cursor is not None and self._index.lines else None

    def _toggle(self, pointer: str) -> None:
        self._index.toggle(pointer)
        self._show()

    def _show(self, instead: str = "") -> None:
        self.show(_Visible(self._index.visible), line(Span(instead, "dim")))

    def _line_of(self, key: str, cells: int, _: RowState) -> Line:
        entry = self._index.lines[int(key)]
        indent = "  " * entry.depth
        name = Span(entry.key, "accent")
        if entry.kind is not JsonKind.OPEN:
            return line(indent + "  ", name, Span(entry.text, JSON_TONES[entry.kind]))
        folded = self._index.is_folded(entry.pointer)
        sign = Span("▸ " if folded else "▾ ", "dim")
        inside = ""
        if folded:
            end = "}" if entry.text == "{" else "]"
            inside = f" {counted(entry.members, 'member' if end == '}' else 'item')} {end}"
        return line(indent, sign, name, Span(entry.text + inside, "dim"))
