"""``runstudio --console``: what it refuses before it opens anything, each in one sentence. tests/tui/ssh has the rest."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from tests.commands.conftest import ROOT

COMMAND = (sys.executable, "-m", "runstudio_tui", "--console", "--demo")


def environment(**variables: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", **variables}


def on_a_terminal(*words: str, **variables: str) -> tuple[int, str]:
    """Run it with a terminal; its exit code, and what it said on standard error."""
    master, slave = pty.openpty()
    done = subprocess.run(
        [*COMMAND, *words],
        cwd=ROOT, env=environment(**variables), stdin=slave, stdout=slave, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(slave)
    os.close(master)
    return done.returncode, done.stderr


def test_without_a_terminal() -> None:
    done = subprocess.run(
        COMMAND, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "The console needs a terminal: ssh -t asks for one.\n"


@pytest.mark.parametrize("command", ["id", "run 0198c2", "internal-sftp", "scp -t ."])
def test_the_clients_command_is_not_run(command: str) -> None:
    said = "The console runs no command; connect without one.\n"
    assert on_a_terminal(SSH_ORIGINAL_COMMAND=command) == (2, said)


@pytest.mark.parametrize("name", ["PYTHONINSPECT", "PYTHONPATH"])
def test_an_interpreter_that_somebody_else_steers_is_left_at_once(name: str) -> None:
    said = f"The console was not started, because {name} is set in its environment.\n"
    assert on_a_terminal(**{name: "1"}) == (2, said)


@pytest.mark.parametrize("words", [("runs", "list"), ("run", "0198c2"), ("dev", "studio")])
def test_no_command_goes_with_it(words: tuple[str, ...]) -> None:
    code, said = on_a_terminal(*words)
    assert code == 2
    assert "--console opens the studio, and no command goes with it" in said
