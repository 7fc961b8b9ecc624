"""Commands that take several targets: each is settled and told on its own, and the exit code says whether all were done."""

from __future__ import annotations

from typing import Any

import pytest

from engine.ids import new_id
from engine.settings import DEFAULT_TENANT
from tests.commands.conftest import Stack
from tests.commands.steps import assign, echo

FIRST = "00000000-0000-7000-8000-000000000001"
SECOND = "00000000-0000-7000-8000-000000000002"
VERSIONS = "SELECT version FROM workflow_definition_versions WHERE workflow_id = %s ORDER BY version"


def definition(workflow_id: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": workflow_id,
        "version": 1,
        "name": workflow_id,
        "payloadSchemaRef": "payload.Any.v1",
        "steps": steps or [assign("a", n="1")],
    }


@pytest.fixture
def files(without_worker: Stack) -> tuple[str, str, str]:
    """A definition that is right, one that is not, and one that has a warning."""
    loop = {"id": "l", "type": "control.forEach", "items": {"$expr": "payload.items"}, "itemVar": "index", "body": []}
    return (
        without_worker.file("right.json", definition("several.right")),
        without_worker.file("wrong.json", definition("several.wrong", assign("a", n="payload."))),
        without_worker.file("warned.json", definition("several.warned", {**loop, "body": [assign("a", n="1")]})),
    )


def test_definitions_are_published_beside_one_that_is_refused(
    without_worker: Stack, files: tuple[str, str, str]
) -> None:
    right, wrong, warned = files
    done = without_worker("publish", *files, right, "--json")
    assert (done.code, done.err) == (1, "")
    first, second, third = done.json["results"]
    assert (first["file"], first["result"], first["workflow_id"]) == (right, "published", "several.right")
    assert (second["file"], second["result"], second["code"]) == (wrong, "refused", "DEFINITION_INVALID")
    assert [issue["code"] for issue in second["details"]["issues"]] == ["INVALID_EXPR"]
    assert (third["file"], [warning["code"] for warning in third["warnings"]]) == (
        warned,
        ["VARIABLE_HIDES_LOOP_FIELD"],
    )
    # A file that is named twice is published once.
    assert without_worker.rows(VERSIONS, "several.right") == [(first["version"],)]
    assert without_worker.rows(VERSIONS, "several.wrong") == []

    people = without_worker("publish", *files)
    assert people.code == 1
    warning, headings, *lines = people.out.splitlines()
    assert warning.startswith(f"{warned}: warning VARIABLE_HIDES_LOOP_FIELD at ")
    assert headings.split() == ["FILE", "RESULT"]
    assert [line.split()[:2] for line in lines] == [
        [right, "several.right"],
        [wrong, "DEFINITION_INVALID:"],
        [warned, "several.warned"],
    ]
    assert people.err.startswith(f"{wrong}: error INVALID_EXPR at root.steps[0]: ")


def test_all_that_are_right_is_no_failure(without_worker: Stack, files: tuple[str, str, str]) -> None:
    right, _, warned = files
    done = without_worker("publish", right, warned)
    assert (done.code, done.err) == (0, "")
    single = without_worker.answer("publish", right)
    assert {"workflow_id", "version", "definition_hash", "created", "warnings"} == single.keys()


def test_a_file_that_cannot_be_read_keeps_all_from_being_published(
    without_worker: Stack, files: tuple[str, str, str]
) -> None:
    before = without_worker.rows(VERSIONS, "several.right")
    for other, code in (("/nowhere.json", "FILE_UNREADABLE"), (without_worker.file("half.json", "{"), "JSON_SYNTAX")):
        refused = without_worker("publish", files[0], other, "--json")
        assert (refused.code, refused.out, refused.refusal["code"]) == (2, "", code)
    assert without_worker.rows(VERSIONS, "several.right") == before


def test_what_belongs_to_one_definition_is_refused_with_several(
    without_worker: Stack, files: tuple[str, str, str]
) -> None:
    schema = without_worker.file("several.schema.json", {})
    for option in ("--payload-schema", "--example"):
        refused = without_worker("publish", files[0], files[2], option, schema, "--json")
        assert (refused.code, refused.refusal["code"]) == (2, "ONE_DEFINITION_ONLY")


