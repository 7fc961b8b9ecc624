"""``runstudio runs export``: into files, to the next program, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import PATIENCE_SECONDS, ROOT, Stack
from tests.commands.steps import assign, echo, fails
from tests.commands.terminal import terminal

UNKNOWN = "00000000-0000-7000-8000-000000000000"
CANARY = "canary-export-4711"
HOSTILE = "=HYPERLINK(1)\x1b]52;c;eA==\x07\x9b2J\u202egnp.exe\x7f\u200b"
DANGEROUS = ("\x1b", "\x07", "\x9b", "\u202e", "\x7f", "\u200b")


@pytest.fixture(scope="module")
def done(runstudio: Stack) -> list[str]:
    """Three runs that succeeded, the oldest first."""
    runstudio.publish("cli.exported", assign("a", n="payload.n + 1"), echo("e", "payload"))
    ids = [runstudio.start("cli.exported", {"n": n, "apiKey": CANARY, "deep": {"password": CANARY}}) for n in range(3)]
    assert {runstudio.ended(run_id) for run_id in ids} == {"SUCCEEDED"}
    return ids


@pytest.fixture(scope="module")
def hostile(runstudio: Stack) -> str:
    """A run that failed with a text that wants out."""
    runstudio.publish("cli.exported-hostile", fails("f", "payload.text"))
    run_id = runstudio.start("cli.exported-hostile", {"text": HOSTILE})
    assert runstudio.ended(run_id) == "FAILED"
    return run_id


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for files; at the end nothing half is in it."""
    yield tmp_path
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def rows(text: str) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(text)))


# --- one run ------------------------------------------------------------------------------------------------------------


def test_one_run_as_json_on_standard_output(runstudio: Stack, done: list[str]) -> None:
    exported = runstudio("runs", "export", done[0])
    assert (exported.code, exported.err) == (0, "")
    document = exported.json
    shown = runstudio.answer("runs", "show", done[0])
    assert document["run"]["row"] == shown["run"]["row"]
    assert [step["path"] for step in document["steps"]] == [step["path"] for step in shown["steps"]]
    assert document["definition"]["document"]["id"] == "cli.exported"
    assert [attempt["action"] for attempt in document["attempts"]] == ["cli.echo@1"]
    assert document["attempts"][0]["input"]["value"]["value"]["n"] == 0
    assert document["audit"][0]["operation"] == "workflow_run_start"
    assert len(document["logs"]) > 0


def test_no_export_has_a_secret_that_the_run_was_given(runstudio: Stack, done: list[str]) -> None:
    # It really is in the tables: in the payload, and in what the action was given and answered.
    [(stored,)] = runstudio.rows("SELECT input_json::text FROM workflow_runs WHERE run_id = %s", done[0])
    [(given, answered)] = runstudio.rows(
        "SELECT input_json::text, output_json::text FROM workflow_action_invocations WHERE run_id = %s", done[0]
    )
    assert all(CANARY in text for text in (stored, given, answered))
    for words in ([done[0]], [*done, "--format", "csv"], [*done, "--format", "ndjson"]):
        exported = runstudio("runs", "export", *words)
        assert exported.code == 0
        assert done[0] in exported.out
        assert CANARY not in exported.out + exported.err


def test_one_run_into_a_file(runstudio: Stack, done: list[str], folder: Path) -> None:
    path = folder / "run.json"
    exported = runstudio("runs", "export", done[0], "--output", str(path))
    assert (exported.code, exported.err) == (0, "")
    document = json.loads(path.read_text("utf-8"))
    number = sum(document["counts"].values())
    assert exported.out == f"saved {path} ({number} records, {path.stat().st_size:,} bytes)\n"
    answer = runstudio.answer("runs", "export", done[0], "-o", str(path), "--force")
    assert answer == {"path": str(path), "format": "json", "records": number, "bytes": path.stat().st_size}


# --- lists --------------------------------------------------------------------------------------------------------------


