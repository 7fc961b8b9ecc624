"""Reading definitions: what is accepted, and what is said about what is not."""

from __future__ import annotations

from typing import Any

import pytest

from engine.definition.models import CONTROL_TYPES, NODE_TYPES, BrokenStep, EventTrigger
from engine.definition.parse import parse_definition
from engine.errors import Invalid
from engine.values.request_limits import MAX_JSON_DEPTH

EXPR = {"$expr": "true"}
EVERY_STEP: dict[str, dict[str, Any]] = {
    "state.set": {"config": {"state": "READY"}},
    "transform.assign": {"config": {"assign": {"vars.a": EXPR}}},
    "action.call": {"config": {"actionId": "a.b", "version": 1, "inputMapping": {"x": [{"$secret": "KEY"}, EXPR, 5]}}},
    "human.task": {"config": {"taskType": "approval", "title": EXPR, "contextData": {"a": EXPR}}},
    "event.wait": {
        "config": {
            "eventName": "PAID",
            "correlationKey": EXPR,
            "filters": [{"path": "a", "op": "in", "value": [1, "x", None]}, {"path": "b", "op": "exists"}],
            "timeoutMs": 1000,
        }
    },
    "time.wait": {"config": {"mode": "duration", "durationMs": 5}, "onError": {"policy": "continue"}},
    "email.parseBody": {},
    "email.renderCommentBlocks": {"config": {"html": EXPR}},
    "control.if": {"condition": EXPR, "then": [], "else": []},
    "control.forEach": {"items": EXPR, "itemVar": "x", "body": [], "concurrency": 1, "onItemError": "continue"},
    "control.tryCatch": {"try": [], "catch": [], "captureErrorAs": "err"},
    "control.callWorkflow": {
        "workflowId": "w",
        "workflowVersion": 1,
        "inputMapping": {"a": EXPR},
        "retry": {"maxAttempts": 2, "backoffMs": 0, "backoffMultiplier": 1.5, "retryOn": ["TransientError"]},
    },
    "control.return": {},
}


def definition(*steps: Any, **fields: Any) -> dict[str, Any]:
    return {"id": "w", "version": 1, "name": "W", "payloadSchemaRef": "payload.Any.v1", "steps": list(steps), **fields}


def step(step_type: str, **fields: Any) -> dict[str, Any]:
    return {"id": "s", "type": step_type, **fields}


def issues(source: Any) -> list[dict[str, Any]]:
    with pytest.raises(Invalid) as refused:
        parse_definition(source)
    assert refused.value.code == "INVALID_WORKFLOW_DEFINITION"
    found: list[dict[str, Any]] = refused.value.details["issues"]
    return found


def test_every_step_type_has_an_example() -> None:
    assert set(EVERY_STEP) == {*NODE_TYPES, *CONTROL_TYPES}


@pytest.mark.parametrize("step_type", EVERY_STEP)
def test_every_step_type_is_read_and_written_back_unchanged(step_type: str) -> None:
    source = step(step_type, **EVERY_STEP[step_type])
    read = parse_definition(definition(source)).steps[0]
    assert read.model_dump(by_alias=True, exclude_unset=True) == source


@pytest.mark.parametrize("step_type", EVERY_STEP)
def test_every_step_type_refuses_unknown_keys(step_type: str) -> None:
    found = issues(definition(step(step_type, **EVERY_STEP[step_type], bogus=1)))
    assert [(issue["path"], issue["message"]) for issue in found] == [("/steps/0/bogus", "unknown key")]


@pytest.mark.parametrize(
    ("trigger", "path"),
    [
        ({"type": "event", "eventName": ""}, "/trigger/eventName"),
        ({"type": "schedule"}, "/trigger/runAt"),
        ({"type": "recurring", "cron": "* * * * *"}, "/trigger/timezone"),
        ({"type": "never"}, "/trigger/type"),
    ],
)
def test_a_wrong_trigger_is_located(trigger: dict[str, Any], path: str) -> None:
    assert [(issue["path"], issue["step_path"]) for issue in issues(definition(trigger=trigger))] == [(path, "root")]


def test_an_event_trigger_keeps_its_mapping() -> None:
    trigger = {"type": "event", "eventName": "E", "payloadMapping": {"a.b": EXPR, "c": "lit"}}
    read = parse_definition(definition(trigger=trigger)).trigger
    assert isinstance(read, EventTrigger)
    assert read.payload_mapping == {"a.b": EXPR, "c": "lit"}


