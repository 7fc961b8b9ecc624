"""Payloads to begin with, made from JSON schemas."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.records import Json
from runstudio_tui.domain.schema_template import template_of


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
