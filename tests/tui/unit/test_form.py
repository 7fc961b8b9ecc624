"""Forms: a value goes into its form and comes out as it was, whatever the schema; findings stand at their field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.records import Json
from runstudio_tui.domain.form import MAX_FIELDS, FieldKind, Filled, defaults_of, field_of, fields_of, fill, read

SCHEMA: Json = {
    "type": "object",
    "required": ["approved", "who"],
    "properties": {
        "approved": {"type": "boolean", "title": "Approve it?"},
        "note": {"type": "string", "description": "For the supplier.", "default": "fine"},
        "count": {"type": "integer"},
        "amount": {"type": "number"},
        "kind": {"enum": ["small", "large", 3, None]},
        "who": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
        },
        "tags": {"type": "array", "items": {"type": "string"}},
        "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    },
    "$defs": {"address": {"type": "object", "properties": {"city/town": {"type": "string", "default": "Ulm"}}}},
}
FIELDS = fields_of(SCHEMA)

texts = st.text(st.characters(exclude_categories=[]), max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
fitting = st.fixed_dictionaries(
    {"approved": st.booleans()},
    optional={
        "note": texts,
        "count": st.integers() | st.integers(-9, 9).map(float),
        "amount": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
        "kind": st.sampled_from(["small", "large", 3, None]),
        "who": st.fixed_dictionaries(
            {}, optional={"name": texts, "address": st.dictionaries(st.sampled_from(["city/town", "x"]), texts)}
        ),
        "tags": st.lists(texts, max_size=3),
        "either": texts | st.integers(),
        "further": anything,
    },
)


def exactly(value: Any) -> str:
    """Types included: 1, 1.0 and true are three values."""
    return json.dumps(value, sort_keys=True)


@given(fitting)
def test_a_value_that_fits_comes_out_as_it_went_in(value: dict[str, Any]) -> None:
    found, problems = read(FIELDS, fill(FIELDS, value))
    assert (exactly(found), problems) == (exactly(value), ())


@given(st.dictionaries(st.sampled_from(["approved", "note", "count", "amount", "kind", "who", "tags", "x"]), anything))
def test_so_does_every_other_object(value: dict[str, Any]) -> None:
    found, problems = read(FIELDS, fill(FIELDS, value))
    assert (exactly(found), problems) == (exactly(value), ())


@given(fitting)
def test_what_is_shown_is_one_line(value: dict[str, Any]) -> None:
    for text in fill(FIELDS, value).texts.values():
        assert len(text.splitlines()) <= 1


def test_fields_are_the_members_with_what_the_schema_says_of_them() -> None:
    found = [(field.label, field.kind.name, field.required) for field in FIELDS]
    assert found == [
        ("Approve it?", "CHOICE", True),
        ("who.name", "TEXT", True),
        ("who.address.city/town", "TEXT", False),
        ("note", "TEXT", False),
        ("count", "INTEGER", False),
        ("amount", "NUMBER", False),
        ("kind", "CHOICE", False),
        ("tags", "JSON", False),
        ("either", "JSON", False),
    ]
    assert FIELDS[3].description == "For the supplier."
    assert FIELDS[2].pointer == "/who/address/city~1town"


def test_defaults_are_where_the_form_begins() -> None:
    assert defaults_of(SCHEMA) == {"note": "fine", "who": {"address": {"city/town": "Ulm"}}}
    assert defaults_of({"default": {"a": 1}, "properties": {"a": {"default": 2}}}) == {"a": 1}


@pytest.mark.parametrize(
    ("pointer", "text", "message"),
    [
        ("/count", "1.5", "must be a whole number"),
        ("/count", "true", "must be a whole number"),
        ("/amount", "much", "must be a number"),
        ("/tags", "[1", "not valid JSON"),
    ],
)
def test_a_text_that_is_no_value_is_a_problem_of_its_field(pointer: str, text: str, message: str) -> None:
    value, [problem] = read(FIELDS, Filled({pointer: text}, {}))
    assert value == {}
    assert problem.pointer == pointer
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    ("pointer", "message", "label"),
    [
        ("/approved", "must be boolean", "Approve it?"),
        ("/tags/3", "must be string", "tags"),
        ("/who", "name is required, but missing", "who.name"),
        ("", "approved is required, but missing", "Approve it?"),
        ("", "who is required, but missing", "who.name"),
        ("/elsewhere", "is not allowed here", None),
        ("", "has keys the schema does not know: x", None),
    ],
)
def test_a_finding_stands_at_its_field(pointer: str, message: str, label: str | None) -> None:
    field = field_of(FIELDS, pointer, message)
    assert (field and field.label) == label


@pytest.mark.parametrize("schema", [None, True, {}, {"type": "array"}, {"properties": 3}, {"$ref": "#/nowhere"}, "x"])
def test_what_names_no_members_has_no_fields(schema: Json) -> None:
    assert fields_of(schema) == ()
    assert fill((), {"a": 1}) == Filled({}, {"a": 1})


def test_a_short_schema_of_millions_of_members_has_some_hundred_fields() -> None:
    part: Json = {"type": "object", "properties": {f"p{n}": {"$ref": "#/$defs/part"} for n in range(40)}}
    schema: Json = {"type": "object", "properties": {"a": {"$ref": "#/$defs/part"}}, "$defs": {"part": part}}
    fields = fields_of(schema)
    assert len(fields) == MAX_FIELDS
    assert defaults_of(schema) == {}


def test_a_schema_that_refers_to_itself_ends_as_json_text() -> None:
    schema: Json = {"type": "object", "properties": {"next": {"$ref": "#"}, "own": {"$ref": "#/$defs/n"}},
                    "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}}}  # fmt: skip
    assert [field.kind for field in fields_of(schema)] == [FieldKind.JSON, FieldKind.JSON]
