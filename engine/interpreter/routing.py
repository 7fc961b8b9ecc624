"""Failure handling: by onError of the step, the nearest try, the nearest loop, or the end of the run."""

from __future__ import annotations

from engine.definition.plan import Instruction
from engine.errors import RunError, StepFailure
from engine.interpreter.effects import PureCall
from engine.interpreter.frames import LoopFrame, TryFrame
from engine.interpreter.run_state import RunState


def fail(state: RunState, step: Instruction, failure: StepFailure | RunError, call: PureCall | None = None) -> None:
    """Record a step that failed for good, and go on where the failure is handled, or end the run.

    A try at any distance wins over a nearer loop that continues. Of loops only the nearest counts: one that says ``fail``
    shields those around it.
    """
    error = state.error_of(failure, step)
    outcome = None if state.open is None else state.open.outcome
    if step.continue_on_error:
        _absorbed(state, step, error, "onError-continue")
        state.complete(step, "SUCCEEDED", outcome, error=error, handled_by="onError-continue", call=call)
        state.at = step.next
        return
    frames = state.frames
    if any(isinstance(frame, TryFrame) for frame in frames):
        state.complete(step, "FAILED", outcome, error=error, handled_by="tryCatch", call=call)
        _catch(state, error)
        return
    loop = next((frame for frame in reversed(frames) if isinstance(frame, LoopFrame)), None)
    if loop is not None and loop.step.continue_on_item_error:
        _absorbed(state, step, error, "forEach-continue")
        state.complete(step, "FAILED", outcome, error=error, handled_by="forEach-continue", call=call)
        state.at = step.next
        return
    state.complete(step, "FAILED", outcome, error=error, call=call)
    state.finish("FAILED", error)


def _absorbed(state: RunState, step: Instruction, error: RunError, handled_by: str) -> None:
    state.scopes.fail(error.to_json())
    state.log(
        "WARN",
        f"The failure of step {step.ref.step_id} was absorbed ({handled_by}).",
        state.ref(step),
        {"category": error.category, "code": error.code},
    )


def _catch(state: RunState, error: RunError) -> None:
    """Unwind to the nearest try and enter its catch branch."""
    while True:
        frame = state.frames.pop()
        state.leave(frame)
        if isinstance(frame, TryFrame):
            break
    value = error.to_json()
    state.scopes.fail(value)
    if frame.step.capture is not None:
        state.scopes.assign(frame.step.capture, value)
    state.at = frame.step.catch
