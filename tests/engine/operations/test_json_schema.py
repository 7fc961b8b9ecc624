"""JSON schemas: what is wrong with a value, without repeating it, and schemas that must not be used."""

from __future__ import annotations

import time
from typing import Any

import pytest

from engine.operations.json_schema import MAX_ISSUES, check_value, issues_of, schema_problem

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "integer"}, "canary", [("", "must be integer")]),
        ({"type": ["integer", "null"]}, "canary", [("", "must be integer or null")]),
        ({"required": ["a", "b"]}, {"b": 1}, [("", "a is required, but missing")]),
        ({"properties": {"a/b": {"minimum": 3}}}, {"a/b": 1}, [("/a~1b", "must satisfy minimum 3")]),
        ({"items": {"enum": [1, 2]}}, [1, "canary"], [("/1", "must satisfy enum [1,2]")]),
        ({"pattern": "^a+$"}, "canary", [("", 'must satisfy pattern "^a+$"')]),
        ({"properties": {"pin": {"const": "canary"}}}, {"pin": "1"}, [("/pin", "must satisfy const")]),
        (
            {"properties": {"code": {"x-sensitive": True, "enum": ["canary"]}}},
            {"code": "1"},
            [("/code", "must satisfy enum")],
        ),
        (
            {"properties": {"a": {"properties": {"b": {"const": "canary"}}, "x-sensitive": True}}},
            {"a": {"b": 1}},
            [("/a/b", "must satisfy const")],
        ),
        ({"patternProperties": {"^x": {"type": "null"}}}, {"xy": "canary"}, [("/xy", "must be null")]),
        ({"oneOf": [{"type": "null"}, {"type": "integer"}]}, "canary", [("", "fits none of the alternatives")]),
        ({"oneOf": [{"minimum": 0}, {"type": "integer"}]}, 5, [("", "fits more than one of the alternatives")]),
        (
            {"properties": {"a": {}}, "additionalProperties": False},
            {"a": 1, "b": "canary", "c": 2},
            [("", "has keys the schema does not know: b, c")],
        ),
        ({"$ref": "#/$defs/id", "$defs": {"id": {"type": "integer"}}}, "canary", [("", "must be integer")]),
        (False, "canary", [("", "is not allowed here")]),
    ],
)
def test_what_is_wrong_is_said_without_the_value(schema: Any, value: Any, expected: list[tuple[str, str]]) -> None:
    issues = issues_of(schema, value)
    assert [(issue.pointer, issue.message) for issue in issues] == expected
    assert "canary" not in str(issues)


@pytest.mark.parametrize(
    ("factor", "multiples", "others"),
    [
        (0.01, [19.99, 0.07, 0.1, 1.15, 4.35, -0.03, 0, 10**30, 1e22], [19.995, 0.001, 1e-300]),
        (0.1, [0.3, 0.7, 1.1], [0.35]),
        (2, [4, 4.0, 1e300], [3, 4.5]),
        (1e-8, [0.00000003, 1.1], [1e-9]),
    ],
)
def test_f18_multiples_are_those_of_decimal_numbers(factor: float, multiples: list[float], others: list[float]) -> None:
    schema = {"multipleOf": factor}
    assert [value for value in multiples if issues_of(schema, value)] == []
    assert [value for value in others if not issues_of(schema, value)] == []
    assert issues_of(schema, "text") == issues_of(schema, True) == ()
    for draft, keyword in (("draft-03", "divisibleBy"), ("draft-04", "multipleOf"), ("draft-07", "multipleOf")):
        older = {"$schema": f"http://json-schema.org/{draft}/schema#", keyword: factor}
        assert [value for value in multiples if issues_of(older, value)] == []
        assert [value for value in others if not issues_of(older, value)] == []
    # A keyword that a draft does not know says nothing.
    assert issues_of({"divisibleBy": factor}, others[0]) == ()


