"""Steps that call an action: action.call, and the e-mail steps that fall back when their action fails."""

from __future__ import annotations

import math
from typing import Any

from engine.definition import plan
from engine.definition.assign_paths import Target
from engine.errors import ACTION, RunError, StepFailure
from engine.interpreter.effects import (
    ActionTraits,
    CallAction,
    PureCall,
    Sleep,
)
from engine.interpreter.policies import asked_delay_ms, backoff_ms, default_policy, may_repeat
from engine.interpreter.routing import fail
from engine.interpreter.run_state import OpenStep, RunState
from engine.interpreter.times import iso_of
from engine.values.javascript import text
from engine.values.json_size import surely_above
from engine.values.request_limits import MAX_VALUE_BYTES

CallingStep = plan.ActionCall | plan.Email


def run_action(state: RunState, step: plan.ActionCall) -> None:
    """Resolve input and key once, then make the first attempt."""
    context = state.scopes.context()
    value = step.mapping.render(context, state)
    require_room(value)
    key = None if step.key is None else step.key.evaluate(context, state)
    opened = state.start(step)
    opened.input = value
    opened.key = None if key is None else text(key)
    call_action(state, step, opened)


def require_room(value: Any) -> None:
    """Refuse an input that is far too large, before anybody writes it down: many fields may share one large value."""
    if surely_above(value, MAX_VALUE_BYTES):
        raise StepFailure(
            ACTION,
            f"The input has more than {MAX_VALUE_BYTES} bytes. Store it elsewhere and pass a reference.",
            code="PAYLOAD_TOO_LARGE",
            details={"limit": MAX_VALUE_BYTES},
        )


def run_email(state: RunState, step: plan.Email) -> None:
    """As an action, when that action is registered; otherwise the fallback at once."""
    context = state.scopes.context()
    texts = {"text": step.text, "html": step.html}
    value = {name: formula.evaluate(context, state) for name, formula in texts.items() if formula is not None}
    opened = state.start(step)
    opened.input = {name: None if item is None else text(item) for name, item in value.items()}
    if traits_of(state, step) is None:
        _save(state, step, step.save_as, _fallback(step, opened.input), None)
    else:
        call_action(state, step, opened)


def traits_of(state: RunState, step: CallingStep) -> ActionTraits | None:
    """What is known of the action; None when it is not registered."""
    return state.traits.get(f"{step.action_id}@{step.action_version}")


def call_action(state: RunState, step: CallingStep, opened: OpenStep) -> None:
    """Make one attempt: inside the machine when the action is pure, else by the host."""
    secrets = step.mapping.secret_paths if isinstance(step, plan.ActionCall) else ()
    if isinstance(step, plan.ActionCall) and not secrets and state.host.is_pure(step.action_id, step.action_version):
        _call_pure(state, step, opened)
        return
    state.report(opened)
    state.suspend(
        CallAction(
            trace=state.take_trace(),
            step=opened.ref,
            attempt=opened.attempt,
            action_id=step.action_id,
            action_version=step.action_version,
            input=opened.input,
            idempotency_key=opened.key,
            steps_started=state.steps_started,
            traits=traits_of(state, step) or ActionTraits(),
            secret_paths=secrets,
        )
    )


def _call_pure(state: RunState, step: plan.ActionCall, opened: OpenStep) -> None:
    def record(output: Any, error: RunError | None) -> PureCall:
        failure = None if error is None else error.to_json()
        return PureCall(step.action_id, step.action_version, opened.input, output, failure)

    try:
        output = state.host.pure_action(
            step.action_id,
            step.action_version,
            opened.input,
            step.config,
            state.scopes.context(),
            state.clock,
            state.earlier,
        )
    except StepFailure as failure:
        error = state.error_of(failure, step)
        attempt_failed(state, step, opened, error, record(None, error))
    else:
        _save(state, step, step.save_as, output, record(output, None))


def action_succeeded(state: RunState, step: CallingStep, output: Any) -> None:
    """The host ran the action: write its output where the author wants it."""
    if isinstance(step, plan.Email):
        output = _email_result(step, output, state.open.input if state.open else {})
    _save(state, step, step.save_as, output, None)


def _save(state: RunState, step: CallingStep, target: Target | None, output: Any, call: PureCall | None) -> None:
    if target is not None:
        state.scopes.assign(target, output)
    state.succeed(step, None if target is None else {"savedAs": target.text}, call)


def action_failed(state: RunState, step: CallingStep, error: RunError) -> None:
    """The host's attempt failed: try again, fall back, or fail the step."""
    opened = state.open
    if opened is None:
        raise RuntimeError("an action failed that was not running")
    attempt_failed(state, step, opened, state.error_of(error, step))


def attempt_failed(
    state: RunState,
    step: CallingStep | plan.CallWorkflow,
    opened: OpenStep,
    error: RunError,
    call: PureCall | None = None,
) -> None:
    """Repeat the attempt after a back-off when the policy allows it; the step's own policy wins over the action's."""
    policy = step.retry
    if policy is None and not isinstance(step, plan.CallWorkflow):
        traits = traits_of(state, step)
        policy = None if traits is None else default_policy(traits.retry)
    if policy is None or not may_repeat(policy, opened.attempt, error):
        if isinstance(step, plan.Email):
            _save(state, step, step.save_as, _fallback(step, opened.input), None)
        else:
            fail(state, step, error, call)
        return
    chance = state.host.chance(state.facts.run_id, opened.ref, opened.attempt)
    delay = max(math.floor(backoff_ms(policy, opened.attempt, chance)), asked_delay_ms(error))
    due_at = iso_of(state.now_ms + delay)
    state.report(opened, error, call)
    state.log(
        "WARN",
        f"Attempt {opened.attempt} of step {opened.ref.step_id} failed; the next one starts in {delay} ms.",
        opened.ref,
        {"category": error.category, "code": error.code},
    )
    state.wait(opened, "retry", timeout_at=due_at)
    state.suspend(
        Sleep(
            trace=state.take_trace(),
            step=opened.ref,
            attempt=opened.attempt,
            delay_ms=delay,
            due_at=due_at,
            steps_started=state.steps_started,
        )
    )


# --- e-mail: what the steps make of their action's answer, and without one --------------------------------------------


def _email_result(step: plan.Email, output: Any, given: dict[str, Any]) -> Any:
    answer = output if isinstance(output, dict) and output.get("success") is not False else {}
    if step.ref.step_type == "email.renderCommentBlocks":
        blocks = answer.get("blocks")
        return blocks if isinstance(blocks, list) else _fallback(step, given)
    nested = answer.get("parsed")
    parsed = nested if isinstance(nested, dict) else answer
    if not isinstance(parsed.get("sanitizedText"), str):
        return _fallback(step, given)
    kept = ("sanitizedText", "sanitizedHtml", "confidence")
    return {
        "confidence": "high",
        **{name: parsed[name] for name in kept if parsed.get(name) is not None},
        "metadata": {"parser": {name: value for name, value in parsed.items() if name not in kept}},
    }


def _fallback(step: plan.Email, given: dict[str, Any]) -> Any:
    raw = given.get("text") or given.get("html") or ""
    if step.ref.step_type == "email.renderCommentBlocks":
        return [{"type": "paragraph", "content": [{"type": "text", "text": raw, "styles": {}}]}]
    html = given.get("html")
    return {
        "sanitizedText": raw,
        **({"sanitizedHtml": html} if html else {}),
        "confidence": "low",
        "metadata": {"parser": {"fallback": True}},
    }
