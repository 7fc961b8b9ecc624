"""Steps that wait: time.wait, event.wait, human.task, and control.callWorkflow, which waits for another run."""

from __future__ import annotations

from engine.definition import plan
from engine.definition.formula import Formula
from engine.definition.step_ref import StepRef
from engine.errors import CHILD, TIMEOUT, VALIDATION, RunError, StepFailure
from engine.ids import derived_id
from engine.interpreter.effects import (
    AwaitEvent,
    AwaitTask,
    AwaitTime,
    EventArrived,
    Json,
    StartChild,
    TaskCompleted,
    WaitRecord,
)
from engine.interpreter.routing import fail
from engine.interpreter.run_state import OpenStep, RunState
from engine.interpreter.scopes import Document
from engine.interpreter.steps_action import attempt_failed, require_room
from engine.interpreter.steps_control import assign_all, kind_of
from engine.interpreter.times import EARLIER_LATEST, LATEST, iso_of, parse_instant
from engine.values.event_key import key_of
from engine.values.javascript import text
from engine.values.request_limits import MAX_KEY_BYTES, MAX_NAME_CHARACTERS, utf8_bytes

TASK_COMPLETED = "HUMAN_TASK_COMPLETED"
KEY_TOO_LONG = "KEY_TOO_LONG"
EVENT_NAME_TOO_LONG = "EVENT_NAME_TOO_LONG"

# --- time.wait --------------------------------------------------------------------------------------------------------


def run_time_wait(state: RunState, step: plan.TimeWait) -> None:
    """Wait until the due time; a due time that has passed needs no timer."""
    due = _due(state, step)
    due_at = iso_of(due)
    opened = state.start(step, {"dueAt": due_at})
    if due <= state.now_ms:
        state.seq += 1
        state.trace.append(WaitRecord(state.seq, opened.ref, "time", "RESOLVED", state.now_iso, timeout_at=due_at))
        _time_passed(state, step, due_at)
        return
    state.report(opened)
    state.wait(opened, "time", timeout_at=due_at)
    state.suspend(
        AwaitTime(
            trace=state.take_trace(),
            step=opened.ref,
            due_at=due_at,
            delay_ms=due - state.now_ms,
            steps_started=state.steps_started,
        )
    )


def _due(state: RunState, step: plan.TimeWait) -> int:
    if step.until is not None and step.duration_ms is None:
        value = step.until.evaluate(state.scopes.context(), state)
        if not isinstance(value, str):
            raise StepFailure(
                VALIDATION,
                f"time.wait until must be an ISO-8601 time as text, not {kind_of(value)}",
                code="INVALID_TIME",
            )
        try:
            due = parse_instant(value, earlier=state.earlier)
        except ValueError as failure:
            raise StepFailure(VALIDATION, f"time.wait until: {failure}", code="INVALID_TIME") from failure
    else:
        due = state.now_ms + _duration(state, step)
    if due > _latest(state):
        raise StepFailure(VALIDATION, "time.wait ends after the year 9999", code="INVALID_TIME")
    return due


def _latest(state: RunState) -> int:
    return EARLIER_LATEST if state.earlier else LATEST


def _duration(state: RunState, step: plan.TimeWait) -> int:
    """Milliseconds; 0 is not waited for."""
    if not isinstance(step.duration_ms, Formula):
        return step.duration_ms or 0
    value = step.duration_ms.evaluate(state.scopes.context(), state)
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and value == value // 1
    if not whole:
        found = f"{value}" if isinstance(value, int | float) and not isinstance(value, bool) else kind_of(value)
        message = f"time.wait durationMs must be a whole number of milliseconds, not {found}"
        raise StepFailure(VALIDATION, message, code="INVALID_TIME")
    return int(value)


def time_over(state: RunState, step: plan.TimeWait) -> None:
    """The due time has come."""
    due_at = "" if state.open is None or state.open.wait is None else state.open.wait.timeout_at or ""
    state.end_wait("RESOLVED")
    _time_passed(state, step, due_at)


def _time_passed(state: RunState, step: plan.TimeWait, due_at: str) -> None:
    mode = "until" if step.duration_ms is None else "duration"
    state.scopes.set_variable("timeWait", {"mode": mode, "dueAt": due_at, "resumedAt": state.now_iso})
    assign_all(state, step.assign)
    state.succeed(step, {"dueAt": due_at})


