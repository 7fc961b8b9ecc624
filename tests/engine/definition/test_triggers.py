"""From an event to keys and to a payload."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from engine.definition.correlation import resolve_correlation
from engine.definition.models import EventTrigger
from engine.definition.triggers import apply_trigger_mapping
from engine.errors import StepFailure

EVENT: dict[str, Any] = {
    "name": "CREATED",
    "correlationKey": "k",
    "payload": {"id": 7, "deep": {"a": 1}},
}
NOW = "2026-01-01T00:00:00.000Z"


def mapped(mapping: Any) -> Any:
    trigger = EventTrigger.model_validate({"type": "event", "eventName": "CREATED", "payloadMapping": mapping})
    return apply_trigger_mapping(trigger, EVENT, lambda: NOW, lambda _steps: None)


def test_without_a_mapping_the_payload_is_the_events_own() -> None:
    assert mapped({}) == (EVENT["payload"], False)


def test_mapping() -> None:
    before = copy.deepcopy(EVENT)
    payload, applied = mapped(
        {
            "item": {"$expr": "event.payload.deep"},
            "item.b": {"$expr": "event.correlationKey"},
            "list": [{"$expr": "event.payload.id"}, "x", {"y": {"$expr": "event.name"}}],
            "at": {"$expr": "nowIso()"},
            "a.b.c": None,
        }
    )
    assert applied
    assert payload == {
        "item": {"a": 1, "b": "k"},
        "list": [7, "x", {"y": "CREATED"}],
        "at": "2026-01-01T00:00:00.000Z",
        "a": {"b": {"c": None}},
    }
    assert before == EVENT


@pytest.mark.parametrize(
    ("mapping", "category", "code", "path"),
    [
        ({"x": {"$expr": "payload.id"}}, "ExpressionError", "no-json-result", "/x"),
        ({"x": [{"$expr": "bad("}]}, "ExpressionError", "syntax", "/x/0"),
        ({"x": {"$secret": "API_KEY"}}, "ValidationError", "TRIGGER_MAPPING_INVALID", "/x"),
        ({"x.__proto__.y": 1}, "ValidationError", "TRIGGER_MAPPING_INVALID", "/x.__proto__.y"),
        ({"x..y": 1}, "ValidationError", "TRIGGER_MAPPING_INVALID", "/x..y"),
        ({".".join("a" * 201): 1}, "ValidationError", "TRIGGER_MAPPING_TOO_LARGE", f"/{'a.' * 30}"),
        ({"x": ["x" * 600_000] * 5}, "ValidationError", "TRIGGER_MAPPING_TOO_LARGE", "/"),
    ],
)
def test_mappings_that_fail(mapping: Any, category: str, code: str, path: str) -> None:
    with pytest.raises(StepFailure) as caught:
        mapped(mapping)
    assert (caught.value.category, caught.value.code, caught.value.details["path"]) == (category, code, path)


PATHS = {"CREATED": ["order.id", "id"], "*": ["id", "client"]}


@pytest.mark.parametrize(
    ("name", "payload", "explicit", "keys"),
    [
        ("CREATED", {"order": {"id": 5}, "id": " a ", "client": "c"}, None, ("5", "a", "c")),
        ("CREATED", {"order": {"id": "a"}, "id": "a"}, None, ("a",)),
        ("OTHER", {"order": {"id": 5}, "client": True}, None, ("true",)),
        ("CREATED", {"order": {"id": 5}}, " x ", ("x",)),
        ("CREATED", {"order": {"id": 5}}, "  ", ("5",)),
        ("CREATED", {"order": [{"id": 5}], "id": None, "client": ""}, None, ()),
        ("CREATED", {"id": 1.0, "client": 2**60}, None, ("1", str(2**60))),
        ("CREATED", "text", None, ()),
    ],
)
def test_keys(name: str, payload: Any, explicit: str | None, keys: tuple[str, ...]) -> None:
    assert resolve_correlation(PATHS, name, payload, explicit) == keys


def test_one_path_may_stand_alone() -> None:
    assert resolve_correlation({"CREATED": "id"}, "CREATED", {"id": 1}) == ("1",)
