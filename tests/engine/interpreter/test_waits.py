"""Waits for time, events, people and children."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.contract import TEMPORAL_CLOCK_SEMANTICS
from engine.errors import ACTION, RunError
from engine.ids import derived_id
from engine.interpreter import effects as fx
from tests.engine.interpreter.driving import FACTS, NOW, Driver, assign, attempt, expr, loop


def until(value: str, **config: Any) -> dict[str, Any]:
    return {"id": "w", "type": "time.wait", "config": {"mode": "until", "until": expr(value), **config}}


def duration(milliseconds: int, **config: Any) -> dict[str, Any]:
    return {"id": "w", "type": "time.wait", "config": {"mode": "duration", "durationMs": milliseconds, **config}}


def event_wait(key: str = '"k"', step_id: str = "w", name: str = "PING", **config: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "event.wait", "config": {"eventName": name, "correlationKey": expr(key), **config}}


def event(number: int, key: str | None = "k", name: str = "PING", at: str = NOW, **payload: Any) -> fx.EventArrived:
    return fx.EventArrived(f"e{number}", name, key, payload or {"n": number}, at)


# --- time -------------------------------------------------------------------------------------------------------------


def test_a_duration_is_waited_for_and_told() -> None:
    run = Driver(duration(1500, assign={"vars.mode": expr("vars.timeWait.mode")})).run()
    assert isinstance(run.effects[0], fx.AwaitTime)
    assert (run.effects[0].delay_ms, run.effects[0].due_at) == (1500, "2026-01-01T00:00:01.500Z")
    assert run.vars == {
        "mode": "duration",
        "timeWait": {"mode": "duration", "dueAt": "2026-01-01T00:00:01.500Z", "resumedAt": "2026-01-01T00:00:01.500Z"},
    }
    assert run.waits == [("time", "RESOLVED")]
    assert run.ledger.steps[0].outcome == {"dueAt": "2026-01-01T00:00:01.500Z"}


def test_a_time_that_has_passed_needs_no_timer_but_has_its_row() -> None:
    run = Driver(until('"2025-06-01T12:00:00+02:00"')).run()
    assert [type(effect).__name__ for effect in run.effects] == ["Finish"]
    assert run.waits == [("time", "RESOLVED")]
    assert run.vars["timeWait"] == {"mode": "until", "dueAt": "2025-06-01T10:00:00.000Z", "resumedAt": NOW}


@pytest.mark.parametrize(
    "value",
    [
        "1767225600000", "null", '"nope"', '"1767225600000"', '"2026-13-01"', '{"a": 1}', "true",
        '"0001-01-01T00:00:00+01:00"', '"9999-12-31T23:59:59-01:00"',
    ],
)  # fmt: skip
def test_f1_what_is_no_time_is_a_validation_error(value: str) -> None:
    error = Driver(until(value)).run().finish.error
    assert error is not None
    assert (error["category"], error["code"]) == ("ValidationError", "INVALID_TIME")


def test_a_wait_beyond_the_calendar_is_refused() -> None:
    error = Driver(duration(9_007_199_254_740_991)).run().finish.error
    assert error is not None
    assert error["code"] == "INVALID_TIME"


def test_the_last_day_of_the_calendar_can_be_waited_for_but_not_in_earlier_semantics() -> None:
    last = "9999-12-31T23:59:59.999Z"
    assert Driver(until(f'"{last}"')).run().ledger.steps[0].outcome == {"dueAt": last}
    earlier = replace(FACTS, semantics_version=TEMPORAL_CLOCK_SEMANTICS)
    error = Driver(until(f'"{last}"'), facts=earlier).run().finish.error
    assert error is not None
    assert error["code"] == "INVALID_TIME"


@pytest.mark.parametrize(
    ("source", "delay"), [("1500", 1500), ("payload.minutes * 60000", 120_000), ("2.0 * 3", 6), ("0", None)]
)
def test_a_duration_may_be_an_expression(source: str, delay: int | None) -> None:
    step = {"id": "w", "type": "time.wait", "config": {"mode": "duration", "durationMs": expr(source)}}
    run = Driver(step, payload={"minutes": 2}).run()
    assert run.finish.status == "SUCCEEDED"
    assert [effect.delay_ms for effect in run.effects if isinstance(effect, fx.AwaitTime)] == ([delay] if delay else [])
    assert run.vars["timeWait"]["mode"] == "duration"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("-1", "-1"), ("1.5", "1.5"), ("'PT5M'", "text"), ("null", "null"), ("true", "a boolean"), ("[1]", "an array"),
    ],
)  # fmt: skip
def test_what_is_no_duration_is_a_validation_error(source: str, found: str) -> None:
    step = {"id": "w", "type": "time.wait", "config": {"mode": "duration", "durationMs": expr(source)}}
    error = Driver(step).run().finish.error
    assert error is not None
    assert (error["code"], error["message"]) == (
        "INVALID_TIME",
        f"time.wait durationMs must be a whole number of milliseconds, not {found}",
    )


# --- events -----------------------------------------------------------------------------------------------------------


def waiting(*steps: dict[str, Any], **fields: Any) -> Driver:
    """A run that has reached its event wait."""
    run = Driver(*steps, **fields).run()
    assert isinstance(run.effects[-1], fx.AwaitEvent)
    return run


def test_a_matching_event_resolves_the_wait_and_is_assigned() -> None:
    run = waiting(event_wait(assign={"vars.a": expr("vars.event.n"), "vars.b": expr("a + 1")}))
    assert run.machine.deliver(event(1))
    taken = run.machine.take_event()
    assert taken is not None
    run.machine.resume(taken, run.clock.now_ms)
    run.run()
    assert run.vars == {"event": {"n": 1}, "eventName": "PING", "a": 1, "b": 2}
    assert run.ledger.steps[0].outcome == {"eventName": "PING", "key": "k", "matchedEventId": "e1"}
    assert run.ledger.waits[0].matched_event_id == "e1"


@pytest.mark.parametrize(
    ("wrong", "config"),
    [
        (event(1, key="other"), {}),
        (event(1, key=None), {}),
        (event(1, name="PONG"), {}),
        (event(1, f=1), {"filters": [{"path": "f", "op": ">", "value": 1}]}),
    ],
)
def test_an_event_that_does_not_match_stays_for_a_later_wait(wrong: fx.EventArrived, config: dict[str, Any]) -> None:
    run = waiting(event_wait(**config))
    assert run.machine.deliver(wrong)
    assert run.machine.take_event() is None
    assert run.machine.snapshot()["events"]["waiting"][0]["eventId"] == "e1"


@pytest.mark.parametrize(
    ("wanted", "sent", "meet"),
    [
        ('" A-1"', "A-1", True),
        ('"A-1\u00a0"', "\n A-1 ", True),
        ('"Caf\u00e9"', "Cafe\u0301", True),
        ('"Cafe\u0301"', "Caf\u00e9", True),
        ('"A-1"', "a-1", False),
        ('"A 1"', "A1", False),
        ("17", "17", True),
        ("17.0", " 17", True),
    ],
)
def test_f19_keys_are_compared_in_normal_form(wanted: str, sent: str, meet: bool) -> None:
    run = waiting(event_wait(key=wanted))
    run.machine.deliver(event(1, key=sent))
    assert (run.machine.take_event() is not None) is meet


@pytest.mark.parametrize("key", ['{"id": 1}', "[1]", "[]", '""', '"  "', '"\u2003\ufeff"', "payload.order"])
def test_f19_what_is_no_key_fails_the_step(key: str) -> None:
    run = Driver(
        attempt(event_wait(key=key), catch=[assign("c", code="error.code")]), payload={"order": {"id": 1}}
    ).run()
    assert run.vars == {"code": "KEY_INVALID"}


@pytest.mark.parametrize("key", ["k", "other", None])
def test_a_null_key_means_any_key(key: str | None) -> None:
    run = waiting(event_wait("null"))
    run.machine.deliver(event(1, key=key))
    assert run.machine.take_event() == event(1, key=key)


def test_a_key_is_compared_as_text() -> None:
    run = waiting(event_wait("payload.id"), payload={"id": 42.0})
    assert isinstance(run.effects[-1], fx.AwaitEvent)
    assert run.effects[-1].key == "42"


def test_events_before_the_wait_are_used_oldest_first_and_each_once() -> None:
    run = Driver(duration(10), event_wait(assign={"vars.a": expr("event.n")}), event_wait(step_id="w2")).on(
        fx.AwaitTime, lambda _: None
    )
    run.run()
    assert run.machine.deliver(event(2, at="2026-01-01T00:00:00.002Z"))
    assert run.machine.deliver(event(1, at="2026-01-01T00:00:00.001Z"))
    assert not run.machine.deliver(event(1))
    run.machine.resume(fx.Elapsed(), run.clock.now_ms)
    run.on(fx.AwaitEvent, lambda _: run.machine.take_event()).run()
    assert (run.vars["a"], run.vars["event"]) == (1, {"n": 2})
    assert not run.machine.deliver(event(1))


def test_a_used_event_is_ignored_for_good_also_after_a_hop() -> None:
    run = waiting(event_wait(), event_wait(step_id="w2"))
    run.machine.deliver(event(1))
    taken = run.machine.take_event()
    assert taken is not None
    run.machine.resume(taken, run.clock.now_ms)
    run.run().hop()
    assert not run.machine.deliver(event(1))
    assert run.machine.take_event() is None


def test_take_event_is_for_event_waits_only() -> None:
    run = Driver(duration(10)).on(fx.AwaitTime, lambda _: None).run()
    run.machine.deliver(event(1))
    assert run.machine.take_event() is None


def test_a_deadline_that_passes_is_a_timeout_that_can_be_caught() -> None:
    run = Driver(attempt(event_wait(timeoutMs=5000), captureErrorAs="e", catch=[assign("c", seen="e.details")]))
    run.on(fx.AwaitEvent, lambda _: fx.TimedOut()).run()
    deadline = "2026-01-01T00:00:05.000Z"
    assert run.waits == [("event", "TIMED_OUT")]
    assert run.vars["e"]["category"] == "TimeoutError"
    assert run.vars["e"]["message"] == "event.wait timed out waiting for PING"
    assert run.vars["seen"] == {"eventName": "PING", "correlationKey": "k", "timeoutAt": deadline}


def test_a_timeout_may_be_absorbed() -> None:
    run = (
        Driver(event_wait(timeoutMs=5) | {"onError": {"policy": "continue"}})
        .on(fx.AwaitEvent, lambda _: fx.TimedOut())
        .run()
    )
    assert (run.finish.status, run.waits, run.steps) == (
        "SUCCEEDED",
        [("event", "TIMED_OUT")],
        [("steps[0]", "SUCCEEDED")],
    )


def test_a_failing_assign_undoes_the_map_but_keeps_the_event() -> None:
    step = event_wait(assign={"vars.a": expr("1"), "vars.b": expr("payload.nope")})
    run = Driver(step).on(fx.AwaitEvent, lambda _: event(1)).run()
    assert run.finish.status == "FAILED"
    assert run.vars == {"event": {"n": 1}, "eventName": "PING"}
    assert run.waits == [("event", "RESOLVED")]


# --- people -----------------------------------------------------------------------------------------------------------


def test_a_task_carries_what_was_evaluated_and_gives_back_the_response() -> None:
    config = {
        "taskType": "approval",
        "title": expr("payload.n"),
        "description": expr("null"),
        "contextData": {"n": expr("payload.n")},
        "assign": {"vars.ok": expr("vars.event.ok")},
    }
    run = Driver({"id": "h", "type": "human.task", "config": config}, payload={"n": 5})
    run.on(fx.AwaitTask, lambda _: fx.TaskCompleted("HUMAN_TASK_COMPLETED", {"ok": True})).run()
    task = run.effects[0]
    assert isinstance(task, fx.AwaitTask)
    assert (task.title, task.description, task.context) == ("5", None, {"n": 5})
    assert task.task_id == derived_id("run", "root.steps[0]", "", 1, "task")
    assert run.vars == {"event": {"ok": True}, "eventName": "HUMAN_TASK_COMPLETED", "ok": True}
    assert run.waits == [("human", "RESOLVED")]


def test_each_iteration_has_its_own_task() -> None:
    run = Driver(loop({"id": "h", "type": "human.task", "config": {"taskType": "t", "title": expr('"T"')}}))
    run.on(fx.AwaitTask, lambda _: fx.TaskCompleted("DONE", [])).run()
    ids = [effect.task_id for effect in run.effects if isinstance(effect, fx.AwaitTask)]
    assert len(set(ids)) == 2
    assert run.vars["event"] == {}


def test_a_canceled_task_is_a_failure_that_can_be_caught() -> None:
    task = {"id": "h", "type": "human.task", "config": {"taskType": "t", "title": expr('"T"')}}
    run = Driver(attempt(task, catch=[assign("c", code="error.code", place="error.nodePath")], captureErrorAs="caught"))
    run.on(fx.AwaitTask, lambda _: fx.StepFailed(RunError(ACTION, "Canceled", code="TASK_CANCELED"))).run()
    assert run.finish.status == "SUCCEEDED"
    assert (run.vars["code"], run.vars["place"]) == ("TASK_CANCELED", "root.steps[0].try.steps[0]")
    assert "event" not in run.vars
    assert run.waits == [("human", "CANCELED")]


def test_a_task_that_is_closed_without_an_answer_fails_its_step() -> None:
    task = {"id": "h", "type": "human.task", "config": {"taskType": "t", "title": expr('"T"')}}
    run = Driver(attempt(task, catch=[assign("c", seen="error.code")]))
    run.on(fx.AwaitTask, lambda _: fx.StepFailed(RunError("ActionError", "closed", code="TASK_CANCELED"))).run()
    assert (run.waits, run.vars) == ([("human", "CANCELED")], {"seen": "TASK_CANCELED"})


# --- children ---------------------------------------------------------------------------------------------------------

CHILD: dict[str, Any] = {
    "id": "c",
    "type": "control.callWorkflow",
    "workflowId": "other",
    "workflowVersion": 3,
    "inputMapping": {"a.b": expr("1 + 1")},
    "outputMapping": {
        "vars.first": expr("childRun.vars.x"),
        "vars.second": expr('coalesce(first, "unset")'),
        "third": expr("childRun.meta.workflowId & childRun.system.runId & childRun.payload.p"),
    },
}
SCOPES = {
    "payload": {"p": "!"},
    "vars": {"x": 9},
    "local": {},
    "meta": {},
    "error": None,
    "system": {"runId": "r2", "workflowId": "other"},
}


def test_a_child_gets_a_flat_input_and_its_scopes_are_mapped_from_before_the_first_output() -> None:
    run = Driver(CHILD).on(fx.StartChild, lambda _: fx.ChildSucceeded(SCOPES)).run()
    child = run.effects[0]
    assert isinstance(child, fx.StartChild)
    assert (child.input, child.workflow_id, child.workflow_version) == ({"a.b": 2}, "other", 3)
    assert run.vars == {"first": 9, "second": "unset", "third": "otherr2!"}
    assert run.waits == [("child", "RESOLVED")]
    assert run.ledger.steps[0].outcome == {"childRunId": child.child_run_id}


def test_every_attempt_is_a_child_of_its_own() -> None:
    answers: list[fx.Outcome] = [fx.StepFailed(RunError("ActionError", "x")), fx.ChildSucceeded(SCOPES)]
    run = (
        Driver(CHILD | {"retry": {"maxAttempts": 2, "backoffMs": 10}}).on(fx.StartChild, lambda _: answers.pop(0)).run()
    )
    children = [effect for effect in run.effects if isinstance(effect, fx.StartChild)]
    assert [child.child_run_id for child in children] == [derived_id("run", "root.steps[0]", "", 1, n) for n in (1, 2)]
    assert run.waits == [("child", "RESOLVED"), ("retry", "RESOLVED"), ("child", "RESOLVED")]
    assert run.finish.status == "SUCCEEDED"


def test_the_failure_of_a_child_carries_its_cause() -> None:
    cause = RunError("TransientError", "down", node_path="root.steps[4]", code="X")
    run = Driver(attempt(CHILD, captureErrorAs="e")).on(fx.StartChild, lambda _: fx.StepFailed(cause)).run()
    error = run.vars["e"]
    assert (error["category"], error["code"], error["nodePath"]) == (
        "ChildWorkflowError",
        "X",
        "root.steps[0].try.steps[0]",
    )
    assert error["message"] == "Child workflow other version 3 failed: down"
    assert error["details"] == {
        "workflowId": "other",
        "workflowVersion": 3,
        "childRunId": derived_id("run", "root.steps[0].try.steps[0]", "", 1, 1),
        "rootRunId": "run",
        "cause": cause.to_json(),
    }


def test_a_child_that_was_refused_says_why() -> None:
    refused = RunError("ChildWorkflowError", "Workflow is paused", details={"cause": {"code": "PAUSED"}})
    run = Driver(attempt(CHILD, captureErrorAs="e")).on(fx.StartChild, lambda _: fx.StepFailed(refused)).run()
    assert run.vars["e"]["message"] == "Workflow is paused"
    assert run.vars["e"]["details"]["cause"] == {"code": "PAUSED"}


def test_a_failing_output_mapping_starts_no_other_child_and_writes_nothing() -> None:
    step = CHILD | {
        "outputMapping": {"vars.a": expr("1"), "vars.b": expr("childRun.vars.nope")},
        "retry": {"maxAttempts": 3, "backoffMs": 1},
    }
    run = Driver(step).on(fx.StartChild, lambda _: fx.ChildSucceeded(SCOPES)).run()
    assert len([effect for effect in run.effects if isinstance(effect, fx.StartChild)]) == 1
    assert run.finish.error is not None
    assert (run.finish.error["category"], run.vars) == ("ExpressionError", {})


# --- on record --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [event_wait(timeoutMs=1000), duration(1500)], ids=["event", "time"])
def test_a_wait_can_be_put_on_record_again_also_by_a_restored_machine(step: dict[str, Any]) -> None:
    run = Driver(assign("x", n="1"), step)
    written: fx.Trace = ()
    while not written:
        written = run.machine.advance().trace
    assert run.machine.waiting_records == written
    again = run.hop().machine.waiting_records
    assert again == tuple(record for record in written if record.step is not None and record.step.step_id == "w")
    assert [type(record).__name__ for record in again] == ["StepRecord", "WaitRecord"]


def test_nothing_is_waited_for_at_an_action() -> None:
    run = Driver({"id": "c", "type": "action.call", "config": {"actionId": "a.b", "version": 1}})
    run.machine.advance()
    assert run.machine.waiting_records == ()
