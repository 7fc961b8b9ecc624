"""The traits of an action when a step called it, derived from what is recorded of the step.

A registry of today cannot tell that: the action may have been declared otherwise then, or be unknown to this process.
"""

from __future__ import annotations

from typing import Final

from engine.definition.step_ref import StepRef
from engine.interpreter.effects import ActionTraits
from engine.interpreter.ledger import key_of
from engine.interpreter.recorded_run import RecordedRun

_EMAIL: Final = "email."
"""Steps with this prefix do without their action where it is not registered."""


def recorded_traits(run: RecordedRun, step: StepRef) -> ActionTraits | None:
    """Traits under which the step's action is repeated just as often as it was. None: it was not registered."""
    key = key_of(step)
    known = run.steps.get(key)
    ended = known is not None and known.status in ("SUCCEEDED", "FAILED")
    if step.step_type.startswith(_EMAIL) and ended and (*key, 1) not in run.tries:
        return None
    attempt = 1
    categories: set[str] = set()
    while (*key, "retry", attempt) in run.waits:
        found = run.tries.get((*key, attempt))
        if found is not None and found.error is not None:
            categories.add(str(found.error.get("category")))
        attempt += 1
    if attempt == 1:
        return ActionTraits()
    return ActionTraits(retry={"maxAttempts": attempt, "backoffMs": 0, "retryOn": sorted(categories)})
