"""Findings about triggers: events and their mappings, one-time and recurring schedules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.definition.cron import cron_problem, longest_gap
from engine.definition.publish_context import PublishContext
from engine.definition.validate import validate_definition

TARGET = {
    "type": "object",
    "properties": {
        "item": {
            "type": "object",
            "properties": {"id": {"type": "string"}, "size": {"type": "integer"}},
            "required": ["id"],
        },
        "name": {"type": "string"},
    },
    "required": ["item", "name"],
}
SOURCE = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "size": {"type": "string"}, "mail": {"type": "string"}},
}
SCHEMAS = {"payload.Any.v1": {"type": "object"}, "payload.Item.v1": TARGET, "event.Created.v1": SOURCE}


def codes(trigger: Any, ref: str = "payload.Any.v1", **world: Any) -> list[str]:
    values: dict[str, Any] = {
        "now": datetime(2026, 1, 1, tzinfo=UTC),
        "schemas": SCHEMAS,
        "actions": {},
        "correlation_paths": {},
        "timezones": frozenset({"UTC", "Europe/Berlin"}),
        **world,
    }
    source = {"id": "w", "version": 1, "name": "w", "payloadSchemaRef": ref, "trigger": trigger, "steps": []}
    return [issue.code for issue in validate_definition(source, PublishContext(**values)).issues]


def event(mapping: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "event", "eventName": "CREATED", **({} if mapping is None else {"payloadMapping": mapping}), **more}


def expr(source: str) -> dict[str, str]:
    return {"$expr": source}


WHOLE = {"item.id": expr("event.payload.id"), "name": expr("event.name")}


@pytest.mark.parametrize(
    ("trigger", "catalog", "expected"),
    [
        (event(), None, []),
        (event(), {"CREATED": "payload.Any.v1"}, []),
        (event(), {"CREATED": "event.Created.v1"}, ["TRIGGER_MAPPING_REQUIRED"]),
        (event(), {"CREATED": None}, ["UNKNOWN_TRIGGER_SOURCE_SCHEMA_REF"]),
        (event(), {"CREATE": "x"}, ["UNKNOWN_TRIGGER_EVENT", "UNKNOWN_TRIGGER_SOURCE_SCHEMA_REF"]),
        (event(sourcePayloadSchemaRef="payload.Any.v1"), {}, []),
        (
            event(sourcePayloadSchemaRef="event.Create.v1"),
            None,
            ["UNKNOWN_TRIGGER_SOURCE_SCHEMA_REF", "TRIGGER_MAPPING_REQUIRED"],
        ),
        (event(WHOLE, sourcePayloadSchemaRef="event.Created.v1"), None, []),
    ],
)
def test_events(trigger: Any, catalog: Any, expected: list[str]) -> None:
    assert codes(trigger, event_schemas=catalog) == expected


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (WHOLE, []),
        ({"item": expr("event.payload"), "name": "n"}, []),
        ({"item": {"id": "1"}, "name": "n"}, []),
        ({"item.size": 1, "name": "n"}, ["TRIGGER_MAPPING_MISSING_REQUIRED_FIELDS"]),
        ({"name": "n"}, ["TRIGGER_MAPPING_MISSING_REQUIRED_FIELDS"]),
        ({**WHOLE, "x": expr("payload.id")}, ["TRIGGER_MAPPING_INVALID_ROOT"]),
        ({**WHOLE, "x": expr("vars.id")}, ["TRIGGER_MAPPING_INVALID_ROOT"]),
        ({**WHOLE, "x": expr("")}, ["EMPTY_EXPRESSION"]),
        ({**WHOLE, "x": expr("bad(")}, ["INVALID_EXPRESSION"]),
        ({**WHOLE, "x": {"$secret": "API_KEY"}}, ["TRIGGER_MAPPING_SECRET"]),
        ({**WHOLE, "item.size": expr("event.payload.size")}, ["MAPPING_TYPE_INCOMPATIBLE"]),
        ({**WHOLE, "name": expr("event.payload.colour")}, ["MAPPING_TYPE_UNKNOWN"]),
        ({**WHOLE, "item.size": expr("event.payload.size & '0'")}, []),
    ],
)
def test_mappings(mapping: Any, expected: list[str]) -> None:
    assert codes(event(mapping, sourcePayloadSchemaRef="event.Created.v1"), ref="payload.Item.v1") == expected


def test_an_inferred_schema_needs_an_event() -> None:
    assert codes(None, payload_schema_mode="inferred") == ["PAYLOAD_SCHEMA_INFERENCE_UNSUPPORTED_TRIGGER"]
    assert codes(event(sourcePayloadSchemaRef="event.Created.v1"), payload_schema_mode="inferred") == []


@pytest.mark.parametrize(
    ("run_at", "expected"),
    [
        ("2026-01-01T00:00:01Z", []),
        ("2026-01-01T02:00:01+02:00", []),
        ("2026-06-01T09:00:00", []),
        ("2026-01-01T00:00:00Z", ["TIME_TRIGGER_INVALID_RUN_AT"]),
        ("2025-12-31T23:59:59", ["TIME_TRIGGER_INVALID_RUN_AT"]),
        ("2100-12-31T23:59:59Z", []),
        ("2101-01-01T00:00:00Z", ["TIME_TRIGGER_INVALID_RUN_AT"]),
        # In UTC, and by the next whole second, it is the year after.
        ("2100-12-31T23:59:59-14:00", ["TIME_TRIGGER_INVALID_RUN_AT"]),
        ("2100-12-31T23:59:59.5Z", ["TIME_TRIGGER_INVALID_RUN_AT"]),
        ("2101-01-01T00:00:00+14:00", []),
        ("2026-06-01t09:00:00z", []),
        ("2026-W23-1", ["TIME_TRIGGER_INVALID_RUN_AT"]),
        ("2026-06-01x09:00:00", ["TIME_TRIGGER_INVALID_RUN_AT"]),
        ("2026-06-01T09:00:00+14:60", ["TIME_TRIGGER_INVALID_RUN_AT"]),
        ("2026-06-01T24:00:00Z", ["TIME_TRIGGER_INVALID_RUN_AT"]),
        ("9999-12-31T23:59:59.999Z", ["TIME_TRIGGER_INVALID_RUN_AT"]),
        ("0001-01-01T00:00:00+14:00", ["TIME_TRIGGER_INVALID_RUN_AT"]),
        ("tomorrow", ["TIME_TRIGGER_INVALID_RUN_AT"]),
        (" ", ["TIME_TRIGGER_RUN_AT_REQUIRED"]),
        ("", ["INVALID_WORKFLOW_DEFINITION", "TIME_TRIGGER_RUN_AT_REQUIRED"]),
    ],
)
def test_f15_f16_when_a_schedule_may_run(run_at: str, expected: list[str]) -> None:
    assert codes({"type": "schedule", "runAt": run_at}) == expected


@pytest.mark.parametrize(
    "cron",
    [
        "0 9 * * 1-5",
        "*/5 * * * *",
        "30 6 1,15 * *",
        "0-30/10 8-18 * 1-6 *",
        "0 0 * * 7",
        "0 0 29 2 *",
        "0,55 * * * *",
        "5/15 * * * *",
        "59 23 31 12 *",
    ],
)
def test_good_schedules(cron: str) -> None:
    assert cron_problem(cron) is None
    assert codes({"type": "recurring", "cron": cron, "timezone": "Europe/Berlin"}) == []


BAD_SCHEDULES: list[Any] = [
    "",
    " ",
    "* * * *",
    "* * * * * *",
    "@daily",
    "60 * * * *",
    "* * * * *",
    "*/4 * * * *",
    "0 9 1 * 1",
    "5-1 * * * *",
    "*/0 * * * *",
    "0 9 ? * MON",
    "1,,2 * * * *",
    "* 3 * * *",
    "* 9-17 * * *",
    "0,1,2,3 * * * *",
    "*/59 * * * *",
    "0,58 * * * *",
    "2,58 0,23 * * *",
    "50/3 * * * *",
    "0 0 30 2 *",
    "0 0 31 4,6,9,11 *",
    "\u0664 * * * *",
    "0 9 0 * *",
    "0 " + ",".join(["1"] * 70) + " * * *",
    None,
    5,
]


@pytest.mark.parametrize(
    ("cron", "days"),
    [
        ("*/5 * * * *", 1),
        ("30 7 * * 1-5", 3),
        ("0 2 * * 7", 7),
        ("0 3 1 * *", 31),
        ("0 3 31 * *", 61),
        ("0 3 29 2 *", 4 * 365 + 1),
        ("@daily", 1),
        ("0 3 x * *", 1),
    ],
)
def test_how_far_runs_are_apart(cron: str, days: int) -> None:
    assert longest_gap(cron) == timedelta(days=days)


@pytest.mark.parametrize("cron", BAD_SCHEDULES)
def test_f17_bad_schedules(cron: Any) -> None:
    assert cron_problem(cron)


def test_what_comes_too_often_is_told_by_its_two_times() -> None:
    assert (
        cron_problem("* 9-17 * * *") == "It would run at 09:00 and at 09:01; a schedule runs at most every 5 minutes."
    )
    assert (
        cron_problem("2,58 0,23 * * *")
        == "It would run at 23:58 and at 00:02; a schedule runs at most every 5 minutes."
    )
    # On days that do not follow each other midnight is no matter.
    assert cron_problem("2,58 0,23 1 * *") is None


def test_findings_about_recurring_triggers() -> None:
    trigger = {"type": "recurring", "cron": "* * * * *", "timezone": "Europe/Berlin2"}
    assert codes(trigger) == ["TIME_TRIGGER_INVALID_CRON", "TIME_TRIGGER_INVALID_TIMEZONE"]
    assert codes(trigger, timezones=None) == ["TIME_TRIGGER_INVALID_CRON"]
