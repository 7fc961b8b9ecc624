"""What is no input is refused before anything is written, and a bug never shows as a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from runstudio_tui.commands.entry import run
from tests.commands.conftest import ROOT, Stack
from tests.commands.steps import assign, wait

UNKNOWN = "00000000-0000-7000-8000-000000000000"
HOSTILE = "\x1b]0;owned\x07\x1b[31m\x9b2J\u202e"
NO_JSON: dict[str, tuple[str, str]] = {
    "nothing": ("", "JSON_SYNTAX"),
    "half": ('{"a":', "JSON_SYNTAX"),
    "not finite": ('{"a": NaN}', "JSON_NUMBER_NOT_FINITE"),
    "infinite": ('{"a": 1e999}', "JSON_NUMBER_NOT_FINITE"),
    "digits": ('{"a": ' + "9" * 6000 + "}", "JSON_NUMBER_TOO_LARGE"),
    "deep": ("[" * 100_000, "JSON_TOO_DEEP"),
    "nested": ('{"a":' * 300 + "1" + "}" * 300, "JSON_TOO_DEEP"),
    "twice": ('{"a": 1, "a": 2}', "JSON_DUPLICATE_KEY"),
}
READERS: dict[str, tuple[str, ...]] = {
    "publish": ("publish", "-"),
    "schema": ("publish", "definition.json", "--payload-schema", "-"),
    "start": ("start", "cli.refusing", "--payload", "-"),
    "simulate": ("simulate", "-"),
    "simulate payload": ("simulate", "definition.json", "--payload", "-"),
    "simulate fixtures": ("simulate", "definition.json", "--fixtures", "-"),
    "event": ("events", "submit", "PING", "--payload", "-"),
    "paths": ("events", "paths", "--set", "-"),
    "replay": ("runs", "replay", UNKNOWN, "--reason", "because", "--payload", "-"),
    "patch": ("runs", "replay", UNKNOWN, "--reason", "because", "--patch", "-"),
    "answer": ("tasks", "complete", UNKNOWN, "--response", "-"),
    "form": ("tasks", "form", "cli.form", "--schema", "-"),
    "bundle": ("bundle", "import", "-"),
}
WRITTEN = """
SELECT (SELECT count(*) FROM workflow_runs), (SELECT count(*) FROM workflow_runtime_events),
    (SELECT count(*) FROM workflow_definition_versions), (SELECT count(*) FROM workflow_task_forms),
    (SELECT count(*) FROM workflow_audit_log WHERE operation NOT LIKE 'workflow_schedule%%')
