"""State at any step of a run, computed again from what was recorded. Nothing is stored for it, and nothing is executed.

The values are the run's own, unredacted: redact them at the border.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.interpreter import effects as fx
from engine.interpreter.ledger import StepKey, key_of
from engine.recorded_run import RecordedRun
from engine.replaying import Replaying, Stop, Stopped

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


def rebuild_step(run: RecordedRun, step: StepKey, enough: Callable[[], bool] = lambda: False) -> Rebuilt:
    """The state before and after one execution of a step: (path, iteration, visit).

    ``enough`` is asked before every step of the run; once it says so, the rest stays unknown.
    """
    watching = _Watching(step)
    try:
        replaying = Replaying(run, run.payload, strict=False, observer=watching, enough=enough)
        reached = replaying.go(lambda: watching.done)
    except Stopped as stopped:
        return Rebuilt(None, None, stopped.stop)
    if watching.done:
        return Rebuilt(watching.seen_before, watching.seen_after, None)
    stop = reached if isinstance(reached, Stop) else Stop("NOT_RECORDED", "The run ended without that step.")
    return Rebuilt(watching.seen_before, watching.seen_after, stop)


def rebuild_end(run: RecordedRun) -> Ending:
    """The state where the records end: of a run that has ended, its last."""
    try:
        replaying = Replaying(run, run.payload, strict=False)
    except Stopped as stopped:
        return Ending({}, None, stopped.stop)
    reached = replaying.go()
    if isinstance(reached, fx.Finish):
        return Ending(reached.scopes, reached.status, _divergence(run, replaying))
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

    def before(self, step: fx.StepRef, scopes: Scopes) -> None:
        if key_of(step) == self._wanted:
            self.seen_before = scopes

    def after(self, step: fx.StepRef, scopes: Scopes) -> None:
        if key_of(step) == self._wanted:
            self.seen_after = scopes