def test_what_a_filter_matches(runstudio: Stack, done: list[str]) -> None:
    as_csv = runstudio("runs", "export", "--filter", "wf:cli.exported status:succeeded since:24h")
    assert (as_csv.code, as_csv.err) == (0, "")
    assert [row["run_id"] for row in rows(as_csv.out)] == done[::-1]
    as_lines = runstudio("runs", "export", "--filter", "wf:cli.exported sort:started:asc", "--format", "ndjson")
    assert [json.loads(line)["run_id"] for line in as_lines.out.splitlines()] == done
    everything = runstudio("runs", "export", "--filter", "", "--format", "ndjson")
    [(number,)] = runstudio.rows("SELECT count(*) FROM workflow_runs")
    assert len(everything.out.splitlines()) == number


def test_runs_that_are_named(runstudio: Stack, done: list[str], folder: Path) -> None:
    answer = runstudio.answer("runs", "export", done[1], done[0], done[1], "--output", str(folder / "two.csv"))
    assert (answer["format"], answer["records"]) == ("csv", 2)
    assert [row["run_id"] for row in rows((folder / "two.csv").read_text("utf-8"))] == [done[1], done[0]]
    one = runstudio("runs", "export", done[0], "--format", "ndjson")
    assert json.loads(one.out)["run_id"] == done[0]


def test_nothing_matches(runstudio: Stack) -> None:
    exported = runstudio("runs", "export", "--filter", "wf:nobody-has-it")
    assert exported.code == 0
    assert (exported.out.startswith("run_id,"), exported.out.count("\n")) == (True, 1)


def test_text_of_a_run_is_no_formula_and_drives_no_terminal(runstudio: Stack, hostile: str) -> None:
    for form in ("json", "csv", "ndjson"):
        exported = runstudio("runs", "export", hostile, "--format", form)
        assert exported.code == 0
        assert not [sign for sign in DANGEROUS if sign in exported.out], form
    [row] = rows(runstudio("runs", "export", hostile, "--format", "csv").out)
    assert row["error_message"].startswith("'=HYPERLINK(1)␛")
    assert json.loads(runstudio("runs", "export", hostile, "--format", "ndjson").out)["error_message"] == HOSTILE


# --- files --------------------------------------------------------------------------------------------------------------


def test_an_existing_file_is_kept_unless_it_is_forced(runstudio: Stack, done: list[str], folder: Path) -> None:
    path = folder / "mine.csv"
    path.write_text("mine")
    refused = runstudio("runs", "export", *done, "-o", str(path), "--json")
    assert (refused.code, refused.out) == (4, "")
    assert (refused.refusal["code"], refused.refusal["message"]) == ("FILE_EXISTS", f"{path} exists.")
    assert "--force" in refused.refusal["hint"]
    assert path.read_text() == "mine"
    assert runstudio("runs", "export", *done, "-o", str(path), "--force").code == 0
    assert path.read_text().startswith("run_id,")


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_broken_export_leaves_what_was_there(
    runstudio: Stack, done: list[str], folder: Path, force: tuple[str, ...]
) -> None:
    path = folder / "runs.csv"
    if force:
        path.write_text("mine")
    refused = runstudio("runs", "export", done[0], UNKNOWN, "-o", str(path), "--json", *force)
    assert (refused.code, refused.out, refused.refusal["code"]) == (3, "", "RUN_NOT_FOUND")
    assert [found.read_text() for found in folder.iterdir()] == (["mine"] if force else [])


def test_what_is_no_ordinary_file_is_never_replaced(runstudio: Stack, done: list[str], folder: Path) -> None:
    (folder / "link").symlink_to(folder / "elsewhere")
    for name in (str(folder), str(folder / "link"), "/dev/null", ""):
        refused = runstudio("runs", "export", done[0], "-o", name, "--force", "--json")
        assert (refused.code, refused.refusal["code"]) == (2, "FILE_UNWRITABLE"), name
    refused = runstudio("runs", "export", done[0], "-o", str(folder / "nowhere" / "x.json"), "--json")
    assert (refused.code, refused.refusal["code"]) == (2, "FILE_UNWRITABLE")


