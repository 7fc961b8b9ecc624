"""What a JSON schema holds of a hidden property: its default, constants and examples are hidden, how it is described is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.values.redaction.placeholder import PLACEHOLDER
from engine.values.redaction.policy import BUILT_IN, policy_of
from engine.values.redaction.redact import redact
from tests.engine.values.redaction.counting import calls_counted

CANARY = "zK9qLm27xWvT"
OPEN = "shown4711"
MARKED = {"type": "string", "x-sensitive": True}


def shown(document: Any) -> Any:
    """As a definition or a schema is shown."""
    return redact(document, BUILT_IN.for_definitions())[0]


def of(**properties: Any) -> dict[str, Any]:
    """The schema of an object."""
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize("keyword", ["default", "const", "example", "x-example"])
def test_one_value_of_a_hidden_property(keyword: str) -> None:
    schema = of(
        code={**MARKED, keyword: CANARY},
        pin={"type": "string", keyword: CANARY},
        note={"type": "string", keyword: OPEN},
    )
    hidden = of(
        code={**MARKED, keyword: PLACEHOLDER},
        pin={"type": "string", keyword: PLACEHOLDER},
        note={"type": "string", keyword: OPEN},
    )
    assert shown(schema) == hidden
    assert shown(hidden) == hidden
    assert shown({"config": {"aiOutputSchema": schema}}) == {"config": {"aiOutputSchema": hidden}}
    assert shown({"config": {"aiOutputSchemaText": json.dumps(schema)}}) == {
        "config": {"aiOutputSchemaText": PLACEHOLDER}
    }


@pytest.mark.parametrize("keyword", ["enum", "examples"])
def test_several_values_of_a_hidden_property(keyword: str) -> None:
    schema = of(code={**MARKED, keyword: [CANARY, 4711]}, password={"type": "string", keyword: [CANARY]})
    assert shown(schema) == of(
        code={**MARKED, keyword: [PLACEHOLDER, PLACEHOLDER]}, password={"type": "string", keyword: [PLACEHOLDER]}
    )


SCHEMAS: dict[str, Any] = {
    "a default of all": {**of(code=MARKED), "default": {"code": CANARY}},
    "an example of all": {**of(code=MARKED), "examples": [{"code": CANARY, "n": 1}]},
    "an example of a name": {**of(pin={"type": "string"}), "examples": [{"pin": CANARY}]},
    "a number": of(code={"type": "integer", "x-sensitive": True, "default": int(CANARY, 36)}),
    "below what is marked": of(customer={"x-sensitive": True, **of(id={"type": "string", "default": CANARY})}),
    "below a name": of(credentials=of(user={"type": "string", "default": CANARY})),
    "items": of(codes={"type": "array", "items": {**MARKED, "default": CANARY}}),
    "items of a name": of(tokens={"type": "array", "items": {"type": "string", "enum": [CANARY]}}),
    "first items": {"type": "array", "prefixItems": [{**MARKED, "const": CANARY}]},
    "other properties": {"type": "object", "additionalProperties": {**MARKED, "default": CANARY}},
    "a pattern": {"type": "object", "patternProperties": {"^pin$": {"type": "string", "default": CANARY}}},
    "a branch": {"oneOf": [of(code={**MARKED, "const": CANARY}), {"type": "null"}]},
    "a branch that marks": of(code={"type": "string", "default": CANARY, "allOf": [{"x-sensitive": True}]}),
    "a part that marks what another describes": {
        "allOf": [of(code=MARKED), of(code={"type": "string", "default": CANARY})]
    },
    "a condition": {"if": of(pin={"const": CANARY}), "then": of(note={"type": "string"})},
    "a reference": {**of(pin={"$ref": "#/$defs/text"}), "$defs": {"text": {"type": "string", "default": CANARY}}},
    "a reference that marks": {**of(a={"$ref": "#/$defs/code", "default": CANARY}), "$defs": {"code": MARKED}},
    "an anchor": {**of(pin={"$ref": "#text"}), "$defs": {"t": {"$anchor": "text", "type": "string", "const": CANARY}}},
    "a definition nobody names": {
        **of(a={"type": "string"}),
        "definitions": {"pin": {"type": "string", "default": CANARY}},
    },
    "itself": {
        **of(child={"$ref": "#"}, code={**MARKED, "default": CANARY}),
        "examples": [{"child": {"code": CANARY}}],
    },
    "a text alone": {**MARKED, "default": CANARY},
    "a mark that is no true": of(code={"x-sensitive": "yes", "default": CANARY}),
    "a shape": of(note={"type": "string", "default": f"password={CANARY}"}),
    "a keyword of ours": {"$schema": "x", "x-more": {"y": of(code={**MARKED, "default": CANARY})}},
    "a list of schemas": [{"name": "order", "schema": of(code={**MARKED, "default": CANARY})}],
}


@pytest.mark.parametrize("case", SCHEMAS)
def test_wherever_the_schema_holds_it(case: str) -> None:
    said = json.dumps(shown({"input": {"schema": SCHEMAS[case]}}))
    assert CANARY not in said
    assert str(int(CANARY, 36)) not in said
    assert PLACEHOLDER in said
    assert CANARY not in json.dumps(shown(SCHEMAS[case]))


def test_the_rest_of_a_schema_is_shown() -> None:
    schema = {
        **of(
            password={"type": "string", "minLength": 8, "description": "At least 8 letters", "default": ""},
            token={"type": ["string", "null"], "default": None},
            customer=of(name={"type": "string", "default": OPEN}, pin={"type": "string", "pattern": "^[0-9]{4}$"}),
            kind={"enum": [OPEN, "b"]},
        ),
        "required": ["password", "token"],
        "dependentRequired": {"password": ["token"]},
        "examples": [{"customer": {"name": OPEN}}],
        "x-example-titles": [OPEN],
    }
    assert shown(schema) == schema


def test_names_of_a_tenant_count() -> None:
    policy = policy_of([], ["^badge$"]).for_definitions()
    schema = of(badge={"type": "string", "default": CANARY})
    assert redact(schema, policy) == (
        of(badge={"type": "string", "default": PLACEHOLDER}),
        frozenset({"/properties/badge/default"}),
    )


@pytest.mark.parametrize(
    "value",
    [
        {"properties": {"password": "hunter2"}},
        {"properties": {"password": {"$expr": "'hunter2'"}}},
        {"properties": {"password": {"is": "hunter2"}}},
        {"properties": {"password": {"type": "string", "value": "hunter2"}}},
        {"$defs": {"a": {"b": {"password": "hunter2"}}}},
        {"$schema": "x", "properties": {"password": "hunter2"}},
        {"$schema": "x", "properties": {"password": {"is": "hunter2"}}},
    ],
)
def test_what_only_looks_like_a_schema_is_hidden_by_its_names(value: Any) -> None:
    assert "hunter2" not in json.dumps(shown(value))


def test_a_mark_counts_in_any_document() -> None:
    assert redact({"note": {**MARKED, "default": CANARY, "enum": [CANARY]}}, BUILT_IN) == (
        {"note": {**MARKED, "default": PLACEHOLDER, "enum": [PLACEHOLDER]}},
        frozenset({"/note/default", "/note/enum/0"}),
    )
    assert redact(of(password={"type": "string"}), BUILT_IN)[0] == of(password=PLACEHOLDER)


def test_the_work_grows_with_the_schema_alone() -> None:
    """Four times as many properties take about four times the calls; work that grows with the square takes sixteen times."""
    for policy in (BUILT_IN, BUILT_IN.for_definitions()):
        taken = []
        for size in (200, 800):
            many = {f"code{number}": {**MARKED, "default": CANARY} for number in range(size)}
            with calls_counted() as counted:
                said = redact({**of(**many), "examples": [dict.fromkeys(many, CANARY)]}, policy)[0]
            assert CANARY not in json.dumps(said["properties"])
            taken.append(counted())
        assert taken[1] <= 8 * taken[0] + 50


def test_a_schema_in_a_schema_is_read_with_it() -> None:
    deep: Any = {**MARKED, "default": CANARY}
    for _ in range(60):
        deep = {"x-sensitive": True, "x-more": deep, **of(a={"$ref": "#"}, b={"$ref": "#/x-more"})}
    for policy in (BUILT_IN, BUILT_IN.for_definitions()):
        assert CANARY not in json.dumps(redact(deep, policy)[0])
