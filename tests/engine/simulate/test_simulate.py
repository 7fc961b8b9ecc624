"""Dry runs: fixtures, budgets, and what they report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from engine.actions.context import ActionContext
from engine.actions.declaration import declarations_of
from engine.actions.registry import ActionRegistry, action
from engine.errors import Invalid
from engine.simulate.dry_run import SimulationOptions, simulate
from engine.simulate.report import Simulation
from engine.values.request_limits import MAX_PAYLOAD_BYTES

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class OrderInput(BaseModel):
    id: str
    token: str = ""


class OrderOutput(BaseModel):
    reference: str
    lines: list[int]


@action("shop.order", input=OrderInput, output=OrderOutput)
async def order(given: OrderInput, ctx: ActionContext) -> OrderOutput:
    """Must never run in a dry run."""
    raise AssertionError("a dry run called an action")


REGISTRY = ActionRegistry(declarations_of(order))
CALL: dict[str, Any] = {
    "id": "o",
    "type": "action.call",
    "config": {"actionId": "shop.order", "version": 1, "inputMapping": {"id": "5"}, "saveAs": "out"},
}
DONE: dict[str, Any] = {"id": "done", "type": "state.set", "config": {"state": "DONE"}}


def expr(source: str) -> dict[str, str]:
    return {"$expr": source}


async def run(*steps: dict[str, Any], payload: Any = None, **fields: Any) -> Simulation:
    definition = {"id": "w", "version": 1, "name": "W", "payloadSchemaRef": "payload.Any.v1", "steps": list(steps)}
    return await simulate(definition, payload or {}, registry=REGISTRY, now=NOW, **fields)


async def test_an_action_is_answered_from_a_fixture_by_step_id_before_its_action_id() -> None:
    result = await run(CALL, fixtures={"o": {"by": "step"}, "shop.order": {"by": "action"}})
    assert result.final_vars == {"out": {"by": "step"}}
    assert [(made.output_source, made.input) for made in result.invocations] == [("fixture", {"id": "5"})]
    assert [(entry.outcome, entry.saved_as, entry.output) for entry in result.trace] == [
        ("stubbed", "out", {"by": "step"})
    ]
    assert result.warnings == []


async def test_without_a_fixture_the_output_is_made_up_from_the_schema_with_a_warning() -> None:
    result = await run(CALL)
    assert result.final_vars == {"out": {"reference": "text", "lines": [0]}}
    assert (result.invocations[0].output_source, len(result.warnings)) == ("schema", 1)


async def test_an_action_that_is_not_registered_gives_nothing_and_is_named() -> None:
    step = {"id": "o", "type": "action.call", "config": {"actionId": "shop.nope", "version": 1, "saveAs": "out"}}
    result = await run(step)
    assert (result.status, result.final_vars, result.invocations[0].output_source) == (
        "completed",
        {"out": {}},
        "empty",
    )
    assert "shop.nope version 1 is not registered" in result.warnings[0]


async def test_an_input_that_does_not_fit_fails_as_it_would() -> None:
    wrong = {
        "id": "o",
        "type": "action.call",
        "config": {"actionId": "shop.order", "version": 1, "inputMapping": {"id": 5}},
    }
    result = await run(wrong)
    assert (result.status, result.errors[0]["code"]) == ("failed", "ACTION_INPUT_INVALID")
    assert result.trace[0].outcome == "error"


async def test_secrets_are_placeholders() -> None:
    config = {**CALL["config"], "inputMapping": {"id": "5", "token": {"$secret": "SHOP_KEY"}}}
    result = await run({**CALL, "config": config}, fixtures={"o": {}})
    assert result.invocations[0].input == {"id": "5", "token": "secret:SHOP_KEY"}
    assert result.warnings == ["Secret SHOP_KEY is a placeholder in a dry run."]


async def test_computing_actions_run_for_real() -> None:
    upper = {"actionId": "transform.uppercase_text", "version": 1, "inputMapping": {"text": "a"}, "saveAs": "up"}
    match = {
        "actionId": "transform.regex_match",
        "version": 1,
        "inputMapping": {"text": "ab", "pattern": "b"},
        "saveAs": "m",
    }
    registry = ActionRegistry(_regex())
    steps = [{"id": "u", "type": "action.call", "config": upper}, {"id": "m", "type": "action.call", "config": match}]
    definition = {"id": "w", "version": 1, "name": "W", "payloadSchemaRef": "x", "steps": steps}
    result = await simulate(definition, {}, registry=registry, now=NOW)
    assert (result.final_vars["up"], result.final_vars["m"]["index"]) == ({"text": "A"}, 1)
    assert [entry.outcome for entry in result.trace] == ["executed", "executed"]


def _regex() -> list[Any]:
    from engine.actions.builtin.regex import REGEX_ACTIONS

    return [declared for handler in REGEX_ACTIONS for declared in declarations_of(handler)]


WAITS: dict[str, dict[str, Any]] = {
    "time": {"type": "time.wait", "config": {"mode": "duration", "durationMs": 60_000}},
    "event": {"type": "event.wait", "config": {"eventName": "E", "correlationKey": expr("null"), "timeoutMs": 5000}},
    "task": {"type": "human.task", "config": {"taskType": "t", "title": expr("'T'")}},
    "child": {"type": "control.callWorkflow", "workflowId": "o", "workflowVersion": 1},
}


@pytest.mark.parametrize("wait", WAITS)
async def test_a_wait_without_a_fixture_ends_the_dry_run_there(wait: str) -> None:
    result = await run(DONE, {"id": "w", **WAITS[wait]}, {**DONE, "id": "later"})
    assert result.status == "paused-at-wait"
    assert [(entry.step_id, entry.outcome) for entry in result.trace] == [("done", "executed"), ("w", "would-wait")]


@pytest.mark.parametrize(
    ("wait", "key", "value", "variables"),
    [
        ("event", "E", {"n": 1}, {"event": {"n": 1}, "eventName": "E"}),
        ("event", "w", 5, {"event": {"value": 5}, "eventName": "E"}),
        ("task", "t", {"ok": True}, {"event": {"ok": True}, "eventName": "HUMAN_TASK_COMPLETED"}),
        ("child", "workflow:o", {"x": 1}, {}),
    ],
)
async def test_waits_go_on_from_fixtures(wait: str, key: str, value: Any, variables: dict[str, Any]) -> None:
    result = await run({"id": "w", **WAITS[wait]}, DONE, fixtures={key: value})
    assert (result.status, result.final_vars, result.trace[0].outcome) == ("completed", variables, "stubbed")


async def test_time_passes_on_the_virtual_clock() -> None:
    result = await run({"id": "w", **WAITS["time"]}, fixtures={"time.wait": None})
    assert result.final_vars["timeWait"]["resumedAt"] == "2026-01-01T00:01:00.000Z"


async def test_an_event_may_time_out() -> None:
    result = await run({"id": "w", **WAITS["event"]}, fixtures={"E": {"$timeout": True}})
    assert result.errors[0]["category"] == "TimeoutError"
    assert result.errors[0]["at"] == "2026-01-01T00:00:05.000Z"


async def test_a_child_may_fail() -> None:
    result = await run({"id": "w", **WAITS["child"]}, fixtures={"w": {"$error": {"message": "down"}}})
    assert result.errors[0]["category"] == "ChildWorkflowError"


async def test_failures_are_shown_with_who_handled_them() -> None:
    fixtures = {"o": {"$error": {"message": "down", "category": "TransientError", "code": "X", "details": {"a": 1}}}}
    guarded = {"id": "t", "type": "control.tryCatch", "try": [CALL], "catch": [DONE]}
    result = await run(guarded, fixtures=fixtures)
    assert [(entry.outcome, entry.handled_by, entry.message) for entry in result.trace] == [
        ("executed", None, None),
        ("error", "tryCatch", "down"),
        ("executed", None, None),
    ]


async def test_tries_are_made_and_listed() -> None:
    fixtures = {"o": {"$tries": [{"$error": {"message": "once"}}, {"ok": True}]}}
    result = await run({**CALL, "retry": {"maxAttempts": 3, "backoffMs": 60_000}}, fixtures=fixtures)
    assert [(made.attempt, made.output_source) for made in result.invocations] == [(1, "fixture"), (2, "fixture")]
    assert result.final_vars == {"out": {"ok": True}}


# --- budgets ----------------------------------------------------------------------------------------------------------


def loop(items: str, *body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "l", "type": "control.forEach", "items": expr(items), "itemVar": "x", "body": list(body), **fields}


async def test_too_many_steps_end_the_dry_run_and_nothing_absorbs_it() -> None:
    guarded = {"id": "t", "type": "control.tryCatch", "try": [loop("[1..50]", DONE)], "catch": []}
    result = await run(guarded, options=SimulationOptions(max_steps=20))
    assert (result.status, result.errors[0]["code"], len(result.trace)) == ("failed", "SIMULATION_BUDGET", 20)


async def test_a_loop_that_is_too_long_is_an_ordinary_error() -> None:
    guarded = {"id": "t", "type": "control.tryCatch", "try": [loop("[1..101]", DONE)], "catch": [DONE | {"id": "c"}]}
    result = await run(guarded)
    assert (result.status, result.trace[-1].step_id) == ("completed", "c")


async def test_too_much_time_ends_the_dry_run() -> None:
    ticks = iter(range(0, 1000, 3))
    result = await run(CALL, CALL | {"id": "p"}, fixtures={"shop.order": {}}, monotonic=lambda: float(next(ticks)))
    assert (result.status, result.errors[0]["message"]) == ("failed", "The dry run took longer than 5000 ms.")


async def test_a_payload_that_is_too_large_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        await run(DONE, payload={"a": "x" * MAX_PAYLOAD_BYTES})
    assert refused.value.code == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize("make", [lambda: SimulationOptions(max_steps=0), lambda: SimulationOptions(max_items=1001)])
def test_budgets_have_limits_themselves(make: Callable[[], SimulationOptions]) -> None:
    with pytest.raises(Invalid) as refused:
        make()
    assert refused.value.code == "SIMULATION_OPTION_INVALID"


async def test_a_definition_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        await run({"id": "x", "type": "nope"})
    assert refused.value.code == "INVALID_WORKFLOW_DEFINITION"


# --- reports ----------------------------------------------------------------------------------------------------------


async def test_the_tree_shows_branches_iterations_and_what_went_wrong() -> None:
    branch = {"id": "i", "type": "control.if", "condition": expr("x = 1"), "then": [CALL]}
    result = await run(loop("[1,2]", branch, onItemError="continue"), fixtures={"o": {"$error": {"message": "down"}}})
    assert result.to_tree() == "\n".join(
        [
            "ok    l (control.forEach)",
            "  ok    i (control.if) [0] -> then",
            "    ERROR o (action.call) [0] handled by forEach-continue: down",
            "  ok    i (control.if) [1] -> else",
            "completed: 4 steps",
        ]
    )


async def test_the_report_is_json_in_camel_case() -> None:
    result = (await run(CALL, fixtures={"o": {"a": 1}})).to_json()
    assert result == {
        "status": "completed",
        "finalVars": {"out": {"a": 1}},
        "finalPayload": {},
        "errors": [],
        "warnings": [],
        "trace": [
            {
                "stepId": "o",
                "path": "root.steps[0]",
                "type": "action.call",
                "outcome": "stubbed",
                "evaluatedInput": {"id": "5"},
                "output": {"a": 1},
                "savedAs": "out",
            }
        ],
        "invocations": [
            {
                "stepId": "o",
                "path": "root.steps[0]",
                "attempt": 1,
                "actionId": "shop.order",
                "version": 1,
                "input": {"id": "5"},
                "outputSource": "fixture",
            }
        ],
    }
