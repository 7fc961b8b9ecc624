"""``runstudio runs replay --edited``: the text of an input, edited, as in the studio's dialog; and what is done again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.values.redaction.placeholder import PLACEHOLDER
from tests.commands.conftest import Stack
from tests.commands.steps import echo

INPUT: dict[str, Any] = {"n": 1, "items": [{"id": 1, "token": "canary-1"}, {"id": 2, "token": "canary-2"}]}


@pytest.fixture(scope="module")
def run(runstudio: Stack) -> str:
    """A run with two actions."""
    runstudio.publish("cli.edited", echo("first", "payload.n"), echo("second", "payload.items[0].id"))
    run_id = runstudio.start("cli.edited", INPUT)
    assert runstudio.ended(run_id) == "SUCCEEDED"
    return run_id


def stored(runstudio: Stack, run_id: str) -> Any:
    """The input of a run as the database has it."""
    [(given,)] = runstudio.rows("SELECT input_json FROM workflow_runs WHERE run_id = %s", run_id)
    return given


def test_only_what_was_edited_is_changed(runstudio: Stack, run: str) -> None:
    text = runstudio("runs", "input", run, "--text").out
    shown = json.loads(text)
    assert [item["token"] for item in shown["items"]] == [PLACEHOLDER, PLACEHOLDER]
    shown["n"] = 2
    del shown["items"][0]
    edited = runstudio.file("edited-text.json", shown)
    replayed = runstudio.answer("runs", "replay", run, "--edited", edited, "--reason", "with 2")
    assert stored(runstudio, replayed["runId"]) == {"n": 2, "items": [{"id": 2, "token": "canary-2"}]}
    [(details,)] = runstudio.rows(
        "SELECT details_json FROM workflow_audit_log WHERE operation = 'workflow_run_replay'"
        " AND details_json->>'newRunId' = %s",
        replayed["runId"],
    )
    assert details["input"] == "patch"


def test_an_unedited_text_is_the_original(runstudio: Stack, run: str) -> None:
    text = runstudio("runs", "input", run, "--text").out
    replayed = runstudio.answer(
        "runs", "replay", run, "--edited", "-", "--reason", "once more", stdin=json.dumps(json.loads(text))
    )
    assert stored(runstudio, replayed["runId"]) == INPUT
    [(details,)] = runstudio.rows(
        "SELECT details_json FROM workflow_audit_log WHERE operation = 'workflow_run_replay'"
        " AND details_json->>'newRunId' = %s",
        replayed["runId"],
    )
    assert (details["input"], details["changedPaths"]) == ("original", [])


def test_another_type_is_audited_as_a_change(runstudio: Stack, run: str) -> None:
    text = runstudio("runs", "input", run, "--text").out.replace('"n": 1,', '"n": 1.0,')
    replayed = runstudio.answer("runs", "replay", run, "--edited", "-", "--reason", "as a float", stdin=text)
    assert repr(stored(runstudio, replayed["runId"])["n"]) == "1.0"
    [(details,)] = runstudio.rows(
        "SELECT details_json FROM workflow_audit_log WHERE operation = 'workflow_run_replay'"
        " AND details_json->>'newRunId' = %s",
        replayed["runId"],
    )
    assert (details["input"], details["changedPaths"]) == ("patch", ["/n"])


@pytest.mark.parametrize(
    ("edit", "place"),
    [
        ({"n": PLACEHOLDER}, "/n"),
        ({"copy": PLACEHOLDER}, "/copy"),
        ({"items": [{"id": 2, "token": PLACEHOLDER}, {"id": 1, "token": PLACEHOLDER}]}, "/items/0"),
    ],
    ids=["typed", "copied", "swapped"],
)
def test_a_placeholder_is_no_value(runstudio: Stack, run: str, edit: dict[str, Any], place: str) -> None:
    [(before,)] = runstudio.rows("SELECT count(*) FROM workflow_runs")
    shown = {**json.loads(runstudio("runs", "input", run, "--text").out), **edit}
    refused = runstudio("runs", "replay", run, "--edited", "-", "--reason", "no", "--json", stdin=json.dumps(shown))
    assert (refused.code, refused.refusal["code"]) == (2, "PLACEHOLDER_IN_PAYLOAD")
    assert place in refused.refusal["message"]
    assert runstudio.rows("SELECT count(*) FROM workflow_runs") == [(before,)]


def test_an_edit_of_another_base_is_refused(runstudio: Stack, run: str) -> None:
    text = runstudio("runs", "input", run, "--text").out
    arguments = ("runs", "replay", run, "--edited", "-", "--reason", "again", "--json")
    other = runstudio(*arguments, "--base", "0" * 64, stdin=text)
    assert (other.code, other.refusal["code"]) == (4, "REPLAY_BASE_CHANGED")
    both = runstudio(*arguments, "--patch", "-", stdin=text)
    assert (both.code, both.refusal["code"]) == (2, "ONE_INPUT_ONLY")
    several = runstudio("runs", "replay", run, run, "--edited", "-", "--reason", "again", "--json", stdin=text)
    assert (several.code, several.refusal["code"]) == (2, "ONE_RUN_ONLY")


def test_a_preview_says_what_is_done_again(runstudio: Stack, run: str) -> None:
    same = runstudio.answer("runs", "replay", run, "--preview")["done"]
    assert [(entry["step"], entry["times"], entry["tried"], entry["again"]) for entry in same] == [
        ("first", 1, 0, "same"),
        ("second", 1, 0, "same"),
    ]
    shown = json.loads(runstudio("runs", "input", run, "--text").out)
    edited = json.dumps({**shown, "items": [{"id": 3}]})
    other = runstudio.answer("runs", "replay", run, "--preview", "--edited", "-", stdin=edited)["done"]
    assert [(entry["step"], entry["again"]) for entry in other] == [("first", "same"), ("second", "unknown")]
    told = runstudio("runs", "replay", run, "--preview", "--edited", "-", stdin=edited)
    assert "Already done or tried, and done again with the same input:\n  first (" in told.out
    assert "whether again is not known:\n  second (" in told.out
