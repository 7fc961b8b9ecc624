"""Steps that call actions: inputs, outputs, tries, pure actions, e-mail."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import RunError
from engine.interpreter import effects as fx
from tests.engine.interpreter.driving import Driver, assign, attempt, call, expr, loop

TRANSIENT = RunError("TransientError", "later", code="BUSY")


def calls(run: Driver) -> list[fx.CallAction]:
    return [effect for effect in run.effects if isinstance(effect, fx.CallAction)]


def sleeps(run: Driver) -> list[int]:
    return [effect.delay_ms for effect in run.effects if isinstance(effect, fx.Sleep)]


def test_a_call_carries_its_resolved_input_and_the_places_of_secrets() -> None:
    mapping = {"a": expr("payload.n + 1"), "s": {"$secret": "KEY"}, "data": expr("payload.marker")}
    step = call(config_inputMapping=mapping, config_idempotencyKey=expr("payload.n"), config_saveAs="out")
    run = Driver(step, payload={"n": 41, "marker": {"$secret": "NOT_MINE"}}).outputs({"ok": True}).run()
    (made,) = calls(run)
    assert made.input == {"a": 42, "s": {"$secret": "KEY"}, "data": {"$secret": "NOT_MINE"}}
    assert made.secret_paths == ("/s",)
    assert (made.idempotency_key, made.attempt, made.steps_started) == ("41", 1, 1)
    assert run.vars == {"out": {"ok": True}}


def test_the_step_is_started_before_the_call_and_ends_after_it() -> None:
    run = Driver(call()).outputs({}).run()
    (started,) = calls(run)[0].trace
    assert isinstance(started, fx.StepRecord)
    assert (started.status, started.completed_at) == ("STARTED", None)
    assert [record.status for record in run.finish.trace if isinstance(record, fx.StepRecord)] == ["SUCCEEDED"]


def test_the_traits_of_the_action_travel_with_the_call() -> None:
    traits = fx.ActionTraits(quick=True, timeout_seconds=5)
    run = Driver(call(), traits={"test.act@1": traits}).outputs({}).run()
    assert calls(run)[0].traits == traits


def test_a_null_idempotency_key_is_none() -> None:
    run = Driver(call(config_idempotencyKey=expr("null"))).outputs({}).run()
    assert calls(run)[0].idempotency_key is None


@pytest.mark.parametrize(
    ("details", "delay"),
    [({"retryAfterMs": 30_000}, 30_000), ({"retryAfterMs": 5}, 100), ({"retryAfterMs": "30"}, 100),
     ({"retryAfterMs": True}, 100), ({"retryAfterMs": 2**80}, 365 * 24 * 3_600_000), (None, 100)],
)  # fmt: skip
def test_f22_a_retry_waits_as_long_as_the_service_asks(details: Any, delay: int) -> None:
    busy = RunError("TransientError", "later", code="HTTP_STATUS", details=details)
    retry = {"maxAttempts": 2, "backoffMs": 100, "maxDelayMs": 500, "jitter": False}
    assert sleeps(Driver(call(retry=retry)).outputs(busy, {}).run()) == [delay]


def test_delays_grow_and_are_capped() -> None:
    retry = {"maxAttempts": 4, "backoffMs": 100, "backoffMultiplier": 3, "maxDelayMs": 500, "jitter": False}
    run = Driver(call(retry=retry)).outputs(TRANSIENT, TRANSIENT, TRANSIENT, {}).run()
    assert sleeps(run) == [100, 300, 500]
    assert run.waits == [("retry", "RESOLVED")] * 3
    assert [wait.attempt for wait in run.ledger.waits] == [1, 2, 3]
    assert (run.ledger.steps[0].status, run.ledger.steps[0].attempt) == ("SUCCEEDED", 4)


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 80), (0.5, 100), (0.9999999, 119)])
def test_jitter_scales_the_delay(chance: float, delay: int) -> None:
    run = Driver(call(retry={"maxAttempts": 2, "backoffMs": 100}))
    run.host.drawn = chance
    assert sleeps(run.outputs(TRANSIENT, {}).run()) == [delay]


def test_while_backing_off_the_row_says_what_the_last_try_failed_with() -> None:
    run = Driver(call(retry={"maxAttempts": 2, "backoffMs": 100})).outputs(TRANSIENT).on(fx.Sleep, lambda _: None).run()
    row = run.ledger.steps[0]
    assert (row.status, row.attempt) == ("STARTED", 1)
    assert row.error is not None
    assert row.error["code"] == "BUSY"
    assert run.ledger.waits[0].timeout_at == "2026-01-01T00:00:00.100Z"
    assert run.ledger.logs[0].message == "Attempt 1 of step call failed; the next one starts in 100 ms."


def test_the_input_and_the_key_are_resolved_once_for_all_tries() -> None:
    step = call(
        config_inputMapping={"now": expr("nowIso()")},
        config_idempotencyKey=expr("nowIso()"),
        retry={"maxAttempts": 2, "backoffMs": 1000},
    )
    first, second = calls(Driver(step).outputs(TRANSIENT, {}).run())
    assert (first.input, first.idempotency_key) == (second.input, second.idempotency_key)
    assert (first.attempt, second.attempt) == (1, 2)


@pytest.mark.parametrize(
    ("retry_on", "category", "tries"),
    [
        (None, "Any", 2),
        ([], "Any", 2),
        (["A"], "A", 2),
        (["A"], "B", 1),
        (None, "ExpressionError", 1),
        (["ExpressionError"], "ExpressionError", 2),
    ],
)
def test_categories_decide_what_is_repeated(retry_on: list[str] | None, category: str, tries: int) -> None:
    retry: dict[str, Any] = {"maxAttempts": 2, "backoffMs": 1} | ({} if retry_on is None else {"retryOn": retry_on})
    error = RunError(category, "x")
    assert len(calls(Driver(call(retry=retry)).outputs(error, error).run())) == tries


def test_an_action_may_declare_a_policy_and_the_steps_own_wins() -> None:
    traits = {"test.act@1": fx.ActionTraits(retry={"maxAttempts": 3, "backoffMs": 1})}
    by_default = Driver(call(), traits=traits).outputs(TRANSIENT, TRANSIENT, TRANSIENT).run()
    assert len(calls(by_default)) == 3
    own = Driver(call(retry={"maxAttempts": 1, "backoffMs": 1}), traits=traits).outputs(TRANSIENT).run()
    assert len(calls(own)) == 1


def test_an_input_that_cannot_be_evaluated_calls_nothing() -> None:
    run = Driver(call(config_inputMapping={"a": expr("nope")}, retry={"maxAttempts": 3, "backoffMs": 1})).run()
    assert (run.finish.status, calls(run), sleeps(run)) == ("FAILED", [], [])


def test_an_output_is_shared_with_the_scopes_and_never_changed() -> None:
    output = {"list": [1]}
    step = call(config_saveAs="vars.out")
    Driver(step, assign(out="append(out.list, 2)")).outputs(output).run()
    assert output == {"list": [1]}


# --- pure actions -----------------------------------------------------------------------------------------------------


def upper(**fields: Any) -> dict[str, Any]:
    return call(
        "transform.uppercase_text", config_inputMapping={"text": expr("payload.t")}, config_saveAs="up", **fields
    )


def test_a_pure_action_runs_without_an_effect_and_is_recorded_with_its_input_and_output() -> None:
    run = Driver(upper(), payload={"t": "a"}).run()
    assert [type(effect).__name__ for effect in run.effects] == ["Finish"]
    assert run.vars == {"up": {"text": "A"}}
    (made,) = run.ledger.pure_attempts
    assert (made.call.input, made.call.output, made.call.error, made.attempt) == ({"text": "a"}, {"text": "A"}, None, 1)


def test_a_failing_pure_action_is_repeated_only_when_the_step_says_so() -> None:
    step = call("transform.truncate_text", config_inputMapping={"text": "a"})
    assert sleeps(Driver(step).run()) == []
    run = Driver(step | {"retry": {"maxAttempts": 2, "backoffMs": 10}}).run()
    assert sleeps(run) == [10]
    assert [(made.attempt, made.call.error is not None) for made in run.ledger.pure_attempts] == [(1, True), (2, True)]
    assert (run.ledger.steps[0].status, run.ledger.steps[0].attempt) == ("FAILED", 2)


def test_a_pure_action_that_needs_a_secret_is_called_where_secrets_are() -> None:
    step = call("transform.uppercase_text", config_inputMapping={"text": {"$secret": "KEY"}})
    run = Driver(step).outputs({"text": "X"}).run()
    assert calls(run)[0].secret_paths == ("/text",)


def test_a_pure_action_in_a_loop_sees_the_loops_scope() -> None:
    step = call(
        "transform.query_json",
        config_inputMapping={"source": {"a": 1}, "expression": "source.a + x"},
        config_saveAs="q",
    )
    run = Driver(loop(step, items="[10,20]")).run()
    assert run.vars == {"q": {"value": 21}}


# --- e-mail -----------------------------------------------------------------------------------------------------------

PARSE = {"id": "p", "type": "email.parseBody", "config": {"text": expr("payload.text")}}
RENDER = {"id": "r", "type": "email.renderCommentBlocks", "config": {"text": expr("payload.text"), "saveAs": "blocks"}}
MAIL = {"text": "hello"}


def test_without_their_actions_the_email_steps_fall_back_to_the_text() -> None:
    run = Driver(PARSE, RENDER, payload=MAIL).run()
    assert run.finish.scopes["payload"]["parsedEmail"] == {
        "sanitizedText": "hello",
        "confidence": "low",
        "metadata": {"parser": {"fallback": True}},
    }
    assert run.vars["blocks"] == [{"type": "paragraph", "content": [{"type": "text", "text": "hello", "styles": {}}]}]
    assert calls(run) == []


def test_with_their_actions_the_email_steps_use_the_answers() -> None:
    traits = {"parse_email_reply@1": fx.ActionTraits(), "convert_html_to_blocks@1": fx.ActionTraits()}
    answers = ({"success": True, "parsed": {"sanitizedText": "hi", "strategy": "quote"}}, {"blocks": [{"type": "x"}]})
    run = Driver(PARSE, RENDER, payload=MAIL, traits=traits).outputs(*answers).run()
    assert run.finish.scopes["payload"]["parsedEmail"] == {
        "confidence": "high",
        "sanitizedText": "hi",
        "metadata": {"parser": {"strategy": "quote"}},
    }
    assert run.vars["blocks"] == [{"type": "x"}]
    assert calls(run)[0].input == {"text": "hello"}


@pytest.mark.parametrize("answer", [TRANSIENT, {"success": False}, {"parsed": 5}, "text"])
def test_whatever_their_actions_answer_the_email_steps_succeed(answer: Any) -> None:
    traits = {"parse_email_reply@1": fx.ActionTraits()}
    run = Driver(attempt(PARSE), payload=MAIL, traits=traits).outputs(answer).run()
    assert run.finish.scopes["payload"]["parsedEmail"]["confidence"] == "low"
