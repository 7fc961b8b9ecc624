"""Definitions as plans: where each instruction goes next, and what is found out only when a step is reached."""

from __future__ import annotations

from typing import Any

import pytest

from engine.definition import plan as code
from engine.definition.compile import compile_definition
from engine.definition.parse import parse_definition
from engine.definition.plan import Plan
from engine.definition.template import Template
from engine.errors import StepFailure

TRUE = {"$expr": "true"}


def state(step_id: str) -> dict[str, Any]:
    return {"id": step_id, "type": "state.set", "config": {"state": "A"}}


def compiled(*steps: dict[str, Any], lenient: bool = False) -> Plan:
    source = {"id": "w", "version": 3, "name": "W", "payloadSchemaRef": "payload.Any.v1", "steps": list(steps)}
    return compile_definition(parse_definition(source, lenient=lenient))


def following(plan: Plan, label: str) -> str:
    return plan.labels[plan.code[plan.index[label]].next]  # type: ignore[union-attr]  # End and LoopTurn are not asked


class Unmetered:
    """A meter without limits."""

    rounds = False

    def clock(self) -> str:
        return "2026-01-01T00:00:00.000Z"

    def admit(self) -> None:
        pass

    def spend(self, steps: int) -> None:
        pass


def test_an_empty_definition_is_its_own_end() -> None:
    plan = compiled()
    assert (plan.labels[plan.entry], plan.workflow_id, plan.version) == ("end", "w", 3)


def test_the_last_step_of_a_branch_goes_on_after_the_block() -> None:
    plan = compiled(
        {"id": "i", "type": "control.if", "condition": TRUE, "then": [state("a"), state("b")], "else": []},
        state("c"),
    )
    block = plan.code[plan.entry]
    assert isinstance(block, code.If)
    assert plan.labels[block.then_target] == "root.steps[0].then.steps[0]"
    assert plan.labels[block.else_target] == "root.steps[1]"
    assert following(plan, "root.steps[0].then.steps[0]") == "root.steps[0].then.steps[1]"
    assert following(plan, "root.steps[0].then.steps[1]") == "root.steps[1]"
    assert following(plan, "root.steps[1]") == "end"


def test_a_body_ends_in_the_turn_of_its_own_loop() -> None:
    inner = {"id": "in", "type": "control.forEach", "items": TRUE, "itemVar": "y", "body": [state("a")]}
    plan = compiled({"id": "out", "type": "control.forEach", "items": TRUE, "itemVar": "x", "body": [inner]})
    outer_path, inner_path = "root.steps[0]", "root.steps[0].body.steps[0]"
    assert following(plan, f"{inner_path}.body.steps[0]") == f"{inner_path}.turn"
    assert following(plan, inner_path) == f"{outer_path}.turn"
    for path in (outer_path, inner_path):
        turn = plan.code[plan.index[f"{path}.turn"]]
        assert isinstance(turn, code.LoopTurn)
        assert turn.loop == plan.index[path]


def test_an_empty_body_has_no_turn() -> None:
    plan = compiled({"id": "l", "type": "control.forEach", "items": TRUE, "itemVar": "x", "body": []})
    loop = plan.code[plan.entry]
    assert isinstance(loop, code.ForEach)
    assert (loop.body, loop.turn) == (None, None)


def test_a_try_branch_ends_in_its_own_end_and_a_catch_branch_after_the_block() -> None:
    plan = compiled({"id": "t", "type": "control.tryCatch", "try": [state("a")], "catch": [state("b")]}, state("c"))
    assert following(plan, "root.steps[0].try.steps[0]") == "root.steps[0].end"
    assert following(plan, "root.steps[0].end") == "root.steps[1]"
    assert following(plan, "root.steps[0].catch.steps[0]") == "root.steps[1]"


def test_labels_name_every_instruction_once() -> None:
    plan = compiled(
        {"id": "t", "type": "control.tryCatch", "try": [state("a")], "catch": []},
        {"id": "l", "type": "control.forEach", "items": TRUE, "itemVar": "x", "body": [state("b")]},
    )
    assert len(set(plan.labels)) == len(plan.labels) == len(plan.code) == len(plan.index)


