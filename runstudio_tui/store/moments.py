"""What a run's scopes were around the step that is looked at, and around one that was pinned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import Unavailable
from engine.records import Document, Step, StepState
from runstudio_tui.ports import RunsReading
from runstudio_tui.store.run import SETTLE, Body, OnDemand
from runstudio_tui.store.session import Studio


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a step as it is known now. A step that went on is asked for anew."""

    row_id: str
    path: str
    iteration: str
    visit: int
    step_id: str
    status: str
    attempt: int


def execution_of(step: Step) -> Execution:
    """What the state of a step is asked by."""
    return Execution(step.row_id, step.path, step.iteration, step.visit, step.step_id, step.status.value, step.attempt)


def moment_of(state: StepState) -> Document:
    """The scopes after a step; before it, where those after it are not known."""
    return state.after if state.after is not None else state.before


class Moments:
    """The state around the step under the cursor, asked for once the cursor rests, and at most one pinned."""

    def __init__(self, studio: Studio, run_id: str, changed: Callable[[], None]) -> None:
        self._runs: RunsReading = studio.backend.runs
        self._run_id = run_id
        self._states: OnDemand[StepState] = OnDemand(self._fetch, changed, clock=studio.clock, settle=SETTLE)
        self._pinned: tuple[str, StepState] | None = None
        self.latest: tuple[Execution, StepState] | None = None
        """The last answer: it stays on the screen until the next one comes."""

    async def _fetch(self, key: object) -> StepState:
        if not isinstance(key, Execution):
            raise TypeError(key)
        state = await self._runs.state(self._run_id, key.path, iteration=key.iteration, visit=key.visit)
        self.latest = (key, state)
        return state

    def look_at(self, step: Step | None) -> None:
        """Another step is under the cursor, or the same one may have gone on; None: no step."""
        if step is None:
            self._states.stop()
        else:
            self._states.look_at(execution_of(step))

    def ask_again(self) -> None:
        """Ask once more after an answer that did not come."""
        body = self._states.body
        if body is not None and isinstance(body.error, Unavailable):
            self._states.look_at(body.key, again=True)

    def of(self, step: Step) -> Body[StepState] | None:
        """What is known of a step; None when another one is looked at."""
        body = self._states.body
        return body if body is not None and body.key == execution_of(step) else None

    def stop(self) -> None:
        """Give up what is on its way."""
        self._states.stop()

    # --- the pinned moment --------------------------------------------------------------------------------------------

    @property
    def pinned(self) -> StepState | None:
        """The state around the pinned step."""
        return None if self._pinned is None else self._pinned[1]

    @property
    def pinned_row(self) -> str | None:
        """The row of the pinned step."""
        return None if self._pinned is None else self._pinned[0]

    def pin(self, step: Step) -> bool:
        """Pin the moment of a step; False while its state is not known."""
        body = self.of(step)
        if body is None or body.value is None:
            return False
        self._pinned = (step.row_id, body.value)
        return True

    def unpin(self) -> bool:
        """Let the pinned moment go; False when there was none."""
        was, self._pinned = self._pinned, None
        return was is not None
