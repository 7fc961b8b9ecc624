"""Sample values for schemas."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from engine.simulate.sample import sample_of


@pytest.mark.parametrize(
    ("schema", "sample"),
    [
        ({"const": 5, "enum": [6]}, 5),
        ({"enum": ["a", "b"], "default": "b"}, "a"),
        ({"default": None, "examples": [5], "type": "integer"}, None),
        ({"examples": ["e"], "type": "string"}, "e"),
        ({"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3}]}, 3),
        ({"type": ["null", "boolean"]}, False),
        ({"type": "string", "minLength": 8}, "textxxxx"),
        ({"type": "string", "format": "email"}, "someone@example.com"),
        ({"type": "array", "items": {"type": "number"}}, [0]),
        ({"type": "array"}, []),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        (
            {
                "$ref": "#/$defs/A",
                "$defs": {"A": {"type": "object", "properties": {"x": {"$ref": "#/$defs/B"}}}, "B": {"const": 7}},
            },
            {"x": 7},
        ),
        ({"$ref": "#/nowhere"}, None),
        (True, None),
    ],
)
def test_samples(schema: Any, sample: Any) -> None:
    assert sample_of(schema) == sample


def test_a_schema_that_contains_itself_ends() -> None:
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"next": {"$ref": "#/$defs/A"}}}}}
    assert isinstance(sample_of(schema), dict)


def test_a_sample_fits_its_schema() -> None:
    schema = {
        "type": "object",
        "required": ["id", "at", "lines"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "at": {"type": "string", "format": "date-time"},
            "lines": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        },
    }
    jsonschema.validate(sample_of(schema), schema)


def test_a_short_schema_of_millions_of_values_has_a_sample_with_some_of_them() -> None:
    """A model whose members are models of its own kind is one; a dry run did not end."""
    node: dict[str, Any] = {"type": "object", "properties": {f"p{n}": {"$ref": "#/$defs/node"} for n in range(9)}}
    made = sample_of({"$ref": "#/$defs/node", "$defs": {"node": node}})
    assert len(json.dumps(made)) < 200_000
