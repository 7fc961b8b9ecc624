"""Payloads to begin with, made from JSON schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.records import Json
from runstudio_tui.domain.schema_template import MAX_VALUES, template_of


@pytest.mark.parametrize(
    ("schema", "template"),
    [
        (None, {}),
        (True, {}),
        ({"type": "string"}, {}),
        (
            {"type": "object", "properties": {"a": {"type": "string"}, "n": {"type": "integer", "minimum": 3}}},
            {"a": "", "n": 3},
        ),
        (
            {"properties": {"a": {"enum": ["x", "y"]}, "b": {"const": 1}, "c": {"default": [1]}}},
            {"a": "x", "b": 1, "c": [1]},
        ),
        ({"properties": {"l": {"type": "array", "minItems": 1, "items": {"type": "boolean"}}}}, {"l": [False]}),
        ({"properties": {"m": {"type": ["null", "number"]}, "z": {"type": "null"}}}, {"m": 0, "z": None}),
        (
            {"$defs": {"A": {"properties": {"k": {"type": "string"}}}}, "properties": {"a": {"$ref": "#/$defs/A"}}},
            {"a": {"k": ""}},
        ),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        ({"properties": {"x": {"oneOf": [{"type": "integer"}, {"type": "string"}]}}}, {"x": 0}),
        ({"properties": {"far": {"$ref": "https://elsewhere.example/s"}}}, {"far": None}),
    ],
)
def test_every_member_is_there(schema: Json, template: Json) -> None:
    assert template_of(schema) == template


def test_what_is_inside_of_itself_again_is_left_to_whoever_writes_it() -> None:
    """With a handful of references to itself it was millions of values, and the studio stood still for them."""
    rule: dict[str, Any] = {"type": "object", "properties": {"op": {"type": "string"}}}
    rule["properties"] |= {name: {"$ref": "#/$defs/rule"} for name in ("all", "any", "not", "if", "then", "else", "or")}
    schema = {"properties": {"rule": {"$ref": "#/$defs/rule"}}, "$defs": {"rule": rule}}
    nulls = dict.fromkeys(("all", "any", "not", "if", "then", "else", "or"))
    assert template_of(schema) == {"rule": {"op": "", **nulls}}


def test_a_short_schema_of_millions_of_values_has_a_template_with_some_of_them() -> None:
    levels: dict[str, Any] = {
        f"l{n}": {"type": "object", "properties": {f"p{m}": {"$ref": f"#/$defs/l{n + 1}"} for m in range(30)}}
        for n in range(8)
    }
    made = template_of({"properties": {"a": {"$ref": "#/$defs/l0"}}, "$defs": levels})
    assert json.dumps(made).count(":") <= MAX_VALUES * 30


def test_entries_of_a_list_that_may_be_empty_are_not_made() -> None:
    tree: dict[str, Any] = {"properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}
    assert template_of(tree) == {"children": []}


def test_a_schema_of_itself_ends() -> None:
    schema: dict[str, Any] = {"properties": {"next": {"$ref": "#"}}}
    assert "next" in template_of(schema)


def test_a_template_of_a_plain_schema_fits_it() -> None:
    schema = {
        "type": "object",
        "required": ["order_id", "amount", "lines"],
        "properties": {
            "order_id": {"type": "string"},
            "amount": {"type": "number", "minimum": 1},
            "lines": {"type": "array", "minItems": 1, "items": {"properties": {"sku": {"type": "string"}}}},
        },
    }
    Draft202012Validator(schema).validate(template_of(schema))
