"""State at any step of a run, computed again from what was recorded. Nothing is stored for it, and nothing is executed.

The values are the run's own, unredacted: redact them at the border.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from engine.definition.plan import Plan
from engine.definition.step_ref import StepRef
from engine.interpreter import effects as fx
from engine.interpreter.ledger import StepKey, key_of
from engine.interpreter.recorded_run import RecordedRun
from engine.rebuild.feed import Checkpoint, Replaying, Stop, Stopped, plan_of
from engine.values.json_size import json_size

MOST_CHECKPOINTS: Final = 64
LEAST_STEPS_BETWEEN: Final = 32
"""Between two checkpoints. A step costs less than 0.1 ms, so this is nothing one waits for."""
CHECKPOINT_BYTES: Final = 16 * 1024 * 1024
"""About how much the checkpoints of one run may keep alive; once it is used up, what lies further is computed from the last."""
Scopes = dict[str, Any]
"""``{payload, vars, local, meta, error}``."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The scopes around one step."""

    before: Scopes | None
    """As the step started; None when it was not reached."""
    after: Scopes | None
    """As the step ended; None when it has not, or could not be rebuilt."""
    stop: Stop | None
    """Why something is missing."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The scopes at the end of a run, or as far as its records go."""

    scopes: Scopes
    status: str | None
    """The computed status; None when the run did not end."""
    stop: Stop | None


class RebuiltRun:
    """The states of one recorded run, computed as far as somebody asks. May be asked by several threads, one at a time.

    On the way, checkpoints are kept, so that a step which was passed costs no more than the way from the one before it.
    """

    def __init__(self, run: RecordedRun) -> None:
        self.run = run
        self._interval = max(LEAST_STEPS_BETWEEN, len(run.steps) // MOST_CHECKPOINTS)
        self._plan: Plan | None = None
        self._checkpoints: list[Checkpoint | None] = [None]
        """In the order of the run; None: its start."""
        self._since: dict[StepKey, int] = {}
        """Of every step that was reached, the number of the last checkpoint before it."""
        self._room = CHECKPOINT_BYTES
        self._asking = Lock()

    def at(self, step: StepKey, enough: Callable[[], bool] = lambda: False) -> Rebuilt:
        """The state before and after one execution of a step: (path, iteration, visit).

        ``enough`` is asked before every step of the run; once it says so, the rest stays unknown.
        """
        with self._asking:
            watching = _Watching(step)
            try:
                if self._plan is None:
                    self._plan = plan_of(self.run)
                since = self._checkpoints[self._since.get(step, -1)]
                replaying = Replaying(
                    self.run, self._plan, self.run.payload, strict=False, observer=watching, enough=enough, since=since
                )
                reached = replaying.go(lambda: watching.done or self._passed(replaying))
            except Stopped as stopped:
                return Rebuilt(None, None, stopped.stop)
        if watching.done:
            return Rebuilt(watching.seen_before, watching.seen_after, None)
        stop = reached if isinstance(reached, Stop) else Stop("NOT_RECORDED", "The run ended without that step.")
        return Rebuilt(watching.seen_before, watching.seen_after, stop)

    def _passed(self, replaying: Replaying) -> bool:
        """Note the step that comes next, and keep a checkpoint when it is time for one; never the end of a pass."""
        step = replaying.next_step
        if step is None or key_of(step) in self._since:
            return False
        if self._since and len(self._since) % self._interval == 0 and self._room > 0:
            checkpoint = replaying.checkpoint()
            self._room -= _new_bytes(self._checkpoints[-1], checkpoint, self._room)
            if self._room > 0:
                self._checkpoints.append(checkpoint)
        self._since[key_of(step)] = len(self._checkpoints) - 1
        return False


def _new_bytes(before: Checkpoint | None, checkpoint: Checkpoint, limit: int) -> int:
    """About how many bytes a checkpoint keeps alive that the one before it does not; stops counting soon after ``limit``."""
    known = {} if before is None else _values(before)
    size = 0
    for name, value in _values(checkpoint).items():
        if size <= limit and known.get(name) is not value:
            size += json_size(value, limit - size)
    return size


def _values(checkpoint: Checkpoint) -> dict[tuple[str | int, ...], Any]:
    """The values of a checkpoint that may be large, each by itself, because most of them it shares with its neighbours."""
    machine = checkpoint.machine
    scopes = machine["scopes"]
    found: dict[tuple[str | int, ...], Any] = {
        (scope, name): value for scope in ("payload", "vars") for name, value in scopes[scope].items()
    }
    found |= {(name,): scopes[name] for name in ("local", "meta", "error")}
    found |= {("loop", place): frame.get("items") for place, frame in enumerate(machine["frames"])}
    return found


def rebuild_end(run: RecordedRun) -> Ending:
    """The state where the records end: of a run that has ended, its last."""
    try:
        replaying = Replaying(run, plan_of(run), run.payload, strict=False)
    except Stopped as stopped:
        return Ending({}, None, stopped.stop)
    reached = replaying.go()
    if isinstance(reached, fx.Finish):
        # A run may be canceled after its last step, before it has noticed that this was the last.
        canceled_at_the_end = run.status == "CANCELED" and reached.status == "SUCCEEDED"
        status = run.status if canceled_at_the_end else reached.status
        return Ending(reached.scopes, status, _divergence(run, replaying))
    if run.status == "CANCELED" and reached.code in ("CANCELED", "NOT_RECORDED"):
        canceled = replaying.cancel()
        # It was canceled in the middle of a step, or before the first one that is in no record.
        known = reached.code == "CANCELED" or (reached.step is not None and key_of(reached.step) not in run.steps)
        return Ending(canceled.scopes, canceled.status, _divergence(run, replaying) if known else reached)
    return Ending(replaying.scopes, None, reached)


def _divergence(run: RecordedRun, replaying: Replaying) -> Stop | None:
    """A rebuilt end is only the run's own when it went through the run's own steps."""
    computed = {key_of(record.step): record.status for record in replaying.ledger.steps}
    for key, known in sorted(run.steps.items(), key=lambda item: item[1].seq):
        if computed.get(key) != known.status:
            message = (
                f"Computed again, {key[0]} is {computed.get(key, 'not reached')}; it is recorded as {known.status}."
            )
            return Stop("NOT_RECORDED", message)
    return None


class _Watching:
    """Remembers the scopes around one step."""

    def __init__(self, wanted: StepKey) -> None:
        self._wanted = wanted
        self.seen_before: Scopes | None = None
        self.seen_after: Scopes | None = None

    @property
    def done(self) -> bool:
        return self.seen_after is not None

    def before(self, step: StepRef, scopes: Scopes) -> None:
        if key_of(step) == self._wanted:
            self.seen_before = scopes

    def after(self, step: StepRef, scopes: Scopes) -> None:
        if key_of(step) == self._wanted:
            self.seen_after = scopes
