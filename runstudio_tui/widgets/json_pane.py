"""A JSON document: folds, search, the path of what is under the cursor, copying."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.binding import Binding, BindingType

from runstudio_tui.domain.jsonview import JsonIndex, JsonKind, JsonLine, flatten, pretty, value_at
from runstudio_tui.domain.models import Document
from runstudio_tui.text import safe
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.virtual_list import RowState, VirtualList

_TONES: Final = {
    JsonKind.OPEN: "dim",
    JsonKind.CLOSE: "dim",
    JsonKind.TEXT: "text",
    JsonKind.NUMBER: "waiting",
    JsonKind.WORD: "waiting",
    JsonKind.MASKED: "attention",
}


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


class JsonPane(VirtualList):
    """Shows one document; folds are kept by path when a newer one comes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "fold(True)", "fold", show=False),
        Binding("right", "fold(False)", "unfold", show=False),
        Binding("enter,space", "toggle_fold", "fold", show=False),
        Binding("minus", "fold_all(2)", "fold all", show=False),
        Binding("plus,equals_sign", "fold_all(0)", "unfold all", show=False),
    ]

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

    @property
    def path(self) -> str:
        """JSON pointer of what is under the cursor; ``/`` for the whole."""
        found = self._current
        return safe(found.pointer) or "/" if found is not None else ""

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

    def action_fold(self, close: bool) -> None:
        """left: fold, or go to what holds this; right: unfold."""
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

    def action_toggle_fold(self) -> None:
        """enter: fold or unfold."""
        found = self._current
        if found is not None and found.kind is JsonKind.OPEN:
            self._toggle(found.pointer)

    def action_fold_all(self, depth: int) -> None:
        """Fold everything at that depth and below; 0 unfolds everything."""
        self._index.fold_below(depth)
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
            return line(indent + "  ", name, Span(entry.text, _TONES[entry.kind]))
        folded = self._index.is_folded(entry.pointer)
        sign = Span("▸ " if folded else "▾ ", "dim")
        inside = ""
        if folded:
            end = "}" if entry.text == "{" else "]"
            inside = f" {entry.members} {'member' if end == '}' else 'item'}{'' if entry.members == 1 else 's'} {end}"
        return line(indent, sign, name, Span(entry.text + inside, "dim"))
