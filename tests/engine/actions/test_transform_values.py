"""transform.* on objects, lists and JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.actions.pure import PURE_ACTIONS, run_pure
from engine.errors import StepFailure

NOW = "2026-01-01T00:00:00.000Z"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-(2.0**53), 2.0**53) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


def run(action: str, **action_input: Any) -> Any:
    context = {"payload": {"factor": 3}, "vars": {}}
    return run_pure(f"transform.{action}", 1, action_input, step_config={}, context=context, now_iso=lambda: NOW)


@pytest.mark.parametrize(
    ("action", "action_input", "output"),
    [
        ("coalesce_value", {"candidates": [None, "", " \n", "v", "w"]}, {"value": "v", "matchedIndex": 3}),
        ("coalesce_value", {"candidates": [None, ""], "treatEmptyStringAsMissing": False}, {"value": "", "matchedIndex": 1}),
        ("coalesce_value", {"candidates": [None, 0]}, {"value": 0, "matchedIndex": 1}),
        ("coalesce_value", {"candidates": [None, ""]}, {"matchedIndex": None}),
        ("coalesce_value", {}, {"matchedIndex": None}),
        (
            "build_object",
            {"fields": [{"key": "a", "value": 1}, {"key": "b", "value": None}, {"key": "c"}, {"key": "a", "value": 2}]},
            {"object": {"a": 2, "b": None}},
        ),
        ("build_object", {}, {"object": {}}),
        ("pick_fields", {"source": {"a": 1, "b": None}, "fields": ["b", "zz", "a"]}, {"object": {"b": None, "a": 1}}),
        ("pick_fields", {"source": None, "fields": ["a"]}, {"object": {}}),
        ("pick_fields", {"fields": ["a"]}, {"object": {}}),
        (
            "rename_fields",
            {
                "source": {"a": 1, "b": 2},
                "renames": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}, {"from": "x", "to": "y"}],
            },
            {"object": {"c": 1}},
        ),
        ("append_array", {"items": [1], "values": [2, [3]]}, {"items": [1, 2, [3]]}),
        ("build_array", {"items": [1, None]}, {"items": [1, None]}),
        ("parse_json", {"source": '{"a":[1,2.5,null,true]}'}, {"value": {"a": [1, 2.5, None, True]}, "type": "object"}),
        ("parse_json", {"source": "[]"}, {"value": [], "type": "array"}),
        ("parse_json", {"source": ' "x" '}, {"value": "x", "type": "string"}),
        ("parse_json", {"source": "-0.5"}, {"value": -0.5, "type": "number"}),
        ("parse_json", {"source": "true"}, {"value": True, "type": "boolean"}),
        ("parse_json", {"source": "null"}, {"value": None, "type": "null"}),
        ("parse_json", {"source": {"a": 1}}, {"value": {"a": 1}, "type": "object"}),
        ("stringify_json", {"source": {"b": 1.0, "a": [None, "é"]}}, {"text": '{"b":1,"a":[null,"é"]}'}),
        ("stringify_json", {"source": {"a": [1], "b": {}}, "spacing": 2}, {"text": '{\n  "a": [\n    1\n  ],\n  "b": {}\n}'}),
        ("query_json", {"source": {"n": 2}, "expression": "source.n * payload.factor"}, {"value": 6}),
        ("query_json", {"source": None, "expression": "nowIso()"}, {"value": NOW}),
    ],
)  # fmt: skip
def test_outputs(action: str, action_input: dict[str, Any], output: Any) -> None:
    result = run(action, **action_input)
    assert result == output
    PURE_ACTIONS[f"transform.{action}", 1].output_model.model_validate(result)


def test_picked_fields_come_in_the_order_they_are_named() -> None:
    assert list(run("pick_fields", source={"a": 1, "b": 2}, fields=["b", "a"])["object"]) == ["b", "a"]


@pytest.mark.parametrize("source", ["{", "NaN", "-Infinity", "1e999", "", "[1,]", "[" * 100_000, "9" * 10_000])
def test_what_is_no_json_is_refused(source: str) -> None:
    with pytest.raises(StepFailure, match="JSON parse failed") as failed:
        run("parse_json", source=source)
    assert failed.value.code == "JSON_PARSE_FAILED"
    assert "sys." not in failed.value.message


@pytest.mark.parametrize("action_input", [{}, {"source": 5}, {"source": None}])
def test_parse_wants_a_text_an_object_or_a_list(action_input: dict[str, Any]) -> None:
    with pytest.raises(StepFailure) as failed:
        run("parse_json", **action_input)
    assert failed.value.code == "ACTION_INPUT_INVALID"


@pytest.mark.parametrize(
    ("expression", "said", "kind"),
    [
        ("source.", "is not valid", "syntax"),
        ("$eval(source)", "is not valid", "disallowed-function"),
        ("source.missing", "could not be evaluated", "no-json-result"),
    ],
)
def test_a_wrong_query_says_whether_it_is_the_expression_or_the_data(expression: str, said: str, kind: str) -> None:
    with pytest.raises(StepFailure, match=said) as failed:
        run("query_json", source={}, expression=expression)
    assert (failed.value.category, failed.value.code) == ("ExpressionError", kind)
    assert failed.value.details["source"] == expression


def test_query_and_stringify_need_a_source_but_null_is_one() -> None:
    with pytest.raises(StepFailure):
        run("stringify_json")
    assert run("stringify_json", source=None) == {"text": "null"}


def test_a_value_nested_without_end_is_not_fatal() -> None:
    value: list[Any] = []
    for _ in range(99_999):
        value = [value]
    assert run("stringify_json", source=value) == {"text": "[" * 100_000 + "]" * 100_000}


def test_a_text_is_parsed_to_the_same_depth_wherever_the_action_runs() -> None:
    """A little deeper and it could be read in one place, and not be written in another: the run would stand still."""
    assert run("parse_json", source="[" * 900 + "]" * 900)["type"] == "array"
    for depth in (901, 940, 100_000):
        with pytest.raises(StepFailure, match="too deeply") as failed:
            run("parse_json", source='{"a":' * depth + "1" + "}" * depth)
        assert failed.value.code == "JSON_PARSE_FAILED"
    assert "sys." not in failed.value.message


def test_an_output_that_is_too_large_is_refused_wherever_the_action_runs() -> None:
    with pytest.raises(StepFailure) as failed:
        run("stringify_json", source="x" * 3_000_000)
    assert (failed.value.code, failed.value.details) == ("PAYLOAD_TOO_LARGE", {"limit": 2 * 1024 * 1024})


@given(json_values, st.integers(0, 8))
def test_what_is_written_parses_back(value: Any, spacing: int) -> None:
    text = run("stringify_json", source=value, spacing=spacing)["text"]
    assert run("parse_json", source=text)["value"] == value
    assert json.loads(text) == value


@given(json_values)
def test_inputs_are_never_changed(value: Any) -> None:
    before = json.dumps(value)
    run("rename_fields", source={"a": value}, renames=[{"from": "a", "to": "b"}])
    run("append_array", items=[value], values=[value])
    assert json.dumps(value) == before
