"""The step tree as a list: keys are places in the run, so that the cursor stays on its step while others come and go."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from runstudio_tui.clock import ServerTime
from runstudio_tui.domain.models import Step
from runstudio_tui.domain.step_tree import TreeLine
from runstudio_tui.store.run import RunStore
from runstudio_tui.widgets.cells import pad
from runstudio_tui.widgets.line import Line, Span, justify, line, line_width
from runstudio_tui.widgets.virtual_list import Keys, RowState, VirtualList

_DETAIL = 22


class StepList(VirtualList):
    """Shows the tree of a run store."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "fold(True)", "fold", show=False),
        Binding("right", "fold(False)", "unfold", show=False),
    ]

    def __init__(self, time: ServerTime, *, id: str = "steps") -> None:
        super().__init__(self._line_of, heading=self._titles, id=id)
        self._time = time
        self._store: RunStore | None = None
        self._tree: dict[str, TreeLine] = {}

    def show_run(self, store: RunStore, nothing: str) -> bool:
        """Draw the tree as it is now."""
        self._store = store
        now = self._time.now()
        self._tree = {
            entry.key: entry for entry in store.tree.lines(now, lambda step: store.open_wait_of(step) is not None)
        }
        return self.show(Keys(tuple(self._tree)), line(Span(nothing, "dim")))

    @property
    def current(self) -> TreeLine | None:
        """The line under the cursor."""
        return self._tree.get(self.cursor) if self.cursor is not None else None

    @property
    def current_step(self) -> Step | None:
        """The step row under the cursor; None on a branch, an iteration, or a step not reached."""
        found = self.current
        if found is None or found.row_id is None or self._store is None:
            return None
        return self._store.executions.get(found.row_id)

    def go_to(self, step: Step) -> None:
        """Put the cursor on a step, unfolding what hides it."""
        if self._store is None:
            return
        key = self._store.tree.reveal(step)
        self.show_run(self._store, "")
        self.move_to(key)

    def find(self, wanted: str) -> list[str]:
        """Ids of the visible lines containing ``wanted``, without case."""
        needle = wanted.casefold()
        return (
            [key for key, entry in self._tree.items() if needle in f"{entry.label} {entry.detail}".casefold()]
            if needle
            else []
        )

    def action_fold(self, close: bool) -> None:
        """left: close, or go to what holds this; right: open."""
        found = self.current
        if found is None or self._store is None:
            return
        if found.foldable and found.open == close:
            self._store.tree.set_open(found.key, not close)
            self.show_run(self._store, "")
            self.post_message(self.Viewed(self))
        elif close:
            above = [entry for entry in self._before(found) if entry.depth < found.depth]
            if above:
                self.move_to(above[-1].key)

    def toggle(self) -> bool:
        """Open or close the block under the cursor; False when there is none."""
        found = self.current
        if found is None or not found.foldable:
            return False
        self.action_fold(found.open)
        return True

    def _before(self, found: TreeLine) -> list[TreeLine]:
        entries = list(self._tree.values())
        return entries[: entries.index(found)]

    def _titles(self, cells: int) -> Line:
        right = f"{pad('TRY', 3, right=True)} {pad('TOOK', 8, right=True)}"
        return justify(line(Span(" STEPS", "dim")), line(Span(right, "dim")), cells)

    def _line_of(self, key: str, cells: int, _: RowState) -> Line:
        entry = self._tree[key]
        tone = "dim" if entry.dim else "text"
        fold = ("▾ " if entry.open else "▸ ") if entry.foldable else "  "
        left = line(
            "  " * entry.depth,
            Span(fold, "dim"),
            Span(f"{entry.state.glyph} ", entry.state.tone),
            Span(entry.label, tone),
        )
        right = f"{pad(entry.tries, 3, right=True)} {pad(entry.took, 8, right=True)}"
        room = cells - len(right) - 1
        detail = entry.detail
        named = line_width(left)
        column = max(min(room - _DETAIL, 26), named + 2)
        if detail and column < room:
            left = (
                *left,
                Span(" " * max(column - named, 2)),
                Span(detail, "failed" if entry.state.word == "failed" else "dim"),
            )
        return justify(left, line(" ", Span(right, "dim")), cells)
