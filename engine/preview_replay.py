"""What a replay with another input would do, as far as what happened before tells. It executes nothing.

The machine runs with the new input. An action, a child, an event wait or a task gets the recorded answer while it is asked the
same as then; at the first one that is asked something new the preview stops, because nobody knows the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from engine.interpreter import effects as fx
from engine.interpreter.ledger import key_of
from engine.recorded_run import RecordedRun
from engine.replaying import Replaying, Stop, Stopped

_FACTS = ("branch", "items")
"""What of an outcome tells that the run took another way."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One step that would not be as it was."""

    path: str
    iteration: str
    step_id: str
    kind: Literal["added", "dropped", "status", "branch", "items"]
    recorded: Any
    now: Any


@dataclass(frozen=True, slots=True)
class Preview:
    """How far the new input is known to lead."""

    status: str | None
    """The status it would end with; None when it stops before."""
    error: dict[str, Any] | None
    stop: Stop | None
    """Where and why it stops; with INPUT_CHANGED what the step got then and would get now."""
    differences: list[Difference]
    """In the order of the steps. Of a preview that stops, only what lies before the stop."""
    scopes: dict[str, Any]
    """``{payload, vars, local, meta, error}`` at its end."""


def preview_replay(run: RecordedRun, payload: Any, enough: Callable[[], bool] = lambda: False) -> Preview:
    """Run the definition with ``payload`` on the recorded answers of ``run``, until ``enough`` says to stop."""
    try:
        replaying = Replaying(run, payload, strict=True, enough=enough)
    except Stopped as stopped:
        return Preview(None, None, stopped.stop, [], {})
    reached = replaying.go()
    if isinstance(reached, fx.Finish):
        differences = _differences(run, replaying.ledger.steps, None)
        return Preview(reached.status, reached.error, None, differences, reached.scopes)
    return Preview(None, None, reached, _differences(run, replaying.ledger.steps, reached.step), replaying.scopes)


def _differences(run: RecordedRun, steps: list[fx.StepRecord], stopped_at: fx.StepRef | None) -> list[Difference]:
    computed = {key_of(record.step): record for record in steps}
    found: list[tuple[int, Difference]] = []
    horizon = _horizon(run, computed.keys(), stopped_at)
    order = 0
    for key, record in computed.items():
        step = record.step
        known = run.steps.get(key)
        order = order if known is None else known.seq
        if stopped_at is not None and key == key_of(stopped_at):
            continue
        if known is None:
            found.append((order, _difference(step, "added", None, record.status)))
            continue
        if known.status != record.status:
            found.append((order, _difference(step, "status", known.status, record.status)))
        then, now = known.outcome or {}, record.outcome or {}
        for fact in _FACTS:
            if isinstance(then, dict) and isinstance(now, dict) and then.get(fact) != now.get(fact):
                found.append((order, _difference(step, fact, then.get(fact), now.get(fact))))
    for key, recorded in run.steps.items():
        if key not in computed and recorded.seq < horizon:
            step = fx.StepRef(*key, recorded.step_id, recorded.step_type)
            found.append((recorded.seq, _difference(step, "dropped", recorded.status, None)))
    return [difference for _, difference in sorted(found, key=lambda item: item[0])]


def _horizon(run: RecordedRun, computed: Any, stopped_at: fx.StepRef | None) -> float:
    """The seq up to which a step that was not computed again is known to be left out."""
    if stopped_at is None:
        return float("inf")
    return max((run.steps[key].seq for key in computed if key in run.steps), default=0)


def _difference(step: fx.StepRef, kind: Any, recorded: Any, now: Any) -> Difference:
    return Difference(step.path, step.iteration, step.step_id, kind, recorded, now)
