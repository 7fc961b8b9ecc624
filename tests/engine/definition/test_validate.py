"""Every rule of publish validation: what it finds, where, and that a sound definition has no findings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.definition.call_checks import calls_of
from engine.definition.issues import ValidationResult
from engine.definition.publish_context import ActionContract, PublishContext
from engine.definition.validate import MAX_BYTES, MAX_DEPTH, MAX_STEPS, validate_definition

ORDER = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
        "customer": {"$ref": "#/$defs/Customer"},
    },
    "required": ["id", "customer"],
    "$defs": {
        "Line": {"type": "object", "properties": {"sku": {"type": "string"}}},
        "Customer": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
            "required": ["name"],
        },
    },
}
NOTIFY = {
    "type": "object",
    "properties": {
        "to": {"type": "string"},
        "count": {"type": "integer"},
        "options": {"$ref": "#/$defs/Options"},
    },
    "required": ["to"],
    "$defs": {"Options": {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}},
}
OPEN = {"type": "object", "additionalProperties": True}


def context(**changes: Any) -> PublishContext:
    values: dict[str, Any] = {
        "now": datetime(2026, 1, 1, tzinfo=UTC),
        "schemas": {"payload.Any.v1": OPEN, "payload.Order.v1": ORDER, "payload.Created.v1": ORDER},
        "actions": {
            "test.notify": {1: ActionContract(NOTIFY, OPEN, accepts_secrets=True), 3: ActionContract(NOTIFY, OPEN)},
            "transform.compose_text": {1: ActionContract(OPEN, OPEN)},
            "ai.infer": {1: ActionContract(OPEN, OPEN)},
        },
        "correlation_paths": {"PAID": ["orderId"]},
        "known_secrets": frozenset({"API_KEY"}),
        "timezones": frozenset({"UTC", "Europe/Berlin"}),
    }
    return PublishContext(**{**values, **changes})


def definition(*steps: Any, ref: str = "payload.Any.v1", **more: Any) -> dict[str, Any]:
    return {"id": "wf.main", "version": 2, "name": "main", "payloadSchemaRef": ref, "steps": list(steps), **more}


def expr(source: str) -> dict[str, str]:
    return {"$expr": source}


def node(kind: str, config: Any, **more: Any) -> dict[str, Any]:
    return {"id": "s", "type": kind, "config": config, **more}


def call(mapping: Any, **config: Any) -> dict[str, Any]:
    return node("action.call", {"actionId": "test.notify", "version": 1, "inputMapping": mapping, **config})


def found(result: ValidationResult) -> list[tuple[str, str, str]]:
    return [(issue.severity, issue.code, issue.step_path) for issue in result.issues]


def codes(*steps: Any, world: PublishContext | None = None, **more: Any) -> list[str]:
    return [issue.code for issue in validate_definition(definition(*steps, **more), world or context()).issues]


def test_a_sound_definition_has_no_findings() -> None:
    steps = [
        node("state.set", {"state": "NEW"}),
        {**call({"to": expr("payload.customer.name"), "options": {"colour": "red"}}, saveAs="sent"), "id": "n"},
        {
            "id": "loop",
            "type": "control.forEach",
            "items": expr("payload.lines"),
            "itemVar": "line",
            "body": [{**node("transform.assign", {"assign": {"vars.last": expr("line.sku")}}), "id": "a"}],
        },
        {"id": "end", "type": "control.return"},
    ]
    result = validate_definition(definition(*steps, ref="payload.Order.v1"), context())
    assert result.issues == ()
    assert (result.ok, result.status, result.secret_refs) == (True, "valid", ())


def test_findings_are_ordered_and_say_where() -> None:
    inner = {**node("state.set", {"state": ""}), "id": "inner"}
    outer = {"id": "outer", "type": "control.if", "condition": expr("bad("), "then": [inner], "else": [{**inner}]}
    result = validate_definition(definition(outer, ref="payload.Nope.v1"), context())
    assert found(result) == [
        ("error", "PAYLOAD_SCHEMA_REF_UNKNOWN", "root"),
        ("error", "INVALID_EXPR", "root.steps[0]"),
        ("error", "INVALID_CONFIG", "root.steps[0].then.steps[0]"),
        ("error", "DUPLICATE_STEP_ID", "root.steps[0].else.steps[0]"),
        ("error", "INVALID_CONFIG", "root.steps[0].else.steps[0]"),
    ]
    assert result.issues[0].suggestion == (
        "Register it: `runstudio publish FILE --payload-schema SCHEMA`. There is payload.Any.v1,"
        " payload.Created.v1, payload.Order.v1."
    )
    assert result.issues[1].to_json() == {
        "severity": "error",
        "stepPath": "root.steps[0]",
        "stepId": "outer",
        "code": "INVALID_EXPR",
        "message": "/condition: The expression ends where a value is expected. (character 5)",
    }
    assert result.status == "error"


# --- shape and limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ([], [("error", "INVALID_WORKFLOW_DEFINITION", "root")]),
        (None, [("error", "INVALID_WORKFLOW_DEFINITION", "root")]),
        ({**definition(), "colour": 1}, [("error", "INVALID_WORKFLOW_DEFINITION", "root")]),
        ({**definition(), "steps": [5]}, [("error", "INVALID_WORKFLOW_DEFINITION", "root")]),
        (definition({"id": "x"}), [("error", "INVALID_WORKFLOW_DEFINITION", "root")]),
        (definition(node("state.set", None)), [("error", "INVALID_CONFIG", "root.steps[0]")]),
        (definition({"id": "x", "type": "state.set"}), [("error", "INVALID_CONFIG", "root.steps[0]")]),
        (
            definition({"id": "x", "type": "control.if", "then": []}),
            [("error", "INVALID_WORKFLOW_DEFINITION", "root")],
        ),
        (
            definition(node("time.wait", {"mode": "until"})),
            [("error", "INVALID_WORKFLOW_DEFINITION", "root"), ("error", "INVALID_CONFIG", "root.steps[0]")],
        ),
        (definition(node("email.render", {})), [("error", "UNKNOWN_NODE_TYPE", "root.steps[0]")]),
        (
            definition(node("control.loop", {})),
            [("error", "INVALID_WORKFLOW_DEFINITION", "root"), ("error", "UNKNOWN_NODE_TYPE", "root.steps[0]")],
        ),
        ({**definition(), "name": float("nan")}, [("error", "NON_SERIALIZABLE", "root")]),
    ],
)
def test_shape(source: Any, expected: list[tuple[str, str, str]]) -> None:
    assert found(validate_definition(source, context())) == expected


def test_a_definition_that_contains_itself() -> None:
    circular = definition()
    circular["steps"].append(circular)
    assert found(validate_definition(circular, context())) == [("error", "NON_SERIALIZABLE", "root")]


def test_limits() -> None:
    big = definition(node("state.set", {"state": "x" * MAX_BYTES}))
    assert found(validate_definition(big, context())) == [("error", "DEFINITION_TOO_LARGE", "root")]
    many = [{"id": f"s{number}", "type": "control.return"} for number in range(MAX_STEPS + 1)]
    assert codes(*many) == ["TOO_MANY_STEPS"]
    assert codes(*many[:MAX_STEPS]) == []

    def nested(depth: int) -> dict[str, Any]:
        step: dict[str, Any] = {"id": "leaf", "type": "control.return"}
        for level in range(depth - 1):
            step = {"id": f"l{level}", "type": "control.tryCatch", "try": [step], "catch": []}
        return step

    assert codes(nested(MAX_DEPTH)) == []
    assert codes(nested(MAX_DEPTH + 1)) == ["STEPS_NESTED_TOO_DEEP"]
    long = node("transform.assign", {"assign": {"vars.x": expr("'" + "x" * 4096 + "'")}})
    assert codes(long) == ["EXPRESSION_TOO_LONG"]


def test_unknown_types_suggest_the_one_meant() -> None:
    issue = validate_definition(definition(node("transform.asign", {})), context()).errors[0]
    assert issue.suggestion == "Did you mean transform.assign?"


# --- expressions and mappings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"id": "l", "type": "control.forEach", "items": expr("a."), "itemVar": "x", "body": []}, ["INVALID_EXPR"]),
        (
            {
                "id": "c",
                "type": "control.callWorkflow",
                "workflowId": "w",
                "workflowVersion": 1,
                "inputMapping": {"a": expr("sum(b)")},
                "outputMapping": {"x": expr("")},
            },
            ["INVALID_EXPR", "INVALID_EXPR"],
        ),
        (
            node("human.task", {"taskType": "t", "title": expr("len("), "contextData": {"a": expr("$x(")}}),
            ["INVALID_EXPR"] * 2,
        ),
        (call({"to": expr("bad(")}), ["INVALID_EXPR", "INVALID_EXPRESSION"]),
        (call({"to": expr("  ")}), ["INVALID_EXPR", "EMPTY_EXPRESSION"]),
        (call({"to": ["a", {"b": expr("]")}]}), ["INVALID_EXPR", "INVALID_EXPRESSION"]),
        (call({"to": "x"}, idempotencyKey=expr("(")), ["INVALID_EXPR"]),
        (call({"to": {"$secret": "API_KEY"}}), []),
        (call({"to": {"$secret": "API_KEY"}}, version=3), ["SECRET_NOT_ACCEPTED"]),
        (call({"to": {"$secret": "OTHER_KEY"}}), ["UNKNOWN_SECRET"]),
        (call({"to": {"$secret": "lower"}}), ["INVALID_SECRET_NAME"]),
        (call({"to": {"$secret": ""}}), ["INVALID_SECRET_NAME"]),
        (call({"to": {"$secret": "API_KEY", "and": 1}}), ["UNKNOWN_SPECIAL_KEY"]),
        (call({"to": {"$exp": "payload.id"}}), ["UNKNOWN_SPECIAL_KEY"]),
        (call({}), ["MISSING_REQUIRED_MAPPING"]),
        (call({"to": "x", "options": {}}), ["MISSING_REQUIRED_MAPPING"]),
        (call({"to": "x", "options": expr("vars.options")}), []),
    ],
)
def test_expressions_and_mappings(step: Any, expected: list[str]) -> None:
    assert codes(step) == expected


def test_a_misspelled_function_is_suggested() -> None:
    issue = validate_definition(definition(call({"to": expr("colesce(a, 1)")})), context()).errors[0]
    assert issue.suggestion == "Did you mean coalesce()?"
    assert "disallowed function" in issue.message


def test_secrets_that_must_exist() -> None:
    step = call({"to": {"$secret": "API_KAY"}, "options": {"colour": {"$secret": "API_KEY"}}})
    result = validate_definition(definition(step), context(secrets_required=True))
    assert [issue.code for issue in result.errors] == ["SECRET_NOT_FOUND"]
    assert result.errors[0].suggestion == "Did you mean API_KEY?"
    assert result.secret_refs == ("API_KAY", "API_KEY")
    assert validate_definition(definition(step), context(known_secrets=None)).issues == ()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("payload.customer.age", []),
        ("payload.id", ["MAPPING_TYPE_INCOMPATIBLE"]),
        ("payload.lines", ["MAPPING_TYPE_INCOMPATIBLE"]),
        ("payload.customer.shoe", ["MAPPING_TYPE_UNKNOWN"]),
        ("payload.id & ''", []),
        ("vars.x", []),
    ],
)
def test_types_of_simple_paths(source: str, expected: list[str]) -> None:
    assert codes(call({"to": "x", "count": expr(source)}), ref="payload.Order.v1") == expected


# --- actions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"actionId": "test.notfy", "version": 1}, "Did you mean test.notify?"),
        ({"actionId": "test.notify", "version": 2}, "There is version 1, 3."),
        ({"actionId": "far.away", "version": 1}, "Check the name."),
    ],
)
def test_unknown_actions(config: Any, found: str) -> None:
    issues = validate_definition(definition(node("action.call", config)), context()).issues
    suggestion = f"{found} If the action is your own, name its module with --actions MODULE."
    assert [(issue.code, issue.suggestion) for issue in issues] == [("UNKNOWN_ACTION", suggestion)]


@pytest.mark.parametrize("config", [{"version": 1}, {"actionId": "test.notify"}, {"actionId": "", "version": 1}, {}])
def test_actions_without_id_or_version(config: Any) -> None:
    assert codes(node("action.call", config)) == ["INVALID_CONFIG", "INVALID_ACTION_CONFIG"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            {
                "aiOutputSchemaMode": "simple",
                "aiOutputSchema": {"type": "object", "properties": {"a": {"type": "string"}}},
            },
            0,
        ),
        ({"aiOutputSchema": {"type": "object"}}, 1),
        ({"aiOutputSchemaMode": "simple"}, 1),
        ({"aiOutputSchemaMode": "simple", "aiOutputSchema": {"type": "array"}}, 1),
        ({"aiOutputSchemaMode": "simple", "aiOutputSchema": {"type": "object", "oneOf": []}}, 1),
        ({"aiOutputSchemaMode": "simple", "aiOutputSchema": {"type": "object", "properties": {"a": {}}}}, 1),
    ],
)
def test_schemas_of_inferred_answers(more: Any, expected: int) -> None:
    step = node("action.call", {"actionId": "ai.infer", "version": 1, **more})
    assert codes(step) == ["INVALID_AI_OUTPUT_SCHEMA"] * expected


# --- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (node("transform.assign", {"assign": {"name": expr("1")}}), ["INVALID_ASSIGN_PATH"]),
        (node("transform.assign", {"assign": {"vars.a": expr("1"), "/b": expr("1"), "local.c": expr("1")}}), []),
        (node("transform.assign", {"assign": {"error.a": expr("1")}}), ["INVALID_ASSIGN_PATH"]),
        (node("transform.assign", {"assign": {"vars.__proto__.a": expr("1")}}), ["INVALID_ASSIGN_PATH"]),
        (node("time.wait", {"mode": "duration", "durationMs": 1, "assign": {"x": expr("1")}}), ["INVALID_ASSIGN_PATH"]),
        (
            node("human.task", {"taskType": "t", "title": expr("'t'"), "assign": {"x": expr("1")}}),
            ["INVALID_ASSIGN_PATH"],
        ),
        (call({"to": "x"}, saveAs="a.b"), []),
        (call({"to": "x"}, saveAs=""), []),
        (call({"to": "x"}, saveAs="a..b"), ["INVALID_ASSIGN_PATH"]),
        (call({"to": "x"}, saveAs="system.runId"), ["INVALID_ASSIGN_PATH"]),
        (node("email.parseBody", {"saveAs": "error.x"}), ["INVALID_ASSIGN_PATH"]),
        (
            {"id": "t", "type": "control.tryCatch", "try": [], "catch": [], "captureErrorAs": "constructor"},
            ["INVALID_ASSIGN_PATH"],
        ),
        (
            {
                "id": "c",
                "type": "control.callWorkflow",
                "workflowId": "w",
                "workflowVersion": 1,
                "outputMapping": {"a.b": expr("1"), "error.x": expr("1")},
            },
            ["INVALID_ASSIGN_PATH"],
        ),
    ],
)
def test_targets(step: Any, expected: list[str]) -> None:
    assert codes(step) == expected


def test_unscoped_targets_get_the_scope_suggested() -> None:
    step = node("transform.assign", {"assign": {"total": expr("1")}})
    assert validate_definition(definition(step), context()).errors[0].suggestion == "Did you mean vars.total?"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("payload.customer.name", []),
        ("payload.customer.shoe", ["ASSIGN_PATH_UNKNOWN"]),
        ("payload.colour", ["ASSIGN_PATH_UNKNOWN"]),
        ("/id/x", ["ASSIGN_PATH_UNKNOWN"]),
        ("vars.colour", []),
    ],
)
def test_targets_the_payload_schema_does_not_know(target: str, expected: list[str]) -> None:
    step = node("transform.assign", {"assign": {target: expr("1")}})
    assert codes(step, ref="payload.Order.v1") == expected
    assert codes(step) == []


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"properties": {"id": {}}}, ["ASSIGN_PATH_UNKNOWN"]),
        ({"properties": {"id": {}}, "additionalProperties": True}, ["ASSIGN_PATH_UNKNOWN"]),
        ({"additionalProperties": False}, ["ASSIGN_PATH_UNKNOWN"]),
        ({"properties": {"id": {}}, "anyOf": [{"required": ["id"]}, {"type": "object"}]}, ["ASSIGN_PATH_UNKNOWN"]),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"properties": {"id": {}}}}}, ["ASSIGN_PATH_UNKNOWN"]),
        ({"properties": {"id": {}}, "allOf": [{"properties": {"unknown": {}}}]}, []),
        ({"oneOf": [{"properties": {"id": {}}}, {"type": "object"}]}, []),
        ({"properties": {"id": {}}, "additionalProperties": {"type": "integer"}}, []),
        ({"properties": {"id": {}}, "patternProperties": {"^u": {}}}, []),
        ({"type": "object"}, []),
        (True, []),
    ],
)
def test_f44_a_field_the_schema_does_not_list_is_a_finding(schema: Any, expected: list[str]) -> None:
    step = node("transform.assign", {"assign": {"payload.unknown": expr("1")}})
    known = replace(context(), schemas={"payload.Own.v1": schema})
    result = validate_definition({**definition(step), "payloadSchemaRef": "payload.Own.v1"}, known)
    assert [issue.code for issue in result.issues] == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("order", []),
        *[
            (name, ["RESERVED_VARIABLE_NAME"])
            for name in ("payload", "vars", "meta", "error", "local", "system", "__proto__")
        ],
        ("index", ["VARIABLE_HIDES_LOOP_FIELD"]),
        ("my-item", ["VARIABLE_NEEDS_QUOTES"]),
    ],
)
def test_loop_variables(name: str, expected: list[str]) -> None:
    assert codes({"id": "l", "type": "control.forEach", "items": expr("[]"), "itemVar": name, "body": []}) == expected


# --- waits, calls and settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "key", "paths", "expected"),
    [
        ("PAID", "payload.id", {"PAID": ["orderId"]}, ["EVENT_WAIT_CORRELATION_CONTRACT"]),
        ("PAID", "payload.id", {"*": "orderId"}, ["EVENT_WAIT_CORRELATION_CONTRACT"]),
        ("PAID", "payload.id", {"OTHER": ["orderId"]}, ["EVENT_WAIT_UNCORRELATABLE"]),
        ("PAID", "payload.id", {"PAID": [" "]}, ["EVENT_WAIT_UNCORRELATABLE"]),
        ("PAID", " null ", {}, []),
    ],
)
def test_correlation_of_waits(event: str, key: str, paths: Any, expected: list[str]) -> None:
    step = node("event.wait", {"eventName": event, "correlationKey": expr(key)})
    assert codes(step, world=context(correlation_paths=paths)) == expected


@pytest.mark.parametrize("name", ["Ge\u0301ant", " PAID", "PAID\ufeff"])
def test_a_name_that_no_event_can_have_is_found(name: str) -> None:
    """It looks like the name of one, and the wait would never end; the trigger would never start a run."""
    step = node("event.wait", {"eventName": name, "correlationKey": expr("null")})
    assert codes(step) == ["EVENT_NAME_NOT_NORMAL"]
    assert codes({**step, "config": {**step["config"], "eventName": "G\u00e9ant"}}) == []
    trigger = {"type": "event", "eventName": name, "sourcePayloadSchemaRef": "payload.Any.v1"}
    assert "EVENT_NAME_NOT_NORMAL" in codes(node("state.set", {"state": "S"}), trigger=trigger)


def called(workflow_id: str, version: int) -> dict[str, Any]:
    return {"id": "c", "type": "control.callWorkflow", "workflowId": workflow_id, "workflowVersion": version}


def test_called_workflows() -> None:
    world = context(
        workflows={"billing": {1: [], 2: [("wf.main", 2)]}, "audit": {1: [("audit", 1)]}, "wf.main": {1: []}}
    )
    assert codes(called("billing", 1), world=world) == []
    assert codes(called("wf.main", 1), world=world) == []
    assert codes(called("biling", 1), world=world) == ["UNKNOWN_CALLED_WORKFLOW"]
    assert codes(called("billing", 3), world=world) == ["UNKNOWN_CALLED_VERSION"]
    assert codes(called("billing", 2), world=world) == ["CALL_CYCLE"]
    assert codes(called("wf.main", 2), world=world) == ["CALL_CYCLE"]
    assert codes(called("audit", 1), world=world) == ["CALL_CYCLE"]
    assert codes(called("anything", 9)) == []
    issue = validate_definition(definition(called("billing", 2)), world).errors[0]
    assert "wf.main version 2 calls billing version 2 calls wf.main version 2" in issue.message


def test_calls_of_a_definition() -> None:
    inner = {
        "id": "i",
        "type": "control.if",
        "condition": expr("true"),
        "then": [called("a", 1), called("b", 2), called("a", 1)],
    }
    assert calls_of(definition(inner)) == (("a", 1), ("b", 2))


RETRY = {"maxAttempts": 3, "backoffMs": 10}


@pytest.mark.parametrize(
    ("step", "effective"),
    [
        ({**call({"to": "x"}), "retry": RETRY}, True),
        ({**called("w", 1), "retry": RETRY}, True),
        ({**call({"to": "x"}), "retry": {**RETRY, "maxAttempts": 1}}, False),
        (node("state.set", {"state": "x"}, retry=RETRY), False),
        (node("time.wait", {"mode": "duration", "durationMs": 1}, retry=RETRY), False),
        (node("time.wait", {"mode": "duration", "durationMs": 1, "until": expr("nowIso()")}), False),
        (node("time.wait", {"mode": "until", "durationMs": 1, "until": expr("nowIso()")}), False),
        (call({"to": "x"}, outputs=[]), False),
        (call({"to": "x"}, aiOutputSchema={}), False),
        (call({"to": "x"}, onError={"policy": "continue"}), True),
        ({**call({"to": "x"}, onError={"policy": "continue"}), "onError": {"policy": "fail"}}, False),
    ],
)
def test_settings_without_effect(step: Any, effective: bool) -> None:
    assert codes(step) == ([] if effective else ["SETTING_WITHOUT_EFFECT"])


@pytest.mark.parametrize("name", ["n" * 1000, "\U0001f600" * 250, "e\u0301" * 333 + "x"])
def test_a_name_is_limited_in_bytes(name: str) -> None:
    step = node("state.set", {"state": "S"})
    assert codes(step, name=name) == []
    assert codes(step, name=name + "\u0301") == ["NAME_TOO_LONG"]
