"""Cancellation, quota, the activation's budget, and states that cannot be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import RunError
from engine.interpreter import effects as fx
from engine.interpreter.machine import Machine
from engine.interpreter.run_state import PURE_STEPS_PER_ACTIVATION
from tests.engine.interpreter.driving import FACTS, Driver, assign, attempt, call, expr, loop

WAITS: dict[str, tuple[dict[str, Any], type]] = {
    "time": ({"id": "w", "type": "time.wait", "config": {"mode": "duration", "durationMs": 9}}, fx.AwaitTime),
    "event": (
        {"id": "w", "type": "event.wait", "config": {"eventName": "E", "correlationKey": expr("null")}},
        fx.AwaitEvent,
    ),
    "human": ({"id": "w", "type": "human.task", "config": {"taskType": "t", "title": expr('"T"')}}, fx.AwaitTask),
    "child": ({"id": "w", "type": "control.callWorkflow", "workflowId": "o", "workflowVersion": 1}, fx.StartChild),
    "retry": (call(step_id="w", retry={"maxAttempts": 2, "backoffMs": 9}), fx.Sleep),
}


def canceled(run: Driver, reason: str | None = "enough") -> fx.Finish:
    finish = run.machine.cancel(reason, run.clock.now_ms)
    run.ledger.add(finish.trace)
    return finish


@pytest.mark.parametrize("wait_type", WAITS)
def test_cancel_closes_the_open_step_and_its_wait_and_no_try_sees_it(wait_type: str) -> None:
    step, effect = WAITS[wait_type]
    run = Driver(attempt(loop(step), catch=[assign("c", caught="true")])).outputs(RunError("ActionError", "x"))
    run.on(effect, lambda _: None).run()
    finish = canceled(run)
    assert finish.status == "CANCELED"
    assert finish.error is not None
    assert (finish.error["category"], finish.error["message"]) == ("Cancellation", "enough")
    assert run.waits == [(wait_type, "CANCELED")]
    assert run.steps[-1] == ("steps[0].try.steps[0].body.steps[0]", "CANCELED")
    assert finish.scopes["vars"] == {}


def test_cancel_during_an_action_closes_the_step() -> None:
    run = Driver(call()).run()
    assert canceled(run, None).error == {
        "category": "Cancellation",
        "message": "The run was canceled",
        "nodePath": "root.steps[0]",
        "at": "2026-01-01T00:00:00.000Z",
    }
    assert run.steps == [("steps[0]", "CANCELED")]


def test_cancel_before_the_first_step_closes_nothing() -> None:
    run = Driver(call())
    assert (canceled(run).status, run.steps) == ("CANCELED", [])


def test_cancel_loses_no_record_of_an_effect_that_was_not_handed_out() -> None:
    run = Driver(call(step_id="one"), call(step_id="two")).run()
    run.machine.resume(fx.ActionSucceeded({}), run.clock.now_ms)
    finish = canceled(run)
    assert run.steps == [("steps[0]", "SUCCEEDED")]
    assert finish.steps_started == 1


def test_cancel_of_a_run_that_has_ended_changes_nothing() -> None:
    run = Driver(assign(a="1")).run()
    finish = canceled(run)
    assert (finish.status, finish.trace) == ("SUCCEEDED", ())


def test_after_the_end_the_same_end_is_told_again() -> None:
    run = Driver(assign(a="1")).run()
    again = run.machine.advance()
    assert isinstance(again, fx.Finish)
    assert (again.status, again.trace) == ("SUCCEEDED", ())
    assert not run.machine.at_boundary


# --- quota ------------------------------------------------------------------------------------------------------------


def test_every_step_start_takes_a_unit_and_none_is_left_means_asking() -> None:
    run = Driver(assign(a="1"), loop(assign("b", b="x")), quota=2).run()
    asked = run.effects[-1]
    assert isinstance(asked, fx.AwaitQuota)
    assert (asked.step.path, asked.step.iteration, asked.steps_started) == ("root.steps[1].body.steps[0]", "0", 2)
    assert len(run.ledger.steps) == 2
    run.machine.resume(fx.QuotaGranted(5), run.clock.now_ms)
    assert run.run().finish.status == "SUCCEEDED"
    assert run.machine.release_quota() == 3


def test_a_grant_without_a_limit_ends_the_asking() -> None:
    run = Driver(assign(a="1"), assign("b", b="1"), quota=0).on(fx.AwaitQuota, lambda _: fx.QuotaGranted(None)).run()
    assert len([effect for effect in run.effects if isinstance(effect, fx.AwaitQuota)]) == 1
    assert run.machine.release_quota() == 0


def test_tries_take_no_units() -> None:
    run = Driver(call(retry={"maxAttempts": 3, "backoffMs": 1}), quota=1)
    assert run.outputs(RunError("A", "x"), RunError("A", "x"), {}).run().finish.steps_started == 1


def test_what_is_given_back_is_asked_for_again() -> None:
    run = Driver(WAITS["time"][0], assign(a="1"), quota=9).on(fx.AwaitTime, lambda _: None).run()
    assert run.machine.release_quota() == 8
    run.machine.resume(fx.Elapsed(), run.clock.now_ms)
    assert isinstance(run.run().effects[-1], fx.AwaitQuota)


def test_an_empty_grant_is_a_programming_error() -> None:
    run = Driver(assign(a="1"), quota=0).run()
    with pytest.raises(TypeError):
        run.machine.resume(fx.QuotaGranted(0), run.clock.now_ms)


# --- the activation's budget ------------------------------------------------------------------------------------------


def test_many_pure_steps_are_interrupted_by_a_flush_with_their_records() -> None:
    run = Driver(loop(assign(a="x"), items=f"[1..{PURE_STEPS_PER_ACTIVATION + 50}]")).run()
    flush = run.effects[0]
    assert isinstance(flush, fx.Flush)
    assert len(flush.trace) == flush.steps_started == PURE_STEPS_PER_ACTIVATION
    assert [type(effect).__name__ for effect in run.effects] == ["Flush", "Finish"]


def test_costly_expressions_are_interrupted_earlier() -> None:
    run = Driver(loop(assign(a="len([1..8000].($ + 1))"), items="[1..60]")).run()
    assert run.finish.status == "SUCCEEDED"
    assert len([effect for effect in run.effects if isinstance(effect, fx.Flush)]) >= 2


def test_one_step_may_not_evaluate_for_ever() -> None:
    targets = {f"v{n}": "len([1..8000].($ + 1))" for n in range(60)}
    run = Driver(assign(**targets)).run()
    assert run.finish.error is not None
    assert (run.finish.error["category"], run.finish.error["code"]) == ("ExpressionError", "too-large")
    assert run.vars == {}


def test_what_pure_actions_carry_is_flushed_before_it_is_too_much() -> None:
    step = call("transform.uppercase_text", config_inputMapping={"text": expr("payload.t")})
    run = Driver(loop(step, items="[1..20]"), payload={"t": "x" * 50_000}).run()
    assert max(len(effect.trace) for effect in run.effects) <= 4
    assert run.finish.status == "SUCCEEDED"


# --- states -----------------------------------------------------------------------------------------------------------


def state_of(run: Driver) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(run.machine.snapshot()))
    return found


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("state_version", 99),
        ("definition_hash", "other"),
        ("at", "root.steps[9]"),
        ("frames", [{"loop": "root.steps[0].body.steps[0]"}]),
        ("frames", [{"try": "root.steps[0]"}]),
        ("pending", {"$kind": "Surprise"}),
        ("scopes", None),
        ("open", {"$kind": "OpenStep", "bogus": 1}),
    ],
)
def test_a_state_that_does_not_fit_fails_the_run_and_nothing_catches_it(part: str, value: Any) -> None:
    run = Driver(loop(call())).run()
    machine = Machine.restore(run.plan, FACTS, {**state_of(run), part: value}, run.host, {})
    finish = machine.advance()
    assert isinstance(finish, fx.Finish)
    assert finish.status == "FAILED"
    assert finish.error is not None
    assert (finish.error["category"], finish.error["code"]) == ("InterpreterCorruption", "STATE_UNREADABLE")


@pytest.mark.parametrize("state", [{}, {"state_version": 1}])
def test_what_is_no_state_fails_the_run(state: dict[str, Any]) -> None:
    run = Driver(call())
    finish = Machine.restore(run.plan, FACTS, state, run.host, {}).advance()
    assert isinstance(finish, fx.Finish)
    assert finish.status == "FAILED"


def test_a_restored_machine_gives_the_pending_effect_without_what_was_handed_out() -> None:
    run = Driver(WAITS["event"][0]).run()
    before = run.effects[-1]
    again = run.hop().machine.advance()
    assert isinstance(before, fx.AwaitEvent)
    assert isinstance(again, fx.AwaitEvent)
    assert (len(before.trace), again.trace) == (2, ())
    assert (again.step, again.event_name, again.key) == (before.step, before.event_name, before.key)


def test_a_state_taken_at_a_boundary_carries_the_records_that_were_not_handed_out() -> None:
    run = Driver(call(), assign(a="1")).run()
    run.machine.resume(fx.ActionSucceeded({}), run.clock.now_ms)
    assert run.machine.at_boundary
    run.hop().run()
    assert run.steps == [("steps[0]", "SUCCEEDED"), ("steps[1]", "SUCCEEDED")]
    assert [record.seq for record in run.records] == [1, 2, 3]
