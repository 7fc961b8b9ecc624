"""The steps of a version as a list, each with what became of it and what the publish checks warned of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from engine.records import Issue
from runstudio_tui.domain.definition_diff import DEFINITION, Change, ComparedPart
from runstudio_tui.text import safe
from runstudio_tui.widgets.line import Line, Span, justify, line, line_width
from runstudio_tui.widgets.virtual_list import Keys, RowState, VirtualList

_TONES: Final = {
    Change.SAME: "text",
    Change.CHANGED: "attention",
    Change.MOVED: "waiting",
    Change.ADDED: "ok",
    Change.REMOVED: "failed",
}
_ROOT: Final = "root"
"""Where findings about the definition as a whole are."""


class PartList(VirtualList):
    """The definition's own fields, its steps, and the payload's schema, in two versions or in one."""

    def __init__(self) -> None:
        super().__init__(self._line_of, heading=self._titles, id="parts")
        self._parts: dict[str, ComparedPart] = {}
        self._warned: dict[str, list[Issue]] = {}

    def show_parts(self, parts: Sequence[ComparedPart], warnings: Sequence[Issue], nothing: Line) -> None:
        """Draw them where they differ; ``nothing`` stands where there are none."""
        warned: dict[str, list[Issue]] = defaultdict(list)
        for warning in warnings:
            warned[DEFINITION if warning.step_path == _ROOT else warning.step_path].append(warning)
        self._parts = {part.key: part for part in parts}
        self._warned = dict(warned)
        self.show(Keys(tuple(self._parts)), nothing)

    @property
    def current(self) -> ComparedPart | None:
        """The line under the cursor."""
        return self._parts.get(self.cursor) if self.cursor is not None else None

    @property
    def warnings(self) -> Sequence[Issue]:
        """What the checks warned of at the line under the cursor."""
        found = self.current
        return self._warnings_of(found) if found is not None else ()

    def find(self, wanted: str) -> list[str]:
        """Ids of the lines containing ``wanted``, without case."""
        needle = wanted.casefold()
        return [key for key, found in self._parts.items() if needle in _searched(found)] if needle else []

    def to_change(self, by: int, *, from_top: bool = False) -> bool:
        """Put the cursor on the next (or the previous, -1) part that differs; False when there is none that way."""
        keys = list(self._parts)
        here = -1 if from_top or self.cursor not in self._parts else keys.index(self.cursor)
        differs = [place for place, key in enumerate(keys) if self._parts[key].change is not Change.SAME]
        beyond = [place for place in differs if (place - here) * by > 0]
        return self.move_to(keys[beyond[0] if by > 0 else beyond[-1]]) if beyond else False

    def _warnings_of(self, found: ComparedPart) -> Sequence[Issue]:
        return self._warned.get(found.new.path, ()) if found.new is not None else ()

    def _titles(self, cells: int) -> Line:
        return line(Span(" STEPS", "dim"))

    def _line_of(self, key: str, cells: int, _: RowState) -> Line:
        found = self._parts[key]
        indent = "  " * found.depth
        if found.part is None:
            return line(f"  {indent}", Span(found.heading, "dim"))
        tone = _TONES[found.change]
        moved = ", moved" if found.moved and found.change is Change.CHANGED else ""
        told = f"{found.change.word}{moved}" if found.change is not Change.SAME else found.part.detail
        warned = self._warnings_of(found)
        left = line(
            Span(f"{found.change.value or ' '} ", tone),
            indent,
            Span(found.part.label, tone),
            Span(f"  ▲ {safe(warned[0].code)}" if warned else "", "attention"),
        )
        right = line(Span(f" {told} ", tone if found.change is not Change.SAME else "dim"))
        return justify(left, right, cells) if line_width(left) + line_width(right) <= cells else left


def _searched(found: ComparedPart) -> str:
    part = found.part
    return (f"{part.label} {part.detail} {part.step_id}" if part is not None else found.heading).casefold()
