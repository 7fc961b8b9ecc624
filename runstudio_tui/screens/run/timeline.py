"""The steps as lanes on a line of time. The same tree, folds and cursor as the step list."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

from textual.binding import Binding, BindingType

from engine.records import Wait
from engine.wording import counted
from runstudio_tui.domain.definition import BLOCKS
from runstudio_tui.domain.present import full_moment
from runstudio_tui.domain.timeline import Scale, Segment, axis, bar, holding, scale_of, segments
from runstudio_tui.domain.tree_lines import TreeLine
from runstudio_tui.screens.run.tree import StepList
from runstudio_tui.store.run import RunStore
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe
from runstudio_tui.widgets.cells import pad
from runstudio_tui.widgets.line import Line, Span, line
from runstudio_tui.widgets.virtual_list import RowState

_LABEL: Final = 26
_LEAST_BARS: Final = 20
_MAX_ZOOM: Final = 10
_FINE_SECONDS: Final = 10.0
_TONES: Final = {"▇": "running", "╌": "waiting", "░": "attention", "─": "rule", "▶": "running"}


class TimelineList(StepList):
    """Lanes with bars. Left and right move the window when it is zoomed in."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "pan(-1)", "earlier", show=False),
        Binding("right", "pan(1)", "later", show=False),
    ]

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio.time, id="timeline")
        self._studio = studio
        self._zoom = 0
        self._offset = 0
        self._lanes: dict[str, tuple[Segment, ...]] = {}
        self._scale: Scale | None = None

    def show_run(self, store: RunStore, nothing: str) -> bool:
        """See StepList."""
        self._store = store
        self._measure()
        return super().show_run(store, nothing)

    def resized(self) -> None:
        """See Painted."""
        self._measure()
        super().resized()

    def zoom(self, by: int) -> None:
        """Come closer by powers of two, around the middle of the window; 0 shows the whole run."""
        middle = self._offset + self._cells / 2
        zoom = 0 if by == 0 else min(max(self._zoom + by, 0), _MAX_ZOOM)
        self._offset = int(middle * 2 ** (zoom - self._zoom) - self._cells / 2)
        self._zoom = zoom
        self._measure()
        self.redraw()

    @property
    def zoomed(self) -> bool:
        """Whether a part of the run is shown."""
        return self._zoom > 0

    def action_pan(self, by: int) -> None:
        """left and right: a quarter of the window."""
        self._offset += by * max(self._cells // 4, 1)
        self._measure()
        self.redraw()

    @property
    def figures(self) -> str:
        """The exact figures of the lane under the cursor."""
        found, step = self.current, self.current_step
        if found is None or found.began is None:
            return ""
        name = safe(step.step_id) if step is not None else found.label
        tries = (
            f", {counted(max(step.attempt, step.attempts), 'try', 'tries')}"
            if step is not None and step.attempts > 1
            else ""
        )
        return f"{name}: began {full_moment(found.began, self._studio.zone)}, took {found.took}{tries}"

    @property
    def _cells(self) -> int:
        return max(self.row_width - _LABEL - 1, _LEAST_BARS)

    def _measure(self) -> None:
        """Lanes of all rows, and the scale they fit on, for the width and zoom there is."""
        store = self._store
        if store is None or not self.size.width:
            return
        now = self._time.now()
        waits: dict[tuple[str, str], list[Wait]] = {}
        for wait in store.waits:
            waits.setdefault((wait.path, wait.iteration), []).append(wait)
        self._lanes = {}
        executions = store.executions
        for step in executions.all():
            is_block = step.step_type in BLOCKS
            self._lanes[step.row_id] = (
                holding(*executions.span(step), now)
                if is_block
                else segments(step, waits.get((step.path, step.iteration), ()), now)
            )
        self._scale = scale_of(
            [segment for lane in self._lanes.values() for segment in lane], self._cells * 2**self._zoom
        )
        self._offset = min(max(self._offset, 0), self._cells * 2**self._zoom - self._cells)

    def _lane_of(self, entry: TreeLine) -> tuple[Segment, ...]:
        """An iteration has no row of its own: its lane is where its steps are."""
        if entry.row_id is not None:
            return self._lanes.get(entry.row_id, ())
        return holding(entry.began, entry.ended, self._time.now())

    def _clock_text(self, at: datetime) -> str:
        told = at.astimezone(self._studio.zone)
        return told.strftime("%H:%M:%S") + (f".{told.microsecond // 1000:03d}" if self._is_fine else "")

    @property
    def _is_fine(self) -> bool:
        """True where whole seconds would not tell the ends of the window apart."""
        busy = sum(piece.seconds for piece in self._scale.pieces if not piece.idle) if self._scale is not None else 0.0
        return busy < _FINE_SECONDS * (1 << self._zoom)

    def _titles(self, cells: int) -> Line:
        drawn = axis(self._scale, self._offset, self._cells, self._clock_text) if self._scale is not None else ""
        zoom = f"x{2**self._zoom}" if self._zoom else "whole run"
        return line(Span(pad(f" TIMELINE  {zoom}", _LABEL) + " ", "dim"), Span(drawn, "dim"))

    def _line_of(self, key: str, cells: int, _: RowState) -> Line:
        entry = self._tree[key]
        fold = ("▾ " if entry.open else "▸ ") if entry.foldable else "  "
        label = f"{'  ' * entry.depth}{fold}"
        tone = "dim" if entry.dim else "text"
        pinned = self.pinned_span(entry)
        room = _LABEL - len(label) - 2 - len(pinned.text)
        begin = line(
            Span(label, "dim"),
            Span(f"{entry.state.glyph} ", entry.state.tone),
            Span(pad(entry.label, max(room, 1)), tone),
            pinned,
            " ",
        )
        lane = self._lane_of(entry)
        if self._scale is None or not lane:
            return begin
        return (*begin, *_toned(bar(lane, self._scale)[self._offset : self._offset + self._cells]))


def _toned(drawn: str) -> Line:
    spans: list[Span] = []
    for sign in drawn:
        tone = _TONES.get(sign, "text")
        if spans and (spans[-1].tone == tone or sign == " "):
            spans[-1] = spans[-1]._replace(text=spans[-1].text + sign)
        else:
            spans.append(Span(sign, tone))
    return tuple(spans)
