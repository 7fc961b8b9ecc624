"""``runstudio runs snapshots``, ``runs audit``, and the second page of ``runs list`` with a relative time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.ids import new_id
from engine.settings import DEFAULT_TENANT
from tests.commands.conftest import Stack
from tests.commands.steps import assign

UNKNOWN = "00000000-0000-7000-8000-000000000000"
HOSTILE = "\x1b[2J\u202e"


@pytest.fixture(scope="module")
def done(runstudio: Stack) -> list[str]:
    """Three runs that succeeded, the oldest first."""
    runstudio.publish("cli.history", assign("a", n="1"))
    ids = [runstudio.start("cli.history") for _ in range(3)]
    assert {runstudio.ended(run_id) for run_id in ids} == {"SUCCEEDED"}
    return ids


@pytest.fixture(scope="module")
def old(runstudio: Stack) -> str:
    """A run from before the cutover with four snapshots, the third too large to be kept."""
    run_id = new_id()
    guard = "ALTER TABLE workflow_runs {} CONSTRAINT workflow_runs_engine_is_temporal {}"
    check = "CHECK (engine IS NOT NULL AND engine = 'temporal') NOT VALID"
    runstudio.rows(guard.format("DROP", ""))
    runstudio.rows(
        "INSERT INTO workflow_runs (run_id, tenant, workflow_id, workflow_version, status, engine, completed_at)"
        " VALUES (%s, %s, 'old', 1, 'SUCCEEDED', 'db', now())",
        run_id, DEFAULT_TENANT,
    )  # fmt: skip
    runstudio.rows(guard.format("ADD", check))
    vars_: list[dict[str, Any]] = [{"n": 1, "gone": True}, {"n": 2, "text": HOSTILE}, {}, {"n": 3}]
    for number, values in enumerate(vars_):
        body: Any = {"payload": {}, "vars": {**values, "api_key": f"secret-{number}"}, "meta": {}, "error": None}
        if number == 2:
            body = {"truncated": True, "size": 300_000, "max": 262_144}
        runstudio.rows(
            "INSERT INTO workflow_run_snapshots (run_id, step_path, envelope_json, size_bytes, created_at)"
            " VALUES (%s, %s, %s, %s, '2026-01-02T03:04:05Z'::timestamptz + %s * interval '1 second')",
            run_id, f"root.steps[{number}]", json.dumps(body), 300_000 if number == 2 else 80, number,
        )  # fmt: skip
    return run_id


# --- snapshots ----------------------------------------------------------------------------------------------------------


def test_the_snapshots_of_an_old_run(runstudio: Stack, old: str) -> None:
    listed = runstudio.answer("runs", "snapshots", old)["snapshots"]
    assert [(one["path"], one["truncated"], one["size_bytes"]) for one in listed] == [
        ("root.steps[0]", False, 80), ("root.steps[1]", False, 80),
        ("root.steps[2]", True, 300_000), ("root.steps[3]", False, 80),
    ]  # fmt: skip
    headings, *lines = runstudio("runs", "snapshots", old).out.splitlines()
    assert headings.split() == ["N", "AFTER", "STEP", "TAKEN", "SIZE"]
    assert lines[0].split() == ["1", "root.steps[0]", "2026-01-02", "03:04:05.000", "80", "B"]
    assert lines[2].endswith("293.0 KB, too large to be kept")


def test_one_snapshot_and_what_changed_since_the_one_before(runstudio: Stack, old: str) -> None:
    shown = runstudio.answer("runs", "snapshots", old, "--at", "2")
    assert (shown["number"], shown["of"], shown["snapshot"]["path"]) == (2, 4, "root.steps[1]")
    assert shown["body"]["value"]["vars"] == {"n": 2, "text": HOSTILE, "api_key": "[REDACTED]"}
    assert shown["body"]["masked"] == ["/vars/api_key"]
    assert sorted(shown["changes"], key=lambda change: change["path"]) == [
        {"op": "remove", "path": "/vars/gone", "was": True},
        {"op": "replace", "path": "/vars/n", "value": 2, "was": 1},
        {"op": "add", "path": "/vars/text", "value": HOSTILE},
    ]
    said = runstudio("runs", "snapshots", old, "--at", "2")
    assert "\x1b" not in said.out
    assert "changed since the one before:\n" in said.out
    for line in ("  - /vars/gone: true\n", "  ~ /vars/n: 1 -> 2\n", "  + /vars/text: "):
        assert line in said.out
    assert "hidden: /vars/api_key\n" in said.out
    assert "secret-" not in said.out + json.dumps(shown)


def test_the_first_one_and_those_around_one_that_was_not_kept(runstudio: Stack, old: str) -> None:
    assert "there is none before it" in runstudio("runs", "snapshots", old, "--at", "1").out
    assert runstudio.answer("runs", "snapshots", old, "--at", "1")["changes"] is None
    third = runstudio("runs", "snapshots", old, "--at", "3")
    assert (third.code, "too large to be kept (293.0 KB)" in third.out) == (0, True)
    assert runstudio.answer("runs", "snapshots", old, "--at", "3")["body"]["value"]["truncated"] is True
    assert "nothing is compared" in runstudio("runs", "snapshots", old, "--at", "4").out
    assert runstudio.answer("runs", "snapshots", old, "--at", "4")["changes"] is None


def test_a_snapshot_that_is_not_there(runstudio: Stack, old: str, done: list[str]) -> None:
    refused = runstudio("runs", "snapshots", old, "--at", "5", "--json")
    assert (refused.code, refused.refusal["code"]) == (3, "SNAPSHOT_NOT_FOUND")
    assert runstudio("runs", "snapshots", old, "--at", "0").code == 2
    assert runstudio("runs", "snapshots", UNKNOWN).code == 3
    assert runstudio.answer("runs", "snapshots", done[0]) == {"snapshots": []}
    said = runstudio("runs", "snapshots", done[0]).out
    assert f"runstudio runs state {done[0]} --step STEP" in said


def test_an_old_run_is_exported_with_its_snapshots(runstudio: Stack, old: str) -> None:
    document = runstudio("runs", "export", old).json
    assert document["run"]["row"]["engine"] == "db"
    assert [one["body"]["value"].get("truncated", False) for one in document["snapshots"]] == [
        False,
        False,
        True,
        False,
    ]
    assert "secret-" not in json.dumps(document)


# --- audit --------------------------------------------------------------------------------------------------------------


def test_who_did_what_to_a_run(runstudio: Stack, done: list[str]) -> None:
    started = runstudio.answer("runs", "replay", done[0], "--reason", f"again {HOSTILE}")
    runstudio.ended(started["runId"])
    answer = runstudio.answer("runs", "audit", done[0])
    assert answer.keys() == {"audit", "next", "serverNow"}
    assert [entry["operation"] for entry in answer["audit"]] == ["workflow_run_replay", "workflow_run_start"]
    assert (answer["audit"][0]["reason"], answer["audit"][0]["source"]) == (f"again {HOSTILE}", "cli")
    assert answer["audit"][0]["details"]["newRunId"] == started["runId"]
    said = runstudio("runs", "audit", done[0])
    headings, *lines = said.out.splitlines()
    assert headings.split() == ["AT", "WHO", "LEVEL", "FROM", "WHAT", "REASON"]
    assert ["run replay" in lines[0], "run start" in lines[1]] == [True, True]
    assert "\x1b" not in said.out


def test_the_audit_goes_on_at_its_cursor(runstudio: Stack, done: list[str]) -> None:
    for reason in ("one", "two"):
        runstudio.ended(runstudio.answer("runs", "replay", done[1], "--reason", f"number {reason}")["runId"])
    first = runstudio.answer("runs", "audit", done[1], "--limit", "1")
    rest = runstudio.answer("runs", "audit", done[1], "--after", first["next"])
    reasons = [entry["reason"] for entry in first["audit"] + rest["audit"]]
    assert (reasons, rest["next"]) == (["number two", "number one", None], None)
    assert f"More: --after {first['next']}" in runstudio("runs", "audit", done[1], "--limit", "1").out


def test_the_audit_of_a_run_nobody_knows(runstudio: Stack) -> None:
    refused = runstudio("runs", "audit", UNKNOWN, "--json")
    assert (refused.code, refused.refusal["code"]) == (3, "RUN_NOT_FOUND")


# --- the moment of a list -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", ["since:24h", "since:today", "since:2026-01-02", "until:1s since:24h", "since:24h sort:updated:asc"]
)
def test_the_second_page_of_a_filter_with_a_time(runstudio: Stack, done: list[str], words: str) -> None:
    filter_text = f"wf:cli.history {words}"
    whole = [run["run_id"] for run in runstudio.answer("runs", "list", filter_text)["runs"]]
    found, after = [], None
    while after is not None or not found:
        page = runstudio.answer("runs", "list", filter_text, "--limit", "1", *(("--after", after) if after else ()))
        found += [run["run_id"] for run in page["runs"]]
        after = page["next"]
    assert set(done) <= set(found)
    assert found == whole


def test_s4_the_moment_of_the_list_stays(runstudio: Stack, done: list[str]) -> None:
    """What has aged out since the first page is on the second one."""
    filter_text = "wf:cli.history since:1h sort:started:desc"
    first = runstudio.answer("runs", "list", filter_text, "--limit", "1")
    moment, dot, cursor = first["next"].partition(".")
    assert dot == "."
    # As if the first page had been read two days ago: the same words mean an hour of that day then.
    before = f"{int(moment) - 172_800_000_000}.{cursor}"
    refused = runstudio("runs", "list", filter_text, "--after", before, "--json")
    assert (refused.code, refused.refusal["code"]) == (2, "CURSOR_INVALID")
    second = runstudio.answer("runs", "list", filter_text, "--limit", "1", "--after", first["next"])
    assert second["runs"][0]["run_id"] != first["runs"][0]["run_id"]
    assert second["next"].partition(".")[0] == moment


@pytest.mark.parametrize(
    "cursor", ["nonsense", ".", "1.", "x.y", "-1.abc", "9" * 20 + ".abc", "9" * 400 + ".abc", "٣.abc", ""]
)
def test_a_cursor_that_is_none_of_this_list(runstudio: Stack, cursor: str) -> None:
    for words in ("", "since:24h"):
        refused = runstudio("runs", "list", words, "--after", cursor, "--json")
        assert (refused.code, refused.refusal["code"]) == (2, "CURSOR_INVALID"), words


def test_a_cursor_of_a_list_without_a_time_is_no_other_than_the_engine_s(runstudio: Stack, done: list[str]) -> None:
    page = runstudio.answer("runs", "list", "wf:cli.history", "--limit", "1")
    assert "." not in page["next"]
    refused = runstudio("runs", "list", "wf:cli.history since:24h", "--after", page["next"], "--json")
    assert (refused.code, refused.refusal["code"]) == (2, "CURSOR_INVALID")
