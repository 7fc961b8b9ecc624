"""Two JSON documents laid over each other: marks in a margin, folds, search, copying. What did not change is folded."""

from __future__ import annotations

from typing import Final

from engine.records import Document
from engine.wording import counted
from runstudio_tui.domain.json_compare import ComparedLine, Mark, Place, compare
from runstudio_tui.domain.jsonview import JsonKind, pretty, value_at
from runstudio_tui.text import safe
from runstudio_tui.widgets.folding_pane import FoldingPane
from runstudio_tui.widgets.json_pane import AT_LEAST, JSON_TONES, JsonPane
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.virtual_list import Keys, RowState

_MOST_OPEN: Final = 12
"""Members up to which what came or went is open."""
_MARK_TONES: Final = {Mark.SAME: "text", Mark.CHANGED: "attention", Mark.ADDED: "ok", Mark.REMOVED: "failed"}


class ComparePane(FoldingPane):
    """Shows the second of two documents, with what became of the first. Folds are kept by place while documents come and go."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(self._line_of, cursor_rests=False, id=id, classes=classes)
        self._before: Document | None = None
        self._after: Document | None = None
        self._compared: dict[str, ComparedLine] = {}
        self._open_depth = 1
        self._opened: frozenset[str] = frozenset()
        self._chosen: dict[str, bool] = {}
        """Which containers were opened or folded by hand, by pointer."""
        self._all: bool | None = None
        """Everything was opened or folded by hand."""

    def show_both(
        self, before: Document | None, after: Document | None, *, open_depth: int, opened: frozenset[str] = frozenset()
    ) -> None:
        """Show what two documents have and how they differ; the same one twice is one document. Containers above
        ``open_depth`` are open and those at the pointers ``opened``, others where something in them differs."""
        if before is self._before and after is self._after and open_depth == self._open_depth:
            self.redraw()
            return
        self._before, self._after, self._open_depth, self._opened = before, after, open_depth, opened
        self._show()
        if not self.has_focus:
            self.action_act("list.top")
            self.to_change(1)

    def to_change(self, by: int) -> bool:
        """Put the cursor on the next (or the previous, -1) thing that differs; False when there is none that way."""
        keys = list(self._compared)
        here = keys.index(self.cursor) if self.cursor in self._compared else 0
        marks = [line.place.mark if line.kind is not JsonKind.CLOSE else Mark.SAME for line in self._compared.values()]
        found = [
            place
            for place, mark in enumerate(marks)
            if mark is not Mark.SAME and (place == 0 or marks[place - 1] is not mark or mark is Mark.CHANGED)
        ]
        beyond = [place for place in found if (place > here if by > 0 else place < here)]
        if not beyond:
            return False
        place = beyond[0] if by > 0 else beyond[-1]
        self.move_to(keys[place])
        if place - self._top > self._room() // 2:
            # What follows belongs to it: the change stands in the upper half.
            self._top = place - self._room() // 3
            self._clamp()
            self.redraw()
        return True

    def _go(self, place: int) -> None:
        """See VirtualList; where a value stands so deep that nothing of it would be seen, the pane moves along."""
        super()._go(place)
        found = self._current
        if found is not None:
            begin = 2 * found.place.depth + 2
            self._show_cells(begin, begin + min(self.row_width // 3, AT_LEAST))

    @property
    def path(self) -> str:
        """JSON pointer of what is under the cursor; ``/`` for the whole."""
        found = self._current
        return safe(found.place.pointer) or "/" if found is not None else ""

    @property
    def can_open(self) -> bool:
        """Whether enter does something: it folds what is not the whole, or shows a value whole."""
        found = self._current
        if found is None or found.kind is JsonKind.CLOSE:
            return False
        return found.kind is not JsonKind.OPEN or found.place.depth > 0

    @property
    def current_text(self) -> str:
        """The value under the cursor as JSON, or bare when it is a text."""
        found = self._current
        document = self._before if found is not None and found.place.mark is Mark.REMOVED else self._after
        if found is None or document is None:
            return ""
        value = value_at(document.value, found.place.pointer)
        return value if isinstance(value, str) else pretty(value)

    @property
    def all_text(self) -> str:
        """The second document as JSON."""
        return pretty(self._after.value) if self._after is not None else ""

    def find(self, wanted: str) -> list[str]:
        """Ids of all lines, also folded ones, that contain ``wanted``."""
        needle = wanted.casefold()
        lines = compare(self._before, self._after, lambda _: True) if needle else []
        return [found.key for found in lines if needle in f"{found.name}{found.text}{found.was}".casefold()]

    def move_to(self, key: str) -> bool:
        """See VirtualList; unfolds what hides the line."""
        pointer = key[1:]
        if key not in self._compared and pointer:
            parts = pointer.split("/")
            self._chosen.update(("/".join(parts[:end]), True) for end in range(1, len(parts)))
            self._show()
        return super().move_to(key)

    def fold(self, *, close: bool) -> None:
        """See FoldingPane."""
        found = self._current
        if found is None:
            return
        if found.kind is JsonKind.OPEN and found.folded != close:
            self._choose(found.place, not close)
        elif close:
            key = list(self._compared)
            above = [self._compared[name] for name in key[: key.index(found.key)]]
            holders = [one for one in above if one.kind is JsonKind.OPEN and one.place.depth < found.place.depth]
            if found.kind is JsonKind.CLOSE:
                holders = [one for one in above if one.place == found.place]
            if holders:
                super().move_to(holders[-1].key)

    def open_or_fold(self) -> None:
        """See FoldingPane."""
        found = self._current
        if found is not None and found.kind is JsonKind.OPEN:
            self._choose(found.place, found.folded)
        elif found is not None and found.kind is not JsonKind.CLOSE:
            self.post_message(JsonPane.WholeWanted(self.path, self.current_text))

    def fold_all(self, *, close: bool) -> None:
        """See FoldingPane."""
        self._chosen.clear()
        self._all = not close
        self._show()

    @property
    def _current(self) -> ComparedLine | None:
        return self._compared.get(self.cursor) if self.cursor is not None else None

    def _is_open(self, place: Place) -> bool:
        chosen = self._chosen.get(place.pointer, self._all)
        if chosen is not None:
            return chosen or place.depth == 0
        if place.depth < self._open_depth or place.pointer in self._opened:
            return True
        return place.changed and (place.mark is Mark.SAME or place.members <= _MOST_OPEN)

    def _choose(self, place: Place, opened: bool) -> None:
        self._chosen[place.pointer] = opened
        self._show()

    def _show(self) -> None:
        lines = compare(self._before, self._after, self._is_open)
        self._compared = {found.key: found for found in lines}
        self.show(Keys(tuple(self._compared)))

    def _line_of(self, key: str, cells: int, _: RowState) -> Line:
        found = self._compared[key]
        place = found.place
        tone = _MARK_TONES[place.mark]
        sign = ("▸ " if found.folded else "▾ ") if found.kind is JsonKind.OPEN else "  "
        noun = "member" if found.text.startswith("{") else "item"
        count = f"  {counted(found.place.members, noun)}" if found.folded else ""
        marked = place.mark in (Mark.ADDED, Mark.REMOVED)
        return line(
            Span(f"{place.mark.value or ' '} ", tone),
            "  " * place.depth,
            Span(sign, "dim"),
            Span(found.name, tone if marked else "accent"),
            Span(found.text, tone if marked else JSON_TONES[found.kind]),
            Span(count, "dim"),
            Span(f"  was {found.was}" if found.was else "", "dim"),
        )