# --- event.wait -------------------------------------------------------------------------------------------------------


def run_event_wait(state: RunState, step: plan.EventWait) -> None:
    """Wait for a matching event. The deadline counts from now, not from when the host has written the wait."""
    key = _key(state, step.key.evaluate(state.scopes.context(), state))
    if not state.earlier:
        _require_bounded("key", key or "", MAX_KEY_BYTES, KEY_TOO_LONG)
        _require_bounded("event name", step.event_name, 4 * MAX_NAME_CHARACTERS, EVENT_NAME_TOO_LONG)
    deadline = None if step.timeout_ms is None else state.now_ms + step.timeout_ms
    if deadline is not None and deadline > _latest(state):
        raise StepFailure(VALIDATION, "event.wait times out after the year 9999", code="INVALID_TIME")
    timeout_at = None if deadline is None else iso_of(deadline)
    opened = state.start(step, {"eventName": step.event_name, "key": key, "timeoutAt": timeout_at})
    state.report(opened)
    filters: Json = [item.model_dump(by_alias=True, exclude_unset=True) for item in step.filters]
    state.wait(
        opened,
        "event",
        event_name=step.event_name,
        key=key,
        timeout_at=timeout_at,
        payload={"filters": filters} if filters else None,
    )
    state.suspend(
        AwaitEvent(
            trace=state.take_trace(),
            step=opened.ref,
            event_name=step.event_name,
            key=key,
            timeout_at=timeout_at,
            steps_started=state.steps_started,
        )
    )


def _key(state: RunState, value: Json) -> str | None:
    if value is None or state.earlier:
        return None if value is None else text(value)
    try:
        return key_of(value)
    except ValueError as problem:
        advice = "Use one of its fields, or null for an event with any key."
        raise StepFailure(VALIDATION, f"event.wait correlationKey: {problem} {advice}", code="KEY_INVALID") from problem


def _require_bounded(what: str, value: str, limit: int, code: str) -> None:
    """Refused here, because no index could hold the wait and no event with such a key or name is accepted."""
    size = utf8_bytes(value)
    if size > limit:
        raise StepFailure(
            VALIDATION,
            f"The {what} of event.wait has {size} bytes; {limit} are allowed. Wait for a shorter one, such as an id.",
            code=code,
            details={"bytes": size, "limit": limit},
        )


def event_arrived(state: RunState, step: plan.EventWait, event: EventArrived) -> None:
    """The event the wait was for."""
    unstored = None if event.stored else {"event": {"name": event.event_name, "payload": event.payload}}
    state.end_wait("RESOLVED", event.event_id, unstored)
    _resumed_by(state, event.event_name, event.payload)
    assign_all(state, step.assign)
    outcome = {"eventName": event.event_name, "key": event.key, "matchedEventId": event.event_id}
    state.succeed(step, outcome)


def event_timed_out(state: RunState, step: plan.EventWait) -> StepFailure:
    """The deadline passed: the wait is closed, the returned failure is the step's."""
    wait = None if state.open is None else state.open.wait
    state.end_wait("TIMED_OUT")
    details = {
        "eventName": step.event_name,
        "correlationKey": None if wait is None else wait.key,
        "timeoutAt": None if wait is None else wait.timeout_at,
    }
    return StepFailure(
        TIMEOUT, f"event.wait timed out waiting for {step.event_name}", code="EVENT_WAIT_TIMEOUT", details=details
    )


def _resumed_by(state: RunState, event_name: str, payload: Json) -> None:
    state.scopes.set_variable("event", payload if isinstance(payload, dict) else {})
    state.scopes.set_variable("eventName", event_name)


# --- human.task -------------------------------------------------------------------------------------------------------


def run_human_task(state: RunState, step: plan.HumanTask) -> None:
    """Ask a person, and wait for as long as it takes."""
    context = state.scopes.context()
    title = text(step.title.evaluate(context, state))
    description = None if step.description is None else step.description.evaluate(context, state)
    data = {name: formula.evaluate(context, state) for name, formula in step.context_data}
    require_room(data)
    ref = state.ref(step)
    task_id = _derived(state, ref, "task")
    opened = state.start(step, {"taskId": task_id, "taskType": step.task_type})
    state.report(opened)
    state.wait(opened, "human", event_name=TASK_COMPLETED, key=task_id, payload={"taskType": step.task_type})
    state.suspend(
        AwaitTask(
            trace=state.take_trace(),
            step=ref,
            task_id=task_id,
            task_type=step.task_type,
            title=title,
            description=None if description is None else text(description),
            context=data,
            steps_started=state.steps_started,
        )
    )


