"""``runstudio runs list``, ``show``, ``why`` and ``cancel``."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.commands.conftest import Stack
from tests.commands.steps import assign, echo, fails, wait

UNKNOWN = "00000000-0000-7000-8000-000000000000"
HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x9b2J\u202egnp.exe\x7f\u200b"
DANGEROUS = ("\x1b", "\x07", "\x9b", "\u202e", "\x7f", "\u200b")


@pytest.fixture(scope="module")
def done(runstudio: Stack) -> str:
    """A run that succeeded."""
    runstudio.publish("cli.done", assign("a", n="payload.n + 1"), echo("e", "n"))
    run_id = runstudio.start("cli.done", {"n": 1, "apiKey": "k-4711"})
    assert runstudio.ended(run_id) == "SUCCEEDED"
    return run_id


@pytest.fixture(scope="module")
def hostile(runstudio: Stack) -> str:
    """A run that failed with a text that wants to drive the terminal."""
    runstudio.publish("cli.hostile", fails("f", "payload.text"))
    run_id = runstudio.start("cli.hostile", {"text": HOSTILE})
    assert runstudio.ended(run_id) == "FAILED"
    return run_id


@pytest.fixture(scope="module")
def waits(runstudio: Stack) -> Callable[[str], str]:
    """Starts a run that waits."""
    runstudio.publish("cli.waits", wait("w"))

    def start(key: str) -> str:
        run_id = runstudio.start("cli.waits", {"key": key})
        runstudio.waiting(run_id)
        return run_id

    return start


@pytest.fixture(scope="module")
def unattended(without_worker: Stack) -> str:
    """A run that Temporal has and nobody executes."""
    without_worker.publish("cli.idle", assign("a", n="1"))
    return without_worker.start("cli.idle")


def test_list_tells_the_runs_as_json(runstudio: Stack, done: str) -> None:
    listed = runstudio.answer("runs", "list", f"id:{done}")
    assert listed.keys() == {"runs", "next", "serverNow"}
    [run] = listed["runs"]
    assert (run["run_id"], run["status"], run["workflow_id"], run["version"]) == (done, "SUCCEEDED", "cli.done", 1)
    assert run["started_at"].endswith("Z")
    assert listed["next"] is None


def test_list_goes_on_at_its_cursor(runstudio: Stack, done: str, hostile: str) -> None:
    first = runstudio.answer("runs", "list", "--limit", "1")
    second = runstudio.answer("runs", "list", "--limit", "1", "--after", first["next"])
    assert first["runs"][0]["run_id"] != second["runs"][0]["run_id"]


def test_list_is_a_table_for_people(runstudio: Stack, done: str) -> None:
    listed = runstudio("runs", "list", "wf:cli.done")
    headings, *lines = listed.out.splitlines()
    assert listed.code == 0
    assert headings.split() == ["RUN", "STATUS", "WORKFLOW", "WHERE", "TRY", "STARTED", "FOR"]
    assert any(line.startswith(done) for line in lines)


def test_list_refuses_a_filter_it_does_not_understand(runstudio: Stack) -> None:
    refused = runstudio("runs", "list", "status:nonsense", "--json")
    assert (refused.code, refused.out, refused.refusal["code"]) == (2, "", "FILTER_INVALID")


def test_list_refuses_a_cursor_of_another_question(runstudio: Stack) -> None:
    assert runstudio("runs", "list", "--after", "nonsense").code == 2


def test_s4_a_relative_time_means_the_same_on_every_page(runstudio: Stack, done: str, hostile: str) -> None:
    listed, after = [], None
    while True:
        more = ("--after", after) if after is not None else ()
        page = runstudio.answer("runs", "list", "since:24h", "--limit", "1", *more)
        listed += [run["run_id"] for run in page["runs"]]
        after = page["next"]
        if after is None:
            break
    assert {done, hostile} <= set(listed)
    assert len(listed) == len(set(listed))
    assert runstudio("runs", "list", "since:24h", "--after", "nonsense.99999999999999999999").code == 2
    assert runstudio("runs", "list", "--limit", "0").code == 2


def test_list_says_that_postgres_is_away(without_database: Stack) -> None:
    refused = without_database("runs", "list", "--json")
    assert (refused.code, refused.refusal["code"]) == (5, "POSTGRES_UNREACHABLE")


def test_show_tells_a_run_with_its_steps_and_waits(runstudio: Stack, done: str) -> None:
    shown = runstudio.answer("runs", "show", done)
    assert shown.keys() == {"run", "steps", "waits", "serverNow"}
    assert shown["run"]["row"]["run_id"] == done
    assert sorted((step["path"], step["status"], step["attempts"]) for step in shown["steps"]) == [
        ("root.steps[0]", "SUCCEEDED", 0),
        ("root.steps[1]", "SUCCEEDED", 1),
    ]
    assert shown["waits"] == []


def test_show_is_read_from_top_to_bottom_by_people(runstudio: Stack, done: str) -> None:
    shown = runstudio("runs", "show", done)
    assert shown.code == 0
    assert done in shown.out.splitlines()[0]
    assert shown.out.index("a  transform.assign") < shown.out.index("e  action.call")


def test_a_run_nobody_knows(runstudio: Stack) -> None:
    for command in ("show", "why"):
        unknown = runstudio("runs", command, UNKNOWN, "--json")
        assert (unknown.code, unknown.out, unknown.refusal["code"]) == (3, "", "RUN_NOT_FOUND")
    assert runstudio("runs", "show", "no-id").code == 3


def test_text_of_a_run_cannot_drive_the_terminal(runstudio: Stack, hostile: str) -> None:
    for command in (("show", hostile), ("list", f"id:{hostile}"), ("why", hostile)):
        shown = runstudio("runs", *command)
        assert shown.code == 0
        assert not [sign for sign in DANGEROUS if sign in shown.out], command
    assert "␛[31mred" in runstudio("runs", "show", hostile).out


def test_neither_can_json_and_it_says_the_same(runstudio: Stack, hostile: str) -> None:
    shown = runstudio("runs", "show", hostile, "--json")
    assert not [sign for sign in DANGEROUS if sign in shown.out]
    assert shown.json["run"]["error"]["message"] == HOSTILE


def test_a_document_for_people_says_what_is_stored(runstudio: Stack, hostile: str) -> None:
    """It is saved, edited and sent again: a sign in place of a character would be another value."""
    ways = (
        ("runs", "input", hostile, "--text"),
        ("runs", "input", hostile),
        ("runs", "state", hostile, "--step", "f"),
        ("workflows", "show", "cli.titled", "--version", "1"),
    )
    runstudio.publish("cli.titled", assign("a", n="1"), name=HOSTILE)
    for command in ways:
        shown = runstudio(*command)
        assert not [sign for sign in DANGEROUS if sign in shown.out], command
        document, _ = json.JSONDecoder().raw_decode(shown.out[shown.out.index("{") :])
        assert HOSTILE in (document.get("text"), document.get("name"), document.get("payload", {}).get("text")), command


def test_no_name_and_no_error_begins_a_line(runstudio: Stack) -> None:
    forged = "is wrong\n✔ paid  store.put\nstate      active"
    runstudio.publish("cli.forged", fails("f", "payload.text"), name=forged)
    run_id = runstudio.start("cli.forged", {"text": forged})
    assert runstudio.ended(run_id) == "FAILED"
    for command in ("show", "why"):
        lines = runstudio("runs", command, run_id).out.splitlines()
        assert not [line for line in lines if line.startswith(("✔ paid", "state"))]
    assert runstudio("workflows", "show", "cli.forged").out.count("\nstate  ") == 1


def test_a_word_that_is_repeated_in_a_refusal_cannot_drive_the_terminal(runstudio: Stack) -> None:
    refused = runstudio("runs", "show", HOSTILE)
    assert refused.code == 3
    assert not [sign for sign in DANGEROUS if sign in refused.err]
    as_json = runstudio("runs", "show", HOSTILE, "--json")
    assert not [sign for sign in DANGEROUS if sign in as_json.err]


def test_why_tells_what_is_the_case(runstudio: Stack, done: str) -> None:
    told = runstudio.answer("runs", "why", done)
    assert told.keys() == {"diagnosis", "serverNow"}
    assert told["diagnosis"]["run_id"] == done
    assert told["diagnosis"].keys() == {"run_id", "status", "findings", "temporal_reachable", "server_now"}
    for finding in told["diagnosis"]["findings"]:
        assert finding.keys() == {"code", "sentence", "evidence", "advice"}


def test_why_tells_that_nobody_works(without_worker: Stack, unattended: str) -> None:
    told = without_worker.answer("runs", "why", unattended)
    assert "NO_POLLER" in [finding["code"] for finding in told["diagnosis"]["findings"]]
    people = without_worker("runs", "why", unattended)
    assert people.code == 0
    assert "NO_POLLER: " in people.out
    assert "What helps: " in people.out


def test_cancel_ends_a_run(runstudio: Stack, waits: Callable[[str], str]) -> None:
    run_id = waits("cancel")
    canceled = runstudio.answer("runs", "cancel", run_id, "--reason", "not needed")
    assert canceled == {"results": [{"run": run_id, "result": "canceled"}]}
    assert runstudio.ended(run_id) == "CANCELED"
    [(actor, reason)] = runstudio.rows(
        "SELECT actor, reason FROM workflow_audit_log WHERE run_id = %s AND operation LIKE '%%cancel'", run_id
    )
    assert (bool(actor), reason) == (True, "not needed")


def test_cancel_of_a_run_that_has_ended_says_so(runstudio: Stack, done: str) -> None:
    canceled = runstudio("runs", "cancel", done, "--reason", "too late", "--json")
    [result] = canceled.json["results"]
    assert (canceled.code, result["run"], result["result"]) == (0, done, "already ended")
    assert runstudio.ended(done) == "SUCCEEDED"


def test_cancel_that_nobody_carries_out_yet_is_accepted(without_worker: Stack, unattended: str) -> None:
    accepted = without_worker("runs", "cancel", unattended, "--reason", "not needed", "--json")
    assert (accepted.code, accepted.json["results"]) == (7, [{"run": unattended, "result": "requested"}])


def test_cancel_of_several_settles_each_on_its_own(runstudio: Stack, waits: Callable[[str], str]) -> None:
    run_id = waits("several")
    canceled = runstudio("runs", "cancel", run_id, UNKNOWN, "--reason", "not needed", "--json")
    assert canceled.code == 1
    first, second = canceled.json["results"]
    assert first == {"run": run_id, "result": "canceled"}
    assert (second["run"], second["result"], second["code"]) == (UNKNOWN, "failed", "RUN_NOT_FOUND")


def test_cancel_takes_the_runs_below_along(runstudio: Stack, waits: Callable[[str], str]) -> None:
    call = {"workflowId": "cli.waits", "workflowVersion": 1, "inputMapping": {"key": {"$expr": "payload.key"}}}
    runstudio.publish("cli.parent", {"id": "c", "type": "control.callWorkflow", **call})
    parent = runstudio.start("cli.parent", {"key": "below"})
    question = "SELECT run_id::text FROM workflow_runs WHERE parent_run_id = %s AND status = 'WAITING'"
    [(child,)] = runstudio.until(lambda: runstudio.rows(question, parent))
    assert runstudio.answer("runs", "cancel", parent, "--reason", "not needed")["results"][0]["result"] == "canceled"
    assert runstudio.ended(child) == "CANCELED"
    [above] = runstudio.answer("runs", "list", f"parent:{parent}")["runs"]
    assert (above["run_id"], above["status"]) == (child, "CANCELED")


def test_cancel_is_refused(runstudio: Stack, offline: Stack, done: str, waits: Callable[[str], str]) -> None:
    unknown = runstudio("runs", "cancel", UNKNOWN, "--reason", "not needed", "--json")
    assert (unknown.code, unknown.refusal["code"]) == (3, "RUN_NOT_FOUND")
    assert runstudio("runs", "cancel", done).code == 2
    short = runstudio("runs", "cancel", done, "--reason", "x", "--json")
    assert (short.code, short.refusal["code"]) == (2, "REASON_TOO_SHORT")
    run_id = waits("offline")
    away = offline("runs", "cancel", run_id, "--reason", "not needed", "--json")
    assert (away.code, away.refusal["code"]) == (5, "TEMPORAL_UNAVAILABLE")
    both = offline("runs", "cancel", run_id, waits("offline too"), "--reason", "not needed", "--json")
    assert (both.code, both.out, both.refusal["code"]) == (5, "", "TEMPORAL_UNAVAILABLE")
    assert runstudio.rows("SELECT cancel_requested_at FROM workflow_runs WHERE run_id = %s", run_id) == [(None,)]