@pytest.mark.parametrize(
    ("wrong", "path", "expected", "in_config"),
    [
        (step("state.set"), "/steps/0/config", "required, but missing", True),
        (step("state.set", config={"state": ""}), "/steps/0/config/state", "expected text that is not empty", True),
        (step("state.set", config={"state": 5}), "/steps/0/config/state", "expected text", True),
        (
            step("control.if", condition="x", then=[]),
            "/steps/0/condition",
            'expected an expression, {"$expr": "..."}',
            False,
        ),
        (step("control.if", condition=EXPR, then={}), "/steps/0/then", "expected a list", False),
        (
            step("transform.assign", config={"assign": {"vars.a": 5}}),
            "/steps/0/config/assign/vars.a",
            "expected an exp",
            True,
        ),
        (step("action.call", config={"actionId": "a", "version": True}), "/steps/0/config/version", "integer", True),
        (
            step("action.call", config={"actionId": "a", "version": 1, "inputMapping": {"a": {"b": {"$expr": 1}}}}),
            "/steps/0/config/inputMapping/a",
            "$expr must be text",
            True,
        ),
        (step("time.wait", config={"mode": "until"}), "/steps/0/config", "mode until needs until", True),
        (step("time.wait", config={"mode": "duration"}), "/steps/0/config", "mode duration needs durationMs", True),
        (step("control.forEach", items=EXPR, itemVar="x", body=[], concurrency=2), "/steps/0/concurrency", "1", False),
        (step("event.wait", config={"eventName": " ", "correlationKey": EXPR}), "/steps/0/config/eventName", "", True),
        (step("control.return", retry={"maxAttempts": 1, "backoffMs": 1}), "/steps/0/retry", "unknown key", False),
        (5, "/steps/0", "expected an object with a type", False),
        ({"id": "s"}, "/steps/0/type", "expected an object with a type", False),
    ],
)
def test_what_is_wrong_is_located_and_explained(wrong: Any, path: str, expected: str, in_config: bool) -> None:
    found = issues(definition(wrong))
    assert [issue["path"] for issue in found] == [path]
    assert expected in found[0]["message"]
    assert found[0]["in_config"] is in_config


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"path": "a", "op": "exists", "value": 1}, "takes no value"),
        ({"path": "a", "op": "="}, "needs a value"),
        ({"path": "a", "op": "in", "value": 1}, "needs a list"),
        ({"path": "a", "op": ">", "value": [1]}, "not a list"),
        ({"path": "a", "op": "contains", "value": 5}, "needs text"),
    ],
)
def test_a_filter_needs_the_value_its_operator_takes(condition: dict[str, Any], message: str) -> None:
    wait = step("event.wait", config={"eventName": "E", "correlationKey": EXPR, "filters": [condition]})
    found = issues(definition(wait))
    assert found[0]["path"] == "/steps/0/config/filters/0"
    assert message in found[0]["message"]


def test_nested_steps_are_named_by_their_step_path() -> None:
    inner = step(
        "control.forEach", items=EXPR, itemVar="x", body=[step("state.set", config={}), {"id": "n", "type": "nope"}]
    )
    found = issues(definition(step("control.return"), step("control.if", condition=EXPR, then=[], **{"else": [inner]})))
    assert [(issue["step_path"], issue["step_id"], issue["kind"]) for issue in found] == [
        ("root.steps[1].else.steps[0].body.steps[0]", "s", "shape"),
        ("root.steps[1].else.steps[0].body.steps[1]", "n", "unknown-type"),
    ]
    assert "expected one of action.call," in found[1]["message"]


@pytest.mark.parametrize("source", [None, 5, [], "x", {}, {"steps": 1}])
def test_what_is_no_definition_is_refused(source: Any) -> None:
    assert issues(source)


def test_input_that_is_nested_too_deep_is_refused_before_it_is_read() -> None:
    source: Any = 0
    for _ in range(100_000):
        source = [source]
    assert f"deeper than {MAX_JSON_DEPTH}" in issues(source)[0]["message"]


def test_an_unfinished_expression_is_an_empty_one() -> None:
    read = parse_definition(definition(step("control.if", condition={"$expr": None, "label": "x"}, then=[])))
    assert read.steps[0].condition.source == ""


def test_lenient_reading_keeps_a_definition_with_an_unreadable_node_step() -> None:
    source = definition(
        step("state.set", config={}),
        {"id": "n", "type": "nope", "onError": {"policy": "continue"}},
        step("control.if", condition=EXPR, then=[step("time.wait", config={"mode": "until"})]),
    )
    read = parse_definition(source, lenient=True)
    nested = read.steps[2].then[0]
    assert [(type(item), item.code) for item in (*read.steps[:2], nested)] == [
        (BrokenStep, "INVALID_CONFIG"),
        (BrokenStep, "UNKNOWN_NODE_TYPE"),
        (BrokenStep, "INVALID_CONFIG"),
    ]
    assert "config.state" in read.steps[0].problem
    assert read.steps[1].on_error is not None


@pytest.mark.parametrize(
    "wrong", [step("control.nope"), step("control.if", then=[]), {"type": "nope"}, {"id": "", "type": "x"}]
)
def test_lenient_reading_still_refuses_a_broken_block(wrong: Any) -> None:
    with pytest.raises(Invalid):
        parse_definition(definition(wrong), lenient=True)
