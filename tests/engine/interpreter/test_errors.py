"""Where failures go: onError, try, loops, the end."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import RunError
from engine.interpreter import effects as fx
from tests.engine.interpreter.driving import NOW, Driver, assign, attempt, call, expr, failing, loop

BOOM = RunError("ActionError", "boom", code="X", details={"a": 1})
CONTINUE = {"policy": "continue"}


def test_the_error_that_is_caught_is_complete_and_in_both_places() -> None:
    run = Driver(
        attempt(call(), catch=[assign("c", via="error", same="error = vars.err")], captureErrorAs="err"),
        assign("z", later="error.message"),
    )
    run.outputs(BOOM).run()
    caught = {
        "category": "ActionError",
        "message": "boom",
        "nodePath": "root.steps[0].try.steps[0]",
        "at": NOW,
        "code": "X",
        "details": {"a": 1},
    }
    assert run.vars == {"err": caught, "via": caught, "same": True, "later": "boom"}
    assert run.finish.status == "SUCCEEDED"


def test_the_failed_step_says_who_handled_it() -> None:
    run = Driver(attempt(call(), catch=[])).outputs(BOOM).run()
    failed = run.ledger.steps[1]
    assert (failed.status, failed.handled_by) == ("FAILED", "tryCatch")
    assert failed.error is not None
    assert failed.error["code"] == "X"


def test_a_try_at_any_distance_wins_over_a_nearer_loop_that_continues() -> None:
    run = Driver(attempt(loop(failing(), onItemError="continue"), catch=[assign("c", caught="true")])).run()
    assert run.vars == {"caught": True}
    assert [path for path, _ in run.steps].count("steps[0].try.steps[0].body.steps[0]") == 1


def test_a_failure_in_catch_goes_to_the_outer_try() -> None:
    inner = attempt(failing(), catch=[call()])
    run = Driver(attempt(inner, catch=[assign("c", seen="error.message")])).outputs(BOOM).run()
    assert run.vars == {"seen": "boom"}


def test_after_a_try_that_went_well_its_catch_is_out_of_reach() -> None:
    run = Driver(attempt(assign(a="1"), catch=[assign("c", caught="true")]), failing()).run()
    assert (run.finish.status, run.vars) == ("FAILED", {"a": 1})


def test_a_loop_that_continues_goes_on_with_the_next_step_of_the_same_item() -> None:
    run = Driver(loop(failing(), assign("z", seen="append(vars.seen, x)"), onItemError="continue")).run()
    assert run.vars == {"seen": [1, 2]}
    failed = [step for step in run.ledger.steps if step.status == "FAILED"]
    assert [step.handled_by for step in failed] == ["forEach-continue"] * 2
    assert run.finish.scopes["error"]["category"] == "ExpressionError"


def test_a_failing_last_step_of_a_branch_in_a_body_goes_on_with_what_follows_the_branch() -> None:
    branch = {"id": "i", "type": "control.if", "condition": expr("true"), "then": [failing()]}
    run = Driver(loop(branch, assign("z", seen="append(vars.seen, x)"), onItemError="continue")).run()
    assert run.vars == {"seen": [1, 2]}


def test_only_the_nearest_loop_is_asked() -> None:
    run = Driver(loop(loop(failing(), items="[1]", var="y", onItemError="fail"), onItemError="continue")).run()
    assert run.finish.status == "FAILED"


def test_the_items_of_an_inner_loop_are_a_step_of_the_outer_body() -> None:
    run = Driver(
        loop(loop(assign(a="1"), items="payload.nope", var="y"), onItemError="continue"), assign("z", z="1")
    ).run()
    assert (run.finish.status, run.vars) == ("SUCCEEDED", {"z": 1})


@pytest.mark.parametrize(
    "step",
    [
        failing(),
        {"id": "s", "type": "time.wait", "config": {"mode": "until", "until": expr('"nope"')}},
        {"id": "s", "type": "event.wait", "config": {"eventName": "E", "correlationKey": expr("payload.nope")}},
        {"id": "s", "type": "human.task", "config": {"taskType": "t", "title": expr("payload.nope")}},
        {
            "id": "s",
            "type": "control.callWorkflow",
            "workflowId": "w",
            "workflowVersion": 1,
            "inputMapping": {"a": expr("nope")},
        },
        {"id": "s", "type": "no.such.type", "config": {}},
        {"id": "s", "type": "state.set", "config": {}},
        call(config_inputMapping={"a": expr("nope")}),
        call("transform.truncate_text", config_inputMapping={"text": "a"}),
    ],
    ids=lambda step: str(step["type"]),
)
def test_on_error_continue_works_on_every_node_step_wait_and_child(step: dict[str, Any]) -> None:
    run = Driver(step | {"onError": CONTINUE}, assign("z", z="error.message")).run()
    first = run.ledger.steps[0]
    assert (first.status, first.handled_by) == ("SUCCEEDED", "onError-continue")
    assert first.error is not None
    assert run.vars == {"z": first.error["message"]}
    assert [record.level for record in run.ledger.logs] == ["WARN"]


def test_on_error_continue_comes_after_the_retries_and_writes_no_output() -> None:
    step = call(config_saveAs="out", onError=CONTINUE, retry={"maxAttempts": 2, "backoffMs": 5})
    run = Driver(step).outputs(BOOM, BOOM).run()
    assert [type(effect).__name__ for effect in run.effects] == ["CallAction", "Sleep", "CallAction", "Finish"]
    assert (run.finish.status, run.vars) == ("SUCCEEDED", {})


@pytest.mark.parametrize("category", ["Cancellation", "InterpreterCorruption", "My.Own"])
def test_a_category_is_only_text_and_every_failure_of_a_step_can_be_caught(category: str) -> None:
    error = RunError(category, "the order was canceled")
    run = Driver(attempt(call(), catch=[assign("c", seen="error.category")])).outputs(error).run()
    assert (run.finish.status, run.vars) == ("SUCCEEDED", {"seen": category})


def test_an_uncaught_failure_ends_the_run_with_it() -> None:
    run = Driver(call()).outputs(BOOM).run()
    assert run.finish.status == "FAILED"
    assert run.finish.error == run.ledger.steps[0].error
    assert run.ledger.steps[0].handled_by is None


def test_an_endless_message_is_cut() -> None:
    run = Driver(call()).outputs(RunError("ActionError", "x" * 100_000)).run()
    assert run.finish.error is not None
    assert len(run.finish.error["message"]) == 8_001


def test_an_outcome_that_answers_another_effect_is_a_programming_error() -> None:
    run = Driver(call()).run()
    with pytest.raises(TypeError, match="Elapsed does not answer CallAction"):
        run.machine.resume(fx.Elapsed(), run.clock.now_ms)
