"""What a replay with another input would do, as far as what happened before tells. It executes nothing.

The machine runs with the new input, and in another version of the workflow if that is asked for. An action, a child, an event
wait or a task gets the recorded answer while it is asked the same as then; at the first one that is asked something new the
preview stops, because nobody knows the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.definition.step_ref import StepRef
from engine.interpreter import effects as fx
from engine.interpreter.ledger import StepKey, key_of
from engine.interpreter.recorded_run import RecordedRun, RecordedStep
from engine.rebuild.feed import Replaying, Stop, Stopped, plan_of
from engine.rebuild.other_version import LaidUnder
from engine.records import Difference

_FACTS = ("branch", "items")
"""What of an outcome tells that the run took another way."""


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
    return _preview(run, {}, payload, enough)


def preview_of_version(laid: LaidUnder, payload: Any, enough: Callable[[], bool] = lambda: False) -> Preview:
    """The same in another version of the workflow. It stops with STEP_CHANGED at a step that is not as it was."""
    found = _preview(laid.run, laid.gone, payload, enough)
    stop = found.stop
    if stop is None or stop.step is None or stop.step.path in laid.answered or stop.code == "TOO_LONG":
        return found
    version = laid.run.facts.workflow_version
    message = f"Step {stop.step.step_id} of version {version} is not one that the run executed."
    return replace(found, stop=Stop("STEP_CHANGED", message, stop.step))


def _preview(
    run: RecordedRun, gone: Mapping[StepKey, RecordedStep], payload: Any, enough: Callable[[], bool]
) -> Preview:
    try:
        replaying = Replaying(run, plan_of(run), payload, strict=True, enough=enough)
    except Stopped as stopped:
        return Preview(None, None, stopped.stop, [], {})
    reached = replaying.go()
    if isinstance(reached, fx.Finish):
        differences = _differences(run, gone, replaying.ledger.steps, None)
        return Preview(reached.status, reached.error, None, differences, reached.scopes)
    differences = _differences(run, gone, replaying.ledger.steps, reached.step)
    return Preview(None, None, reached, differences, replaying.scopes)


def _differences(
    run: RecordedRun, gone: Mapping[StepKey, RecordedStep], steps: list[fx.StepRecord], stopped_at: StepRef | None
) -> list[Difference]:
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
    left_out = [(key, recorded) for key, recorded in run.steps.items() if key not in computed]
    for key, recorded in (*left_out, *gone.items()):
        if recorded.seq < horizon:
            step = StepRef(*key, recorded.step_id, recorded.step_type)
            found.append((recorded.seq, _difference(step, "dropped", recorded.status, None)))
    return [difference for _, difference in sorted(found, key=lambda item: item[0])]


def _horizon(run: RecordedRun, computed: Any, stopped_at: StepRef | None) -> float:
    """The seq up to which a step that was not computed again is known to be left out."""
    if stopped_at is None:
        return float("inf")
    return max((run.steps[key].seq for key in computed if key in run.steps), default=0)


def _difference(step: StepRef, kind: Any, recorded: Any, now: Any) -> Difference:
    return Difference(step.path, step.iteration, step.step_id, kind, recorded, now)