"""


@pytest.fixture(scope="module")
def refusing(without_worker: Stack) -> Stack:
    """A database in which nothing happens by itself, with a workflow that waits."""
    without_worker.publish("cli.refusing", wait("w"))
    body = {"id": "cli.unsent", "version": 1, "name": "x", "payloadSchemaRef": "payload.Any.v1"}
    without_worker.file("definition.json", {**body, "steps": [assign("a", n="1")]})
    return without_worker


def placed(refusing: Stack, words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(refusing.directory / word) if word.endswith(".json") else word for word in words)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_json_is_refused_and_nothing_is_written(refusing: Stack, reader: str) -> None:
    before = refusing.rows(WRITTEN)
    for text, code in NO_JSON.values():
        refused = refusing(*placed(refusing, READERS[reader]), "--json", stdin=text)
        assert (refused.code, refused.out, refused.refusal["code"]) == (2, "", code), text[:20]
        assert refused.refusal["hint"]
    assert refusing.rows(WRITTEN) == before


@pytest.mark.parametrize("reader", [reader for reader in READERS if reader != "simulate fixtures"])
def test_ten_megabytes_are_refused(refusing: Stack, reader: str) -> None:
    before = refusing.rows(WRITTEN)
    refused = refusing(*placed(refusing, READERS[reader]), "--json", stdin='{"a": "' + "x" * 10_000_000 + '"}')
    # A replay and an answer name what does not exist: that is told first.
    assert refused.code in {2, 3}
    assert refused.out == ""
    assert len(refused.err) < 20_000
    assert refusing.rows(WRITTEN) == before


def test_fixtures_may_be_large(refusing: Stack) -> None:
    answers = '{"a": "' + "x" * 10_000_000 + '"}'
    assert refusing("simulate", placed(refusing, ("definition.json",))[0], "--fixtures", "-", stdin=answers).code == 0


@pytest.mark.parametrize("kind", [[], 1, "text", None])
def test_what_must_be_an_object_is_one(refusing: Stack, kind: Any) -> None:
    file = refusing.file("no-object.json", kind)
    for words in (
        ("publish", file),
        ("start", "cli.refusing", "-p", file),
        ("events", "submit", "PING", "-p", file),
        ("events", "paths", "--set", file),
        ("simulate", file),
        ("bundle", "import", file),
    ):
        refused = refusing(*words, "--json")
        assert (refused.code, refused.out, bool(refused.refusal["hint"])) == (2, "", True), words


def test_unknown_fields_are_named(refusing: Stack) -> None:
    body = {"id": "x", "version": 1, "name": "x", "payloadSchemaRef": "payload.Any.v1", "steps": [], "nonsense": 1}
    refused = refusing("publish", refusing.file("unknown-field.json", body), "--json")
    assert (refused.code, refused.refusal["code"]) == (2, "DEFINITION_INVALID")
    assert "/nonsense" in refused.refusal["message"]


def test_what_no_database_can_hold_is_replaced_and_said(refusing: Stack) -> None:
    started = refusing("start", "cli.refusing", "-p", "-", "--json", stdin='{"a": "x\\u0000y", "b": "\\ud800"}')
    assert started.code == 0
    assert ["/a " in line or "/b " in line for line in started.err.splitlines()] == [True, True]
    [(stored,)] = refusing.rows("SELECT input_json FROM workflow_runs WHERE run_id = %s", started.json["runId"])
    assert stored == {"a": "x\ufffdy", "b": "\ufffd"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("start", "cli.refusing", "--version", "99999999999999"), 3),
        (("start", ""), 3),
        (("start", "cli.refusing", "--idempotency-key", "k" * 5000), 2),
        (("runs", "show", "no-id"), 3),
        (("runs", "input", "no-id"), 3),
        (("runs", "why", "no-id"), 3),
        (("runs", "state", "no-id", "--step", "s"), 3),
        (("runs", "cancel", "no-id", "--reason", "because"), 3),
        (("runs", "replay", "no-id", "--reason", "because"), 3),
        (("runs", "replay", UNKNOWN, "--reason", "x" * 5000), 2),
        (("runs", "replay", UNKNOWN, "--reason", "because", "--base", "digest"), 2),
        (("runs", "list", "since:yesterdayish"), 2),
        (("runs", "list", "until:2026-13-45"), 2),
        (("runs", "list", "v:99999999999999"), 2),
        (("events", "redeliver", "no-id", "--reason", "because"), 4),
        (("events", "redeliver", UNKNOWN, "--reason", "x"), 2),
        (("events", "submit", ""), 2),
        (("events", "submit", "N" * 300), 2),
        (("events", "submit", "PING", "--id", "i" * 5000), 2),
        (("events", "submit", "PING", "--schema-ref", ""), 2),
        (("tasks", "show", "no-id"), 3),
        (("tasks", "claim", "no-id"), 3),
        (("tasks", "complete", "no-id"), 3),
        (("tasks", "cancel", "no-id", "--reason", "because"), 3),
        (("tasks", "list", "--status", "nonsense"), 2),
        (("tasks", "list", "--run", "no-id"), 2),
        (("tasks", "form", "x" * 300), 2),
        (("quota", "set", "-1"), 2),
        (("quota", "set", "99999999999"), 2),
        (("quota", "resume", "no-id"), 3),
        (("bundle", "export", "cli.nobody"), 3),
        (("dev", "logs", "nonsense"), 2),
        (("nonsense",), 2),
        (("start",), 2),
        (("runs", "list", "--limit", "many"), 2),
        (("start", "cli.refusing", "extra"), 2),
    ],
)
def test_a_refusal_is_one_json_document_with_advice(refusing: Stack, words: tuple[str, ...], code: int) -> None:
    refused = refusing(*words, "--json")
    assert (refused.code, refused.out) == (code, "")
    assert all(refused.refusal[name] for name in ("code", "message", "hint"))


@pytest.mark.parametrize(
    "words",
    [
        (HOSTILE,),
        ("start", HOSTILE),
        ("start", "x", HOSTILE),
        ("start", "x", "--payload", HOSTILE),
        ("runs", "list", "--limit", HOSTILE),
        ("runs", "list", f"status:{HOSTILE}"),
        ("runs", "cancel", HOSTILE, UNKNOWN, "--reason", "because"),
        ("events", "submit", HOSTILE, "--id", HOSTILE),
        ("tasks", "list", "--status", HOSTILE),
        ("tasks", "form", HOSTILE),
        ("schedules", "show", HOSTILE),
        ("workflows", "pause", HOSTILE),
        ("bundle", "export", HOSTILE),
        ("dev", "logs", HOSTILE),
    ],
)
def test_a_word_of_the_command_line_cannot_drive_the_terminal(refusing: Stack, words: tuple[str, ...]) -> None:
    for form in ((), ("--json",)):
        told = refusing(*words, *form)
        assert not [sign for sign in "\x1b\x07\x9b\u202e" if sign in told.out + told.err]


def test_an_event_with_a_hostile_name_cannot_either(refusing: Stack) -> None:
    refusing.answer("events", "submit", HOSTILE)
    assert HOSTILE in [row["name"] for row in refusing.answer("events", "list")["events"]]
    assert not [sign for sign in "\x1b\x07\x9b\u202e" if sign in refusing("events", "list").out]


def _process(stack: Stack, *words: bytes | str) -> subprocess.CompletedProcess[bytes]:
    program = [sys.executable, "-m", "runstudio_tui", *words]
    return subprocess.run(program, cwd=ROOT, env=stack.environment, capture_output=True, check=False)


def test_bytes_that_are_no_text_are_refused(refusing: Stack) -> None:
    refused = _process(refusing, "start", os.fsdecode(b"\xff\xfe"))
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert refused.stderr.startswith(b"ARGUMENT_NOT_TEXT: ")


def test_a_reader_that_has_seen_enough_is_no_failure(refusing: Stack) -> None:
    program = f"{sys.executable} -m runstudio_tui --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", program], cwd=ROOT, env=refusing.environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_bug_is_told_in_one_sentence_and_kept_in_the_log(runstudio: Stack, database_url: str) -> None:
    broken = runstudio.with_variables(DATABASE_URL=database_url)
    broken.rows("ALTER TABLE workflow_task_forms DROP COLUMN schema_json")
    for form in ((), ("--json",)):
        told = broken("tasks", "form", "cli.form", *form)
        assert (told.code, told.out) == (70, "")
        assert "Traceback" not in told.err
    assert told.refusal["code"] == "INTERNAL_ERROR"
    log = broken.directory / ".local" / "state" / "runstudio" / "studio.log"
    assert str(log) in told.refusal["hint"]
    assert "workflow_task_forms" in log.read_text()


def test_a_configuration_that_cannot_be_used_is_named(refusing: Stack) -> None:
    wrong = refusing.with_variables(RUNSTUDIO_TIMEZONE="Nowhere/Land")
    refused = wrong("runs", "list", "--json")
    assert (refused.code, refused.refusal["code"]) == (2, "CONFIG_INVALID")


@pytest.mark.parametrize("option", ["--demo", "--ascii", "--low-bandwidth", "--read-only"])
@pytest.mark.parametrize("words", [("start", "cli.refusing"), ("runs", "list"), ("dev", "status"), ("doctor",)])
def test_an_option_of_the_studio_goes_before_no_other_command(
    option: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """With --read-only something would be changed all the same, and --demo would show what is real."""
    with pytest.raises(SystemExit) as ended:
        run((option, *words))
    assert ended.value.code == 2
    assert f"{option} is about the studio" in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("run", UNKNOWN)])
def test_it_goes_before_what_opens_the_studio(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(("--demo", *words))
    assert capsys.readouterr().err.startswith("The studio needs a terminal.")
