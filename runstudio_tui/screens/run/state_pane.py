"""The pane State: the scopes before and after the step under the cursor, with what the step changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Final

from engine.errors import EngineError
from engine.records import Document, RunRow, Step, StepState
from runstudio_tui.domain.json_compare import count_changes
from runstudio_tui.domain.present import moment, step_place
from runstudio_tui.screens.run.pane_rows import Frame
from runstudio_tui.screens.run.panes import Panes
from runstudio_tui.store.moments import Moments, moment_of
from runstudio_tui.store.session import Studio
from runstudio_tui.text import safe, safe_block
from runstudio_tui.widgets.cells import wrap
from runstudio_tui.widgets.line import Line, Span, justify, line
from runstudio_tui.widgets.line_list import Row

_OPEN: Final = frozenset({"/vars", "/local", "/error"})
"""Scopes that are open also where the step changed nothing in them; payload and meta seldom change."""
BEFORE_CUTOVER: Final = (
    "This run is from before the cutover: what it did was not recorded closely enough for its states to be computed."
)


class Part(StrEnum):
    """What of a state is shown."""

    CHANGES = "changes"
    BEFORE = "before"
    AFTER = "after"


class StatePane:
    """Fetches states as steps are looked at, and fills the pane."""

    def __init__(self, studio: Studio, run_id: str, changed: Callable[[], None]) -> None:
        self._studio = studio
        self.moments = Moments(studio, run_id, changed)
        self.part = Part.CHANGES
        self._counted: tuple[Document, Document, str] | None = None
        """Two documents, and how much they differ."""

    def look_at(self, run: RunRow | None, step: Step | None) -> None:
        """Another step is under the cursor while the pane is shown. Of a run from before the cutover nothing is asked."""
        self.moments.look_at(None if run is None or run.read_only else step)

    def choose_part(self, part: str) -> None:
        """Show a part; without a name the next one, after the last the first again."""
        parts = tuple(Part)
        self.part = Part(part) if part else parts[(parts.index(self.part) + 1) % len(parts)]

    def toggle_pin(self, step: Step | None) -> str:
        """Pin the moment of a step, or let the pinned one go; returns what to say."""
        if self.moments.unpin():
            return "no moment is pinned any more"
        if step is None:
            return "choose a step that was executed"
        if not self.moments.pin(step):
            return "nothing to pin yet: the state around this step is not known"
        self.part = Part.CHANGES
        place = step_place(step.step_id, step.iteration)
        return f"pinned: {place}; other steps are compared with it (= lets it go)"

    # --- filling ------------------------------------------------------------------------------------------------------

    def fill(self, panes: Panes, run: RunRow | None, step: Step | None, frame: Frame) -> None:
        """Draw the state around a step, or why there is none."""
        if run is not None and run.read_only:
            self._say(panes, BEFORE_CUTOVER)
            return
        if step is None:
            self._say(panes, "Choose a step that was executed: there is no state where the run has not been.")
            return
        body = self.moments.of(step)
        latest = self.moments.latest
        if body is not None and body.value is not None:
            self._show(panes, step, body.value, frame)
        elif body is not None and body.error is not None:
            panes.say_about()
            error = body.error
            panes.show_rows(lambda cells: _refusal(error, step, cells))
        elif latest is None:
            self._say(panes, "computing the state…")
        elif latest[0].row_id == step.row_id:
            self._show(panes, step, latest[1], frame)
        else:
            # What is below stays until the answer comes: of whom it is, must not be mistaken.
            place, shown = step_place(step.step_id, step.iteration), step_place(latest[0].step_id, latest[0].iteration)
            told = line(Span(f" computing {place}… below is still {shown}", "attention"))
            panes.say_about(lambda _: [told])

    def _say(self, panes: Panes, text: str) -> None:
        panes.say_about()
        panes.show_rows(lambda cells: [Row(line(Span(f" {part}", "dim"))) for part in wrap(text, max(cells - 2, 16))])

    def _show(self, panes: Panes, step: Step, state: StepState, frame: Frame) -> None:
        pinned = self.moments.pinned
        part = self.part if state.after is not None or self.part is not Part.AFTER else Part.BEFORE
        panes.say_about(lambda cells: self._about(step, state, pinned, part, replace(frame, cells=cells)))
        if part is Part.BEFORE:
            panes.show_compared(state.before, state.before, opened=_OPEN)
        elif part is Part.AFTER:
            panes.show_compared(state.after, state.after, opened=_OPEN)
        elif pinned is not None and self.moments.pinned_row != step.row_id:
            panes.show_compared(moment_of(pinned), moment_of(state), opened=_OPEN)
        else:
            panes.show_compared(state.before, moment_of(state), opened=_OPEN)

    def _about(self, step: Step, state: StepState, pinned: StepState | None, part: Part, frame: Frame) -> list[Line]:
        place = step_place(step.step_id, step.iteration)
        at = moment(step.completed_at or step.started_at, frame.now, frame.zone)
        left = line(Span(f" {place}", "strong"), Span(f"  {at}", "dim"))
        lines = [justify(left, part_spans(part, tuple(Part)[: 2 if state.after is None else 3]), frame.cells)]
        if pinned is not None and self.moments.pinned_row == step.row_id:
            lines.append(
                line(Span(" =", "key"), Span(" pinned here; another step is compared with this moment", "dim"))
            )
        elif pinned is not None:
            since = step_place(pinned.step_id, pinned.iteration)
            changes = self._count(moment_of(pinned), moment_of(state)) or "nothing differs"
            lines.append(line(Span(" =", "key"), Span(f" compared with {since}: ", "dim"), changes))
        elif state.after is not None:
            changes = self._count(state.before, state.after)
            lines.append(line(f" {changes}" if changes else Span(" this step changed nothing", "dim")))
        if state.missing is not None:
            known = "after it is not known" if state.after is None else "not all is known"
            told = f"{known}: {safe_block(state.missing.message)}"
            lines += [line(Span(f" {text}", "attention")) for text in wrap(told, max(frame.cells - 2, 16))]
        return lines

    def _count(self, before: Document, after: Document) -> str:
        known = self._counted
        if known is None or known[0] is not before or known[1] is not after:
            known = self._counted = (before, after, count_changes(before, after).text)
        return known[2]


def part_spans(current: StrEnum, parts: tuple[StrEnum, ...]) -> Line:
    """The parts of a pane, the shown one strong, with the key that goes on to the next."""
    spans = [Span("t", "key")]
    spans += [Span(f" {part.value}", "strong" if part is current else "dim", f"part:{part.value}") for part in parts]
    return (*spans, Span(" "))


def _refusal(error: EngineError, step: Step, cells: int) -> list[Row]:
    room = max(cells - 2, 16)
    place = step_place(step.step_id, step.iteration)
    rows = [Row(line(Span(f" {text}", "strong"))) for text in wrap(f"The state around {place} is not known.", room)]
    rows += [Row(line(Span(f" {text}"))) for text in wrap(safe_block(error.message), room)]
    rows += [Row(line(Span(f" {text}", "dim"))) for text in wrap(safe_block(error.hint or ""), room) if text]
    return [*rows, Row(line(Span(f" {safe(error.code)}", "dim")), error.code)]