@pytest.mark.parametrize(
    ("value", "unique"),
    [
        ([{"a": 1, "b": [2]}, {"a": 1, "b": [3]}], True),
        ([{"a": 1, "b": [2]}, {"b": [2.0], "a": 1.0}], False),
        ([1, True, "1", None, [1], {"1": 1}, 0, False, 1.5], True),
        ([[1, [True]], [1, [1]]], True),
        (["a", "b", "a"], False),
        ([2**60, 2**60 + 1], True),
        ({"a": 1}, True),
        ([{"n": n} for n in range(20_000)], True),
    ],
)
def test_items_are_told_apart_without_comparing_each_with_each(
    value: Any, unique: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared(_items: Any) -> bool:
        raise AssertionError("this takes the square of the items")

    monkeypatch.setattr("jsonschema._keywords.uniq", compared)
    issues = issues_of({"uniqueItems": True}, value)
    assert [issue.keyword for issue in issues] == ([] if unique else ["uniqueItems"])
    assert issues_of({"uniqueItems": False}, value) == ()


async def test_a_missing_schema_accepts_everything_and_a_large_value_is_checked_too() -> None:
    assert await check_value(None, {"a": 1}, size_bytes=7) == ()
    large = {"items": ["x"] * 20_000}
    issues = await check_value({"properties": {"items": {"items": {"type": "integer"}}}}, large, size_bytes=80_000)
    assert len(issues) == MAX_ISSUES


def test_patterns_take_linear_time() -> None:
    began = time.perf_counter()
    assert issues_of({"pattern": "^(a+)+$"}, "a" * 50_000 + "b")
    assert time.perf_counter() - began < 1


def test_a_schema_without_end_is_an_issue_not_a_crash() -> None:
    endless = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
    assert issues_of(endless, 1)[0].keyword == "$ref"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "http://127.0.0.1:1/schema.json"}, "does not name a part of this schema"),
        ({"properties": {"a": {"$ref": "#/$defs/missing"}}}, "At /properties/a/$ref"),
        ({"type": "integre"}, "At /type"),
        ({"pattern": "(?=a)b"}, "linear time"),
        ({"properties": {"a": {"pattern": "("}}}, "At /properties/a/pattern"),
        ("text", "A JSON schema is an object"),
        ({"$ref": "#/parts/a", "parts": {"a": {"type": "integre"}}}, "At #/parts/a/type"),
        (
            {"items": {"$ref": "#/parts/a"}, "parts": {"a": {"$ref": "#/parts/b"}, "b": {"multipleOf": 0}}},
            "At #/parts/b",
        ),
        ({"default": {"pattern": "(?=a)b"}, "$ref": "#/default"}, "At #/default/pattern"),
        ({"parts": {"a": 5}, "$ref": "#/parts/a"}, "At #/parts/a"),
        ({"properties": {"a": {"$schema": DIALECT, "pattern": "a"}}}, "At /properties/a/$schema"),
    ],
)
def test_schemas_that_cannot_be_used(schema: Any, words: str) -> None:
    problem = schema_problem(schema)
    assert problem is not None
    assert words in problem


@pytest.mark.parametrize("part", [{"type": "integre"}, {"multipleOf": 0}, {"minimum": "1"}, {"pattern": "(?=a)b"}])
def test_a_broken_part_of_a_schema_that_was_accepted_earlier_is_an_issue_not_a_crash(part: Any) -> None:
    value = "ab" if "pattern" in part else 1
    assert [issue.keyword for issue in issues_of({"$ref": "#/parts/a", "parts": {"a": part}}, value)] == ["$schema"]


def test_a_part_that_names_a_dialect_is_checked_as_the_others() -> None:
    part = {"$schema": DIALECT, "multipleOf": 0.01, "pattern": "^(a+)+$"}
    schema = {
        "$schema": DIALECT,
        "properties": {"a": part, "$schema": {"type": "string"}},
        "const": {"$schema": DIALECT},
    }
    assert issues_of(schema, {"$schema": DIALECT}) == ()
    assert [issue.keyword for issue in issues_of(schema, {"a": 19.99})] == ["const"]
    began = time.perf_counter()
    assert len(issues_of(schema, {"a": "a" * 50_000 + "b"})) == 2
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"$schema": DIALECT, "properties": {"$schema": {"type": "string"}}, "const": {"$schema": DIALECT}},
        {"$ref": "#/parts/a", "parts": {"a": {"items": {"$ref": "#/parts/a"}}, "b": {"type": "unused"}}},
        {"properties": {"pattern": {"type": "string"}, "$ref": {"type": "string"}}},
        {"enum": [{"$ref": "http://example.com"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}},
    ],
)
def test_schemas_that_can_be_used(schema: Any) -> None:
    assert schema_problem(schema) is None
