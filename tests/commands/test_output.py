"""What a command prints: columns in terminal cells, other encodings than UTF-8, and a time zone that is not understood."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest

from runstudio_tui.commands.output import CELLS, print_table, say
from runstudio_tui.widgets.cells import width
from tests.commands.conftest import PATIENCE_SECONDS, ROOT, Stack
from tests.commands.steps import assign

NAME = "\u6ce8\u6587\u306e\u51e6\u7406 \u0416"


def test_f32_columns_are_as_wide_as_their_cells(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(
        ("NAME", "STATUS", "WHY"),
        [("\u6ce8\u6587", "ok", "a"), ("orders", "paused", "b" * 500), ("e" * 4000, "ok", "c")],
        none=None,
    )
    lines = capsys.readouterr().out.splitlines()
    assert (
        len({width(line[: line.index(word)]) for line, word in zip(lines[:3], ("STATUS", "ok", "paused"), strict=True)})
        == 1
    )
    assert lines[2].endswith("b" * 500)
    assert lines[3] == "e" * (CELLS - 1) + "\u2026  ok      c"


def test_a_text_from_outside_begins_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("name  a\nstate  paused\r\n", "", "end")
    say()
    assert capsys.readouterr().out == "name  a␊state  paused␍␊\n\nend\n\n"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_columns_keep_their_cells_in_another_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    print_table(
        ("NAME", "STATUS", "WHY"),
        [("\u6ce8\u6587", "ok", "a"), ("e\u0301" * 3, "ok", "b"), ("\U0001f642" * 40, "ok", "c"), ("plain", "ok", "d")],
        none=None,
    )
    sys.stdout.flush()
    lines = written.getvalue().decode(encoding).splitlines()
    assert len({line.index(word) for line, word in zip(lines, ("STATUS", *["ok"] * 4), strict=True)}) == 1
    assert lines[1].startswith("????  ")
    assert lines[2].startswith("eee  ")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_f32_another_encoding_replaces_and_an_unknown_tz_is_said(runstudio: Stack, encoding: str) -> None:
    runstudio.publish("cli.words", assign("a", n="1"), name=NAME)
    variables = {"PYTHONIOENCODING": encoding, "TZ": "CET-1CEST,M3.5.0,M10.5.0/3", "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, **runstudio.environment, **variables}

    def run(*words: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "runstudio_tui", *words]
        return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=PATIENCE_SECONDS)

    people = run("workflows", "list")
    assert people.returncode == 0, people.stderr
    assert b"cli.words" in people.stdout
    assert b"TZ is 'CET-1CEST,M3.5.0,M10.5.0/3', which names no time zone here" in people.stderr
    programs = run("workflows", "list", "--json")
    names = [workflow["name"] for workflow in json.loads(programs.stdout.decode("ascii"))["workflows"]]
    assert NAME in names


def in_a_shell(words: str) -> subprocess.CompletedProcess[bytes]:
    """A command without any server, with what a shell does to its streams."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(ROOT)}
    command = ["/bin/sh", "-c", f"exec {sys.executable} -m runstudio_tui {words}"]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("words", ["--version", "jobs list --json"])
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_failure(words: str, closed: str) -> None:
    done = in_a_shell(f"{words} {closed}")
    # Without a database a command is refused, and says so where it still can.
    assert done.returncode == (2 if words.startswith("jobs") else 0), done
    assert b"Traceback" not in done.stderr
    assert (b"DATABASE_URL_MISSING" in done.stderr) == (words.startswith("jobs") and closed == ">&-")


@pytest.mark.parametrize("words", ["--version", "start --help"])
def test_a_full_disk_is_told_in_a_sentence(words: str) -> None:
    done = in_a_shell(f"{words} > /dev/full")
    assert done.returncode == 1
    assert done.stderr.decode().rstrip().endswith(("No space left on device.", "Make room, or send it elsewhere."))
    assert b"Traceback" not in done.stderr
