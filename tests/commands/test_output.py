"""What a command prints: columns in terminal cells, other encodings than UTF-8, and a time zone that is not understood."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from runstudio_tui.commands.output import CELLS, print_table
from runstudio_tui.widgets.cells import width
from tests.commands.conftest import PATIENCE_SECONDS, ROOT, Stack
from tests.commands.steps import assign

NAME = "\u6ce8\u6587\u306e\u51e6\u7406 \u0416"


def test_f32_columns_are_as_wide_as_their_cells(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(
        ("NAME", "STATUS", "WHY"),
        [("\u6ce8\u6587", "ok", "a"), ("orders", "paused", "b" * 500), ("e" * 4000, "ok", "c")],
    )
    lines = capsys.readouterr().out.splitlines()
    assert (
        len({width(line[: line.index(word)]) for line, word in zip(lines[:3], ("STATUS", "ok", "paused"), strict=True)})
        == 1
    )
    assert lines[2].endswith("b" * 500)
    assert lines[3] == "e" * (CELLS - 1) + "\u2026  ok      c"


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