def test_actions_of_ones_own_count_for_all(without_worker: Stack) -> None:
    plain = without_worker.with_variables(RUNSTUDIO_ACTIONS="")
    own = [plain.file(f"{name}.json", definition(name, echo("e", "1"))) for name in ("several.own", "several.too")]
    assert plain("publish", *own).code == 1
    done = plain.answer("publish", *own, "--actions", "tests.commands.actions")
    assert [result["result"] for result in done["results"]] == ["published", "published"]


def test_workflows_are_paused_beside_one_that_nobody_knows(without_worker: Stack, files: tuple[str, str, str]) -> None:
    without_worker.answer("publish", files[0])
    done = without_worker("workflows", "pause", "several.right", "several.nobody", "--json")
    assert done.code == 1
    first, second = done.json["results"]
    assert first == {"workflow": "several.right", "result": "paused"}
    assert (second["workflow"], second["result"], second["code"]) == (
        "several.nobody",
        "refused",
        "WORKFLOW_NOT_FOUND",
    )
    assert second.keys() == {"workflow", "result", "code", "message", "hint", "details"}
    people = without_worker("workflows", "unpause", "several.right", "several.nobody")
    assert people.code == 1
    assert [line.split()[:2] for line in people.out.splitlines()] == [
        ["WORKFLOW", "RESULT"],
        ["several.right", "active"],
        ["several.nobody", "WORKFLOW_NOT_FOUND:"],
    ]


def test_one_reason_for_all_is_told_once(without_worker: Stack, without_database: Stack) -> None:
    for stack, words, code, exit_code in (
        (without_worker, ("events", "redeliver", FIRST, SECOND, "--reason", "because"), "DELIVERY_NOT_FAILED", 4),
        (without_worker, ("events", "redeliver", FIRST, SECOND, "--reason", "x"), "REASON_TOO_SHORT", 2),
        (without_worker, ("tasks", "cancel", FIRST, SECOND, "--reason", "x"), "REASON_TOO_SHORT", 2),
        (without_database, ("workflows", "pause", "a", "b"), "POSTGRES_UNREACHABLE", 5),
        (without_worker, ("runs", "replay", FIRST, SECOND, "--reason", "x"), "REASON_TOO_SHORT", 2),
    ):
        refused = stack(*words, "--json")
        assert (refused.code, refused.out, refused.refusal["code"]) == (exit_code, "", code), words


def test_a_failed_delivery_is_made_again_beside_one_that_is_none(without_worker: Stack) -> None:
    delivery = new_id()
    without_worker.rows(
        "INSERT INTO workflow_event_deliveries (delivery_id, tenant, target_kind, target, status)"
        " VALUES (%s, %s, 'launch', 'several.lost', 'failed')",
        delivery,
        DEFAULT_TENANT,
    )
    done = without_worker("events", "redeliver", delivery, FIRST, "--reason", "because", "--json")
    assert done.code == 1
    first, second = done.json["results"]
    assert first == {"delivery": delivery, "result": "pending"}
    assert (second["delivery"], second["code"]) == (FIRST, "DELIVERY_NOT_FAILED")
    question = "SELECT status FROM workflow_event_deliveries WHERE delivery_id = %s"
    assert without_worker.rows(question, delivery) == [("pending",)]


def test_f8_all_dead_deliveries_are_made_again_at_once(without_worker: Stack) -> None:
    assert without_worker("events", "redeliver", "--reason", "because", "--json").refusal["code"] == "TARGETS_UNCLEAR"
    for _ in range(2):
        without_worker.rows(
            "INSERT INTO workflow_event_deliveries (delivery_id, tenant, target_kind, target, status)"
            " VALUES (%s, %s, 'launch', 'several.lost', 'failed')",
            new_id(),
            DEFAULT_TENANT,
        )
    listed = {row["delivery_id"] for row in without_worker("events", "dead", "--json").json["deliveries"]}
    done = without_worker("events", "redeliver", "--all", "--reason", "because", "--json")
    assert (done.code, {row["delivery"] for row in done.json["results"]}) == (0, listed)
    assert without_worker("events", "dead", "--json").json["deliveries"] == []
    nothing = without_worker("events", "redeliver", "--all", "--reason", "because", "--json")
    assert nothing.refusal["code"] == "NOTHING_DEAD"
