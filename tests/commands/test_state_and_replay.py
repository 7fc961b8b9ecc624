"""``runstudio runs state`` and ``runstudio runs replay``, with and without ``--preview``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.values.redaction.placeholder import PLACEHOLDER
from tests.commands.conftest import Stack
from tests.commands.steps import assign, echo, for_each, when

INPUT: dict[str, Any] = {"n": 1, "items": [5, 6], "password": "hidden-4711"}
UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def run(runstudio: Stack) -> str:
    """A run with a branch, a loop and an action."""
    runstudio.publish(
        "cli.branches",
        when("i", "payload.n > 10", assign("big", size="'big'"), assign("small", size="'small'")),
        for_each("l", "payload.items", assign("s", last="item")),
        echo("e", "payload.n"),
    )
    run_id = runstudio.start("cli.branches", INPUT)
    assert runstudio.ended(run_id) == "SUCCEEDED"
    return run_id


def test_the_state_around_a_step_as_json(runstudio: Stack, run: str) -> None:
    told = runstudio.answer("runs", "state", run, "--step", "root.steps[2]")
    assert told.keys() == {"state"}
    state = told["state"]
    assert (state["run_id"], state["path"], state["step_id"], state["status"]) == (
        run,
        "root.steps[2]",
        "e",
        "SUCCEEDED",
    )
    assert state["before"]["value"]["vars"] == {"size": "small", "last": 6}
    assert state["after"]["value"]["vars"] == {"size": "small", "last": 6, "e": {"value": 1}}
    assert state["before"]["value"]["payload"]["password"] == PLACEHOLDER
    assert state["before"]["masked"] == ["/payload/password"]
    assert state["missing"] is None


def test_the_state_in_an_iteration_for_people(runstudio: Stack, run: str) -> None:
    told = runstudio("runs", "state", run, "--step", "s", "--iteration", "1")
    assert told.code == 0
    heading, *_ = told.out.splitlines()
    assert heading == "s [1]  transform.assign  SUCCEEDED  root.steps[1].body.steps[0]"
    before, after = told.out.split("\nafter\n")
    assert ('"last": 5' in before, '"last": 6' in after) == (True, True)
    assert "hidden: /payload/password" in told.out
    assert "hidden-4711" not in told.out


def test_a_state_that_is_not_there_is_refused(runstudio: Stack, run: str) -> None:
    inside = runstudio("runs", "state", run, "--step", "s", "--json")
    assert (inside.code, inside.out) == (3, "")
    assert (inside.refusal["code"], inside.refusal["hint"]) == ("STEP_NOT_FOUND", "It was executed in iteration 0, 1.")
    unknown = runstudio("runs", "state", UNKNOWN, "--step", "s", "--json")
    assert (unknown.code, unknown.refusal["code"]) == (3, "RUN_NOT_FOUND")
    assert runstudio("runs", "state", run).code == 2


def test_a_state_that_cannot_be_computed_is_a_conflict(runstudio: Stack) -> None:
    runstudio.publish("cli.gone", echo("e", "1"), assign("a", n="2"))
    run_id = runstudio.start("cli.gone")
    assert runstudio.ended(run_id) == "SUCCEEDED"
    runstudio.rows("DELETE FROM workflow_action_invocations WHERE run_id = %s", run_id)
    gone = runstudio("runs", "state", run_id, "--step", "a", "--json")
    assert (gone.code, gone.refusal["code"]) == (4, "STATE_NOT_RECORDED")
    at_it = runstudio("runs", "state", run_id, "--step", "e")
    assert at_it.code == 0
    assert "not known: What try 1 of step e gave is not recorded." in at_it.out


def test_a_preview_with_the_original_input(runstudio: Stack, run: str) -> None:
    told = runstudio.answer("runs", "replay", run, "--preview")
    assert told.keys() == {"preview", "done"}
    preview = told["preview"]
    assert (preview["run_id"], preview["status"], preview["stop"], preview["differences"]) == (
        run,
        "SUCCEEDED",
        None,
        [],
    )
    assert preview["state"]["value"]["payload"]["password"] == PLACEHOLDER


def test_a_preview_with_another_input_starts_nothing(runstudio: Stack, run: str) -> None:
    [(before,)] = runstudio.rows("SELECT count(*) FROM workflow_runs")
    edited = runstudio.file("edited.json", {**INPUT, "n": 11, "items": [5]})
    preview = runstudio.answer("runs", "replay", run, "--preview", "--payload", edited)["preview"]
    assert preview["changed_paths"] == ["/items/1", "/n"]
    assert [(found["step_id"], found["kind"]) for found in preview["differences"]] == [
        ("i", "branch"),
        ("big", "added"),
        ("small", "dropped"),
        ("l", "items"),
        ("s", "dropped"),
    ]
    stop = preview["stop"]
    assert (stop["code"], stop["path"]) == ("INPUT_CHANGED", "root.steps[2]")
    assert (stop["recorded"]["value"], stop["now"]["value"]) == ({"value": 1}, {"value": 11})
    told = runstudio("runs", "replay", run, "--preview", "--payload", edited)
    assert told.code == 0
    assert "i  branch: else -> then" in told.out
    assert "small  would not be executed (was SUCCEEDED)" in told.out
    assert "The preview ends here: Step e would get an input it never had." in told.out
    assert runstudio.rows("SELECT count(*) FROM workflow_runs") == [(before,)]


def test_a_preview_refuses_what_the_replay_would(runstudio: Stack, run: str) -> None:
    hidden = runstudio(
        "runs", "replay", run, "--preview", "-p", "-", "--json", stdin=json.dumps({"password": PLACEHOLDER})
    )
    assert (hidden.code, hidden.refusal["code"]) == (2, "PLACEHOLDER_IN_PAYLOAD")
    several = runstudio("runs", "replay", run, UNKNOWN, "--preview", "--json")
    assert (several.code, several.refusal["code"]) == (2, "ONE_RUN_ONLY")
    reason = runstudio("runs", "replay", run, "--preview", "--reason", "because", "--json")
    assert (reason.code, reason.refusal["code"]) == (2, "PREVIEW_STARTS_NOTHING")


def test_a_replay_has_the_original_input_hidden_values_included(runstudio: Stack, run: str) -> None:
    replayed = runstudio.answer("runs", "replay", run, "--reason", "once more")
    assert replayed.keys() == {"runId", "version", "created", "pending", "replayOf"}
    assert (replayed["replayOf"], replayed["created"], replayed["version"]) == (run, True, 1)
    assert runstudio.ended(replayed["runId"]) == "SUCCEEDED"
    [(given, of)] = runstudio.rows(
        "SELECT input_json, replay_of_run_id::text FROM workflow_runs WHERE run_id = %s", replayed["runId"]
    )
    assert (given, of) == (INPUT, run)


def test_a_replay_with_another_input_and_a_key_happens_once(runstudio: Stack, run: str) -> None:
    edited = runstudio.file("other.json", {**INPUT, "n": 12})
    arguments = ("runs", "replay", run, "--reason", "with 12", "--payload", edited, "--idempotency-key", "k-12")
    first = runstudio(*arguments)
    assert (first.code, len(first.out.split())) == (0, 1)
    again = runstudio.answer(*arguments)
    assert (again["runId"], again["created"]) == (first.out.strip(), False)
    assert runstudio.ended(again["runId"]) == "SUCCEEDED"
    assert (
        runstudio.answer("runs", "state", again["runId"], "--step", "e")["state"]["after"]["value"]["vars"]["size"]
        == "big"
    )


def test_the_input_is_edited_without_its_secrets(runstudio: Stack, run: str) -> None:
    shown = runstudio.answer("runs", "input", run)
    assert (shown["input"], shown["hidden"]) == ({**INPUT, "password": PLACEHOLDER}, ["/password"])
    people = runstudio("runs", "input", run)
    assert f"hidden: /password\ndigest: {shown['digest']}\n" in people.out
    assert "hidden-4711" not in people.out
    patch = runstudio.file(
        "patch.json", [{"op": "replace", "path": "/n", "value": 3}, {"op": "remove", "path": "/items/0"}]
    )
    arguments = ("runs", "replay", run, "--patch", patch, "--base", shown["digest"])
    assert runstudio.answer(*arguments, "--preview")["preview"]["changed_paths"] == ["/items/0", "/items/1", "/n"]
    replayed = runstudio.answer(*arguments, "--reason", "with 3")
    [(given,)] = runstudio.rows("SELECT input_json FROM workflow_runs WHERE run_id = %s", replayed["runId"])
    assert given == {"n": 3, "items": [6], "password": "hidden-4711"}


def test_a_patch_that_cannot_be_made_is_refused(runstudio: Stack, run: str) -> None:
    [(before,)] = runstudio.rows("SELECT count(*) FROM workflow_runs")
    arguments = ("runs", "replay", run, "--reason", "once more", "--json", "--patch", "-")
    for patch, code in (
        ({"op": "remove", "path": "/n"}, "PATCH_INVALID"),
        ([{"op": "move", "path": "/n", "value": 1}], "PATCH_INVALID"),
        ([{"op": "replace", "path": "/n"}], "PATCH_INVALID"),
        ([{"op": "remove", "path": 1}], "PATCH_INVALID"),
        ([{"op": "remove", "path": "/n", "from": "/x"}], "PATCH_INVALID"),
        ([{"op": "remove", "path": "/nowhere"}], "PATCH_PATH_INVALID"),
        ([{"op": "replace", "path": "/n", "value": PLACEHOLDER}], "PLACEHOLDER_IN_PAYLOAD"),
    ):
        refused = runstudio(*arguments, stdin=json.dumps(patch))
        assert (refused.code, refused.out, refused.refusal["code"]) == (2, "", code), patch
    changed = runstudio(*arguments, "--base", "0" * 64, stdin="[]")
    assert (changed.code, changed.refusal["code"]) == (4, "REPLAY_BASE_CHANGED")
    both = runstudio(*arguments, "--payload", "-")
    assert (both.code, both.refusal["code"]) == (2, "ONE_INPUT_ONLY")
    assert runstudio.rows("SELECT count(*) FROM workflow_runs") == [(before,)]


def test_several_replays_are_settled_each_on_its_own(runstudio: Stack, run: str) -> None:
    done = runstudio("runs", "replay", run, UNKNOWN, "--reason", "all of them", "--json")
    assert done.code == 1
    first, second = done.json["results"]
    assert (first["run"], first["created"], first["pending"]) == (run, True, False)
    assert (second["run"], second["code"]) == (UNKNOWN, "RUN_NOT_FOUND")


def test_a_replay_is_refused(runstudio: Stack, run: str) -> None:
    short = runstudio("runs", "replay", run, "--json")
    assert (short.code, short.refusal["code"]) == (2, "REASON_TOO_SHORT")
    unknown = runstudio("runs", "replay", UNKNOWN, "--reason", "once more", "--json")
    assert (unknown.code, unknown.refusal["code"]) == (3, "RUN_NOT_FOUND")
    version = runstudio("runs", "replay", run, "--reason", "once more", "--version", "99", "--json")
    assert (version.code, version.refusal["code"]) == (3, "VERSION_NOT_FOUND")


def test_a_replay_while_temporal_is_away_is_accepted(offline: Stack, run: str) -> None:
    accepted = offline("runs", "replay", run, "--reason", "once more", "--json")
    assert (accepted.code, accepted.json["pending"]) == (7, True)