def task_completed(state: RunState, step: plan.HumanTask, answer: TaskCompleted) -> None:
    """The response, which was validated when it was submitted."""
    outcome = None if state.open is None else state.open.outcome
    state.end_wait("RESOLVED")
    _resumed_by(state, answer.event_name, answer.response)
    assign_all(state, step.assign)
    state.succeed(step, outcome)


def task_canceled(state: RunState, step: plan.HumanTask, cause: RunError) -> None:
    """Somebody closed the task without an answer: the step fails, and the definition may catch that."""
    state.end_wait("CANCELED")
    fail(state, step, cause)


# --- control.callWorkflow ---------------------------------------------------------------------------------------------


def run_call_workflow(state: RunState, step: plan.CallWorkflow) -> None:
    """Resolve the input once, then start the child of the first attempt."""
    context = state.scopes.context()
    child_input = {name: formula.evaluate(context, state) for name, formula in step.inputs}
    require_room(child_input)
    opened = state.start(step)
    opened.input = child_input
    start_child(state, step, opened)


def start_child(state: RunState, step: plan.CallWorkflow, opened: OpenStep) -> None:
    """One attempt: a child run of its own."""
    child_run_id = _derived(state, opened.ref, opened.attempt)
    opened.outcome = {"childRunId": child_run_id}
    state.report(opened)
    state.wait(opened, "child", key=child_run_id)
    state.suspend(
        StartChild(
            trace=state.take_trace(),
            step=opened.ref,
            attempt=opened.attempt,
            child_run_id=child_run_id,
            workflow_id=step.workflow_id,
            workflow_version=step.workflow_version,
            input=opened.input,
            steps_started=state.steps_started,
        )
    )


def child_succeeded(state: RunState, step: plan.CallWorkflow, scopes: Document) -> None:
    """Map the child's scopes to the parent's. Every expression sees the parent as it was before the first output.

    A failing mapping fails the step and starts no other child: the one that succeeded is done.
    """
    outcome = None if state.open is None else state.open.outcome
    state.end_wait("RESOLVED")
    system = scopes.get("system") or {}
    child = {
        "payload": scopes.get("payload") or {},
        "vars": scopes.get("vars") or {},
        "local": scopes.get("local") or {},
        "system": system,
        "meta": {**(scopes.get("meta") or {}), **system},
    }
    context = {**state.scopes.context(), "childRun": child}
    outputs = [(target, formula.evaluate(context, state)) for target, formula in step.outputs]
    for target, value in outputs:
        state.scopes.assign(target, value)
    state.succeed(step, outcome)


def child_failed(state: RunState, step: plan.CallWorkflow, cause: RunError) -> None:
    """Whatever the child failed with, the parent sees a ChildWorkflowError that carries it."""
    opened = state.open
    if opened is None:
        raise RuntimeError("a child failed that was not running")
    state.end_wait("RESOLVED")
    child_run_id = (opened.outcome or {}).get("childRunId")
    refused = cause.category == CHILD
    details: Document = {
        "workflowId": step.workflow_id,
        "workflowVersion": step.workflow_version,
        "childRunId": child_run_id,
        "rootRunId": state.facts.root_run_id or state.facts.run_id,
        "cause": (cause.details or {}).get("cause") if refused and isinstance(cause.details, dict) else cause.to_json(),
    }
    message = (
        cause.message
        if refused
        else f"Child workflow {step.workflow_id} version {step.workflow_version} failed: {cause.message}"
    )
    error = state.error_of(RunError(CHILD, message, code=cause.code, details=details), step)
    attempt_failed(state, step, opened, error)


def _derived(state: RunState, ref: StepRef, last: str | int) -> str:
    """The same id on every machine and on replay."""
    return derived_id(state.facts.run_id, ref.path, ref.iteration, ref.visit, last)
