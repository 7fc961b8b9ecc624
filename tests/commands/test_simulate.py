"""``runstudio simulate``: needs no server at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.commands.conftest import Stack
from tests.commands.steps import assign, echo, fails, wait

STEPS = [assign("a", n="payload.n + 1"), echo("e", "n"), wait("w", "'k'"), assign("b", got="event.ok")]


@pytest.fixture(scope="module")
def alone(runstudio: Stack) -> Stack:
    """No database, no Temporal, no actions of our own."""
    return runstudio.with_variables(DATABASE_URL="", TEMPORAL_ADDRESS="", RUNSTUDIO_ACTIONS="")


def definition(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"id": "dry", "version": 1, "name": "Dry", "payloadSchemaRef": "payload.Any.v1", "steps": steps}


def test_a_dry_run_with_fixtures_as_json(alone: Stack) -> None:
    files = [
        alone.file("dry.json", definition(*STEPS)),
        "--payload",
        alone.file("given.json", {"n": 1}),
        "--fixtures",
        alone.file("fixtures.json", {"e": {"value": 7}, "PING": {"ok": True}}),
    ]
    told = alone.answer("simulate", *files)
    assert told.keys() == {"status", "trace", "finalVars", "finalPayload", "invocations", "errors", "warnings"}
    assert (told["status"], told["finalVars"]["e"], told["finalVars"]["got"]) == ("completed", {"value": 7}, True)
    assert [(entry["stepId"], entry["outcome"]) for entry in told["trace"]] == [
        ("a", "executed"),
        ("e", "stubbed"),
        ("w", "stubbed"),
        ("b", "executed"),
    ]
    people = alone("simulate", *files)
    assert people.code == 0
    assert [line.split()[:2] for line in people.out.splitlines()[:4]] == [
        ["ok", "a"],
        ["stub", "e"],
        ["stub", "w"],
        ["ok", "b"],
    ]
    assert "completed: 4 steps" in people.out


def test_actions_of_ones_own_say_what_they_would_answer(alone: Stack) -> None:
    file = alone.file("one.json", definition(echo("e", "1")))
    unknown = alone.answer("simulate", file)
    assert "not registered" in unknown["warnings"][0]
    known = alone.answer("simulate", file, "--actions", "tests.commands.actions")
    assert "made up from its schema" in known["warnings"][0]


def test_a_wait_without_a_fixture_is_the_end_of_the_dry_run(alone: Stack) -> None:
    done = alone("simulate", "-", "--json", stdin=json.dumps(definition(wait("w", "'k'"))))
    assert (done.code, done.json["status"]) == (0, "paused-at-wait")


def test_a_run_that_would_fail_has_an_exit_code_of_its_own(alone: Stack) -> None:
    fixture = alone.file("error.json", {"f": {"$error": {"message": "no \x1b[31m", "code": "E1"}}})
    done = alone("simulate", "-", "--fixtures", fixture, stdin=json.dumps(definition(fails("f", "1"))))
    assert done.code == 1
    assert "failed: 1 step\n" in done.out
    assert "\x1b" not in done.out


def test_what_cannot_be_run_at_all_is_refused(alone: Stack) -> None:
    wrong = alone("simulate", "-", "--json", stdin=json.dumps({"id": "x"}))
    assert (wrong.code, wrong.out, wrong.refusal["code"]) == (2, "", "INVALID_WORKFLOW_DEFINITION")
    syntax = alone("simulate", "-", "--json", stdin="{")
    assert (syntax.code, syntax.refusal["code"]) == (2, "JSON_SYNTAX")
    missing = alone("simulate", "/nowhere.json", "--json")
    assert (missing.code, missing.refusal["code"]) == (2, "FILE_UNREADABLE")
    file = alone.file("one.json", definition(echo("e", "1")))
    listed = alone("simulate", file, "--fixtures", alone.file("list.json", []), "--json")
    assert (listed.code, listed.refusal["code"]) == (2, "FIXTURES_NOT_OBJECT")
    assert alone("simulate", file, "--max-steps", "0").code == 2


def test_a_dry_run_ends_at_its_budget(alone: Stack) -> None:
    body = [assign(f"a{number}", n="1") for number in range(5)]
    done = alone("simulate", "-", "--max-steps", "3", "--json", stdin=json.dumps(definition(*body)))
    assert (done.code, done.json["errors"][0]["code"]) == (1, "SIMULATION_BUDGET")