def test_actions_and_children_are_listed() -> None:
    plan = compiled(
        {"id": "a", "type": "action.call", "config": {"actionId": "z.z", "version": 2}},
        {"id": "b", "type": "action.call", "config": {"actionId": "a.a", "version": 1}},
        {"id": "e", "type": "email.parseBody"},
        {"id": "c", "type": "control.callWorkflow", "workflowId": "other", "workflowVersion": 4},
    )
    assert plan.actions == (("a.a", 1), ("parse_email_reply", 1), ("z.z", 2))
    assert plan.children == (("other", 4),)


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ({"type": "transform.assign", "config": {"assign": {"bad": TRUE}}}, "must be scoped"),
        (
            {"type": "action.call", "config": {"actionId": "a", "version": 1, "saveAs": "error.x"}},
            "error cannot be written",
        ),
        (
            {"type": "control.tryCatch", "try": [], "catch": [], "captureErrorAs": "a.__proto__"},
            "__proto__ is not allowed",
        ),
        (
            {"type": "time.wait", "config": {"mode": "duration", "durationMs": 1, "assign": {"x": TRUE}}},
            "must be scoped",
        ),
        ({"type": "human.task", "config": {"taskType": "t", "title": TRUE, "assign": {"x": TRUE}}}, "must be scoped"),
        (
            {"type": "control.callWorkflow", "workflowId": "w", "workflowVersion": 1, "outputMapping": {"vars.": TRUE}},
            "a name in it is empty",
        ),
    ],
)
def test_a_step_with_a_wrong_target_is_broken_before_it_does_anything(step: dict[str, Any], problem: str) -> None:
    broken = compiled({"id": "s", **step}).code[-1]
    assert isinstance(broken, code.Broken)
    assert (broken.category, broken.code) == ("ActionError", "INVALID_ASSIGN_PATH")
    assert problem in broken.problem


def test_a_step_that_cannot_be_read_is_broken() -> None:
    plan = compiled({"id": "a", "type": "state.set"}, {"id": "b", "type": "nope"}, lenient=True)
    first, second = plan.code[plan.index["root.steps[0]"]], plan.code[plan.index["root.steps[1]"]]
    assert isinstance(first, code.Broken)
    assert isinstance(second, code.Broken)
    assert (first.category, first.code) == ("ValidationError", "INVALID_CONFIG")
    assert (second.category, second.code) == ("ActionError", "UNKNOWN_NODE_TYPE")


@pytest.mark.parametrize("save_as", ["", "  "])
def test_an_empty_save_as_is_none(save_as: str) -> None:
    call = compiled(
        {"id": "a", "type": "action.call", "config": {"actionId": "a", "version": 1, "saveAs": save_as}}
    ).code[-1]
    assert isinstance(call, code.ActionCall)
    assert call.save_as is None


def test_on_error_of_the_step_wins_over_that_of_its_config() -> None:
    config = {"actionId": "a", "version": 1, "onError": {"policy": "continue"}}
    plan = compiled(
        {"id": "a", "type": "action.call", "config": config},
        {"id": "b", "type": "action.call", "config": config, "onError": {"policy": "fail"}},
    )
    steps = [plan.code[plan.index[f"root.steps[{index}]"]] for index in (0, 1)]
    assert [step.continue_on_error for step in steps if isinstance(step, code.Instruction)] == [True, False]


def test_an_expression_that_does_not_compile_fails_when_it_is_evaluated_and_says_where_it_stands() -> None:
    plan = compiled({"id": "i", "type": "control.if", "condition": {"$expr": "payload.."}, "then": []})
    block = plan.code[plan.entry]
    assert isinstance(block, code.If)
    for _ in range(2):
        with pytest.raises(StepFailure) as failed:
            block.condition.evaluate({}, Unmetered())
        assert (failed.value.category, failed.value.code) == ("ExpressionError", "syntax")
        assert failed.value.details["path"] == "/steps/0/condition/$expr"
        assert failed.value.details["source"] == "payload.."


def test_a_template_evaluates_what_is_nested_and_names_the_authors_secrets() -> None:
    template = Template(
        {
            "a": [1, {"$expr": "payload.x"}, {"$secret": "KEY"}],
            "b/c": {"$secret": "OTHER"},
            "d": {"$secret": "NO", "with": "more"},
            "e": {"$expr": "payload.marker", "ignored": {"$secret": "NO"}},
        },
        "/steps/0/config/inputMapping",
    )
    value = template.render({"payload": {"x": 5, "marker": {"$secret": "DATA"}}}, Unmetered())
    assert value == {
        "a": [1, 5, {"$secret": "KEY"}],
        "b/c": {"$secret": "OTHER"},
        "d": {"$secret": "NO", "with": "more"},
        "e": {"$secret": "DATA"},
    }
    assert template.secret_paths == ("/a/2", "/b~1c")


def test_a_failing_expression_in_a_template_names_its_place() -> None:
    template = Template({"a": [{"b": {"$expr": "payload.nope"}}]}, "/steps/0/config/inputMapping")
    with pytest.raises(StepFailure) as failed:
        template.render({"payload": {}}, Unmetered())
    assert failed.value.message == "Expression result is not JSON-serializable"
    assert failed.value.details["path"] == "/steps/0/config/inputMapping/a/0/b/$expr"
