"""The step tree as a list: keys are places in the run, so that the cursor stays on its step while others come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from engine.records import Step
from runstudio_tui.clock import ServerTime
from runstudio_tui.domain.step_search import find_steps
from runstudio_tui.domain.tree_lines import TreeLine
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

    @dataclass
    class Touched(Message):
        """The operator moved in the steps, or folded something."""

        list: StepList

    def __init__(self, time: ServerTime, *, id: str = "steps") -> None:
        super().__init__(self._line_of, heading=self._titles, id=id)
        self._time = time
        self._store: RunStore | None = None
        self._tree: dict[str, TreeLine] = {}
        self._pinned: str | None = None
        self.follows_run = False
        """Whether the cursor goes where the run is; the heading says so."""

    def pin(self, row_id: str | None) -> None:
        """Mark the step whose moment is pinned; None: no step."""
        self._pinned = row_id
        self.redraw()

    def pinned_span(self, entry: TreeLine) -> Span:
        """What stands behind the name of the pinned step."""
        return Span(" =", "key") if entry.row_id is not None and entry.row_id == self._pinned else Span("")

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
        """Put the cursor on a step, unfolding what hides it; folding again what was unfolded for the step before."""
        if self._store is None:
            return
        key = self._store.tree.follow(step)
        self.show_run(self._store, "")
        self.move_to(key)
        self._show_holder()

    def move_to(self, key: str) -> bool:
        """See VirtualList; unfolds what hides the line."""
        if key not in self._tree and self._store is not None:
            self._store.tree.reveal_key(key)
            self.show_run(self._store, "")
        return super().move_to(key)

    def find(self, wanted: str) -> list[str]:
        """Ids of the lines containing ``wanted``, without case, also of those that are folded away."""
        if self._store is None:
            return []
        return find_steps(self._store.tree, self._store.executions, self._tree.values(), wanted)

    def action_act(self, action: str) -> None:
        """See VirtualList."""
        super().action_act(action)
        self.post_message(self.Touched(self))

    def on_click(self, event: events.Click) -> None:
        """See VirtualList."""
        self.post_message(self.Touched(self))

    def action_fold(self, close: bool) -> None:
        """left: close, or go to what holds this; right: open."""
        found = self.current
        self.post_message(self.Touched(self))
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

    def _show_holder(self) -> None:
        """Where there is room, the line that holds the one under the cursor is in sight too: it says of which item this is."""
        found = self.current
        if found is None:
            return
        above = self._before(found)
        holders = [place for place, entry in enumerate(above) if entry.depth < found.depth]
        if holders and holders[-1] < self._top and len(above) - holders[-1] < self._room():
            self._top = holders[-1]
            self.redraw()

    def _before(self, found: TreeLine) -> list[TreeLine]:
        entries = list(self._tree.values())
        return entries[: entries.index(found)]

    def _titles(self, cells: int) -> Line:
        right = f"{pad('TRY', 3, right=True)} {pad('TOOK', 8, right=True)}"
        return justify(line(Span(" STEPS", "dim"), self.following_span), line(Span(right, "dim")), cells)

    @property
    def following_span(self) -> Span:
        """What stands behind the name of the list while the cursor follows the run."""
        return Span("  following", "accent") if self.follows_run else Span("")

    def _line_of(self, key: str, cells: int, _: RowState) -> Line:
        entry = self._tree[key]
        tone = "dim" if entry.dim else "text"
        fold = ("▾ " if entry.open else "▸ ") if entry.foldable else "  "
        left = line(
            "  " * entry.depth,
            Span(fold, "dim"),
            Span(f"{entry.state.glyph} ", entry.state.tone),
            Span(entry.label, tone),
            self.pinned_span(entry),
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
                Span(f" · {entry.alarm}" if entry.alarm else "", "failed"),
            )
        return justify(left, line(" ", Span(right, "dim")), cells)