def test_nothing_is_asked_before_the_file_can_be_written(without_database: Stack, folder: Path) -> None:
    (folder / "mine.json").write_text("mine")
    assert without_database("runs", "export", UNKNOWN, "-o", str(folder / "mine.json")).code == 4
    away = without_database("runs", "export", UNKNOWN, "-o", str(folder / "new.json"), "--json")
    assert (away.code, away.refusal["code"]) == (5, "POSTGRES_UNREACHABLE")
    assert [path.name for path in folder.iterdir()] == ["mine.json"]


# --- refused ------------------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[tuple[str, ...], int, str]] = {
    "nothing named": ((), 2, "WHICH_RUNS"),
    "both": ((UNKNOWN, "--filter", "wf:a"), 2, "WHICH_RUNS"),
    "several as json": ((UNKNOWN, UNKNOWN[:-1] + "1", "--format", "json"), 2, "EXPORT_FORMAT_INVALID"),
    "a filter as json": (("--filter", "", "--format", "json"), 2, "EXPORT_FORMAT_INVALID"),
    "a filter that is none": (("--filter", "status:nonsense"), 2, "FILTER_INVALID"),
    "another format": ((UNKNOWN, "--format", "xml"), 2, "USAGE"),
    "a run nobody knows": ((UNKNOWN,), 3, "RUN_NOT_FOUND"),
    "no id": (("no-id",), 3, "RUN_NOT_FOUND"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(runstudio: Stack, case: str) -> None:
    words, code, refusal = REFUSED[case]
    refused = runstudio("runs", "export", *words, "--json")
    assert (refused.code, refused.out, refused.refusal["code"]) == (code, "", refusal)


# --- pipes and terminals ------------------------------------------------------------------------------------------------


def process(stack: Stack, *words: str, **pipes: Any) -> subprocess.Popen[bytes]:
    """The command as a process of its own, with pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "runstudio_tui", *words], cwd=ROOT, env={**os.environ, **stack.environment}, **pipes
    )


def test_a_reader_that_goes_away_is_no_failure(runstudio: Stack, done: list[str]) -> None:
    started = process(
        runstudio, "runs", "export", "--filter", "wf:cli.exported", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert started.stdout is not None
    started.stdout.close()
    assert started.wait(PATIENCE_SECONDS) == 0
    assert started.stderr is not None
    assert started.stderr.read() == b""
    started.stderr.close()


def test_progress_is_drawn_on_a_terminal_and_never_among_the_data(
    runstudio: Stack, done: list[str], folder: Path
) -> None:
    words = ("runs", "export", "--filter", "wf:cli.exported")
    plain = runstudio(*words)
    environment = {**runstudio.environment, "TERM": "xterm-256color"}
    with terminal() as opened:
        watched = runstudio.starter.run(words, environment, stderr=opened.device)
    assert (watched.out, plain.err) == (plain.out, "")
    assert "exporting" in opened.written
    assert "3/3" in opened.written
    # One terminal for both: no bar between the lines.
    with terminal() as opened:
        runstudio.starter.run(words, environment, stdout=opened.device, stderr=opened.device)
    assert opened.written == plain.out.replace("\n", "\r\n")
    with terminal() as opened:
        words = (*words, "-o", str(folder / "x.csv"), "--json")
        assert runstudio.starter.run(words, environment, stderr=opened.device).json["records"] == 3
    assert opened.written == ""


def test_data_is_utf_8_whatever_the_locale_is(runstudio: Stack) -> None:
    runstudio.publish("cli.exported-text", fails("f", "'Zoë 日本 ✔'"))
    run_id = runstudio.start("cli.exported-text")
    runstudio.ended(run_id)
    started = process(
        runstudio.with_variables(LANG="C", LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0"),
        "runs", "export", run_id, "--format", "csv", stdout=subprocess.PIPE,
    )  # fmt: skip
    out, _ = started.communicate(timeout=PATIENCE_SECONDS)
    assert started.returncode == 0
    assert rows(out.decode("utf-8"))[0]["error_message"] == "Zoë 日本 ✔"
