"""``runstudio publish`` and ``runstudio start``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.commands.conftest import Stack
from tests.commands.steps import assign, echo

SCHEMA = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}


def definition(workflow_id: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": workflow_id,
        "version": 1,
        "name": workflow_id,
        "payloadSchemaRef": "payload.Any.v1",
        "steps": steps or [assign("a", n="1")],
    }


@pytest.fixture(scope="module")
def picky(runstudio: Stack) -> str:
    """A workflow whose payload must have a name."""
    file = runstudio.file("picky.json", {**definition("cli.picky"), "payloadSchemaRef": "payload.Picky.v1"})
    schema = runstudio.file("picky.schema.json", SCHEMA)
    published = runstudio.answer("publish", file, "--payload-schema", schema)
    assert (published["workflow_id"], published["version"]) == ("cli.picky", 1)
    return "cli.picky"


def test_publish_makes_the_next_version(runstudio: Stack) -> None:
    first = runstudio.answer("publish", runstudio.file("twice.json", definition("cli.twice")))
    assert {"workflow_id", "version", "warnings"} <= first.keys()
    changed = definition("cli.twice", assign("a", n="2"))
    second = runstudio("publish", "-", stdin=json.dumps(changed))
    assert (second.code, second.out.splitlines()[-1]) == (0, "cli.twice version 2")


def test_publish_tells_every_finding(runstudio: Stack) -> None:
    wrong = definition("cli.wrong", assign("a", n="payload."), echo("a", "1"))
    refused = runstudio("publish", "-", "--json", stdin=json.dumps(wrong))
    assert (refused.code, refused.out, refused.refusal["code"]) == (2, "", "DEFINITION_INVALID")
    issues = refused.refusal["details"]["issues"]
    assert len(issues) >= 2
    people = runstudio("publish", "-", stdin=json.dumps(wrong))
    assert (people.code, people.out) == (2, "")
    for issue in issues:
        assert f"{issue['severity']} {issue['code']} at {issue['stepPath']}: " in people.err
    assert runstudio.rows("SELECT 1 FROM workflow_definition_versions WHERE workflow_id = 'cli.wrong'") == []


def test_actions_of_ones_own_are_named_by_the_option(runstudio: Stack) -> None:
    plain = runstudio.with_variables(RUNSTUDIO_ACTIONS="")
    file = plain.file("own.json", definition("cli.own", echo("e", "1")))
    refused = plain("publish", file)
    assert refused.code == 2
    assert "UNKNOWN_ACTION" in refused.err
    assert "--actions MODULE" in refused.err
    assert plain.answer("publish", file, "--actions", "tests.commands.actions")["version"] == 1
    assert runstudio.ended(runstudio.start("cli.own")) == "SUCCEEDED"

    bundle = plain.file("own.bundle.json", plain.answer("bundle", "export", "cli.own"))
    missing = plain("bundle", "import", bundle, "--force", "--json")
    assert (missing.code, missing.refusal["code"]) == (2, "BUNDLE_INVALID")
    assert "--actions MODULE" in missing.refusal["hint"]
    several = ("--actions", "tests.commands.actions,runstudio_examples.shop_actions")
    assert plain.answer("bundle", "import", bundle, "--force", *several)["workflows"][0]["versions"] == [1]


def test_a_module_that_cannot_be_loaded_is_refused_before_a_server_is_asked(without_database: Stack) -> None:
    file = without_database.file("own.json", definition("cli.own"))
    for words in (("publish", file), ("simulate", file), ("dev", "up"), ("bundle", "import", file)):
        refused = without_database(*words, "--actions", "tests.absent", "--json")
        assert (refused.code, refused.refusal["code"]) == (2, "ACTION_MODULE_UNAVAILABLE"), words
    worker = without_database("worker", "--actions", "tests.absent")
    assert (worker.code, worker.out) == (2, "")
    assert worker.err.startswith("ACTION_MODULE_UNAVAILABLE: ")


def test_a_schema_that_is_not_registered_is_refused_with_the_option_that_does(runstudio: Stack) -> None:
    wrong = runstudio.file("no-schema.json", {**definition("cli.schema"), "payloadSchemaRef": "payload.Absent.v1"})
    for told in (runstudio("publish", wrong).err, runstudio("publish", wrong, "--json").refusal["hint"]):
        assert "`runstudio publish FILE --payload-schema SCHEMA`" in told


def test_examples_are_kept_with_the_schema_they_fit(runstudio: Stack) -> None:
    file = runstudio.file("exemplary.json", {**definition("cli.exemplary"), "payloadSchemaRef": "payload.Exemplary.v1"})
    schema = ("--payload-schema", runstudio.file("exemplary.schema.json", SCHEMA))
    good, bad = runstudio.file("good.json", {"name": "Ada"}), runstudio.file("bad.json", {"name": 1})
    for options, code in (
        (("--example", good), "EXAMPLE_WITHOUT_SCHEMA"),
        ((*schema, "--example", good, "--example", bad), "EXAMPLE_INVALID"),
    ):
        refused = runstudio("publish", file, *options, "--json")
        assert (refused.code, refused.out, refused.refusal["code"]) == (2, "", code)
    runstudio.answer("publish", file, *schema, "--example", good)
    [(kept,)] = runstudio.rows(
        "SELECT payload_schema_json FROM workflow_definition_versions WHERE workflow_id = 'cli.exemplary'"
    )
    assert kept["examples"] == [{"name": "Ada"}]


def test_publish_refuses_what_is_no_json(runstudio: Stack) -> None:
    refused = runstudio("publish", "-", "--json", stdin='{"id": \n nope}')
    assert (refused.code, refused.refusal["code"]) == (2, "JSON_SYNTAX")
    assert "line 2" in refused.refusal["message"]
    assert runstudio("publish").code == 2


def test_correlation_paths_make_a_wait_possible(runstudio: Stack) -> None:
    before = runstudio.answer("events", "paths")["paths"]
    assert before == {"*": ["key"]}
    wanted = {**before, "ORDER_PAID": ["order.id", "id"]}
    assert runstudio.answer("events", "paths", "--set", "-", stdin=json.dumps(wanted)) == {"paths": wanted}
    assert "ORDER_PAID  order.id id\n" in runstudio("events", "paths").out
    payload = runstudio.file("paid.json", {"order": {"id": "o-1"}})
    assert runstudio.answer("events", "submit", "ORDER_PAID", "-p", payload)["keys"] == ["o-1"]
    for wrong in ({"*": "key"}, {"*": [1]}, {"*": [None]}, {"": ["key"]}, {"*": ["a b"]}):
        refused = runstudio("events", "paths", "--set", "-", "--json", stdin=json.dumps(wrong))
        assert (refused.code, refused.refusal["code"]) == (2, "CORRELATION_PATH_INVALID"), wrong
    assert runstudio.answer("events", "paths")["paths"] == wanted


def test_start_tells_the_run(runstudio: Stack, picky: str) -> None:
    started = runstudio.answer("start", picky, "-p", "-", stdin='{"name": "Ada"}')
    assert started.keys() == {"runId", "version", "created", "pending"}
    assert (started["version"], started["created"], started["pending"]) == (1, True, False)
    assert runstudio.ended(started["runId"]) == "SUCCEEDED"


def test_start_prints_nothing_but_the_id_for_scripts(runstudio: Stack, picky: str) -> None:
    started = runstudio("start", picky, "-p", runstudio.file("ada.json", {"name": "Ada"}), "--version", "1")
    assert started.code == 0
    assert runstudio.ended(started.out.strip()) == "SUCCEEDED"


def test_the_same_key_starts_once(runstudio: Stack, picky: str) -> None:
    file = runstudio.file("ada.json", {"name": "Ada"})
    arguments = ("start", picky, "--payload", file, "--idempotency-key", "order-1")
    first, second = runstudio.answer(*arguments), runstudio.answer(*arguments)
    assert (first["runId"], first["created"], second["created"]) == (second["runId"], True, False)
    other = runstudio("start", picky, "-p", "-", "--idempotency-key", "order-1", "--json", stdin='{"name": "Bob"}')
    assert (other.code, other.refusal["code"]) == (4, "IDEMPOTENCY_KEY_REUSED")


def test_start_is_refused(runstudio: Stack, without_database: Stack, picky: str) -> None:
    for arguments, stdin, code, word in (
        ((picky,), "{}", 2, "PAYLOAD_REJECTED"),
        ((picky,), "[1]", 2, "PAYLOAD_NOT_OBJECT"),
        ((picky,), '{"n": NaN}', 2, "JSON_NUMBER_NOT_FINITE"),
        ((picky, "--version", "9"), '{"name": "Ada"}', 3, "VERSION_NOT_FOUND"),
        (("cli.nobody",), "{}", 3, "WORKFLOW_NOT_FOUND"),
    ):
        refused = runstudio("start", *arguments, "-p", "-", "--json", stdin=stdin)
        assert (refused.code, refused.out, refused.refusal["code"]) == (code, "", word), arguments
    away = without_database("start", picky, "--json")
    assert (away.code, away.refusal["code"]) == (5, "POSTGRES_UNREACHABLE")


def test_start_of_a_paused_workflow_is_a_conflict(runstudio: Stack) -> None:
    runstudio.publish("cli.paused", assign("a", n="1"))
    runstudio.rows("UPDATE workflow_definitions SET is_paused = true WHERE workflow_id = 'cli.paused'")
    refused = runstudio("start", "cli.paused", "--json")
    assert (refused.code, refused.refusal["code"]) == (4, "WORKFLOW_PAUSED")


def test_start_while_temporal_is_away_is_accepted_and_done_later(runstudio: Stack, offline: Stack) -> None:
    runstudio.publish("cli.later", assign("a", n="1"))
    accepted = offline("start", "cli.later", "--json")
    assert (accepted.code, accepted.json["pending"], accepted.json["created"]) == (7, True, True)
    # Nobody starts it again; a worker does.
    assert runstudio.ended(accepted.json["runId"]) == "SUCCEEDED"


def test_events_page_and_are_read_by_programs(without_worker: Stack) -> None:
    ids = [f"page-{number}" for number in range(3)]
    for event_id in ids:
        without_worker.answer("events", "submit", "PAGED", "--key", "k", "--id", event_id)
    without_worker.answer("events", "submit", "PAGED", "--key", "other", "--id", "page-other")
    wanted = ("events", "list", "--name", "PAGED", "--key", "k", "--limit", "2")
    first = without_worker.answer(*wanted)
    rest = without_worker.answer(*wanted, "--after", first["next"])
    assert [row["event_id"] for row in first["events"] + rest["events"]] == ids[::-1]
    assert (first["events"][0]["name"], first["events"][0]["key"], rest["next"]) == ("PAGED", "k", None)
    assert f"More: --after {first['next']}" in without_worker(*wanted).out
