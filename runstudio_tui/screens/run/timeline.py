"""The steps as lanes on a line of time. The same tree, folds and cursor as the step list."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

from textual.binding import Binding, BindingType

from runstudio_tui.domain.executions import enclosing_loops
from runstudio_tui.domain.models import Wait
from runstudio_tui.domain.present import elapsed, full_moment
from runstudio_tui.domain.step_tree import iteration_key
from runstudio_tui.domain.timeline import Doing, Scale, Segment, axis, bar, scale_of, segments
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

    def action_pan(self, by: int) -> None:
        """left and right: a quarter of the window."""
        self._offset += by * max(self._cells // 4, 1)
        self._measure()
        self.redraw()

    @property
    def figures(self) -> str:
        """The exact figures of the lane under the cursor."""
        step = self.current_step
        if step is None:
            return ""
        now = self._time.now()
        began = full_moment(step.started_at, self._studio.zone)
        tries = f", {max(step.attempt, step.tries)} tries" if max(step.attempt, step.tries) > 1 else ""
        return f"{safe(step.step_id)}: began {began}, took {elapsed(step.started_at, step.completed_at, now)}{tries}"

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
        ends: dict[str, list[Segment]] = {}
        for step in store.executions.all():
            lane = segments(step, waits.get((step.path, step.iteration), ()), now)
            self._lanes[step.row_id] = lane
            for loop, inner in enclosing_loops(step.path, step.iteration):
                ends.setdefault(iteration_key(loop, inner), []).extend(lane)
        known = [segment for lane in self._lanes.values() for segment in lane]
        for key, inside in ends.items():
            first, last = min(segment.start for segment in inside), max(segment.end for segment in inside)
            self._lanes[key] = (Segment(Doing.HOLDING, first, last, any(segment.open for segment in inside)),)
        self._scale = scale_of(known, self._cells * 2**self._zoom)
        self._offset = min(max(self._offset, 0), self._cells * 2**self._zoom - self._cells)

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
        room = _LABEL - len(label) - 2
        begin = line(
            Span(label, "dim"),
            Span(f"{entry.state.glyph} ", entry.state.tone),
            Span(pad(entry.label, max(room, 1)) + " ", tone),
        )
        lane = self._lanes.get(entry.row_id or entry.key)
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
