"""The terminal goes away, the studio is put into the background, the process is ended: it behaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import termios
from pathlib import Path
from typing import Any

import pytest

from tests.tui.perf.conftest import PATIENCE_SECONDS


def state(pid: int) -> str:
    """The state letter of a process."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def text_of(written: bytes) -> str:
    """What was written, without what only the terminal reads."""
    return re.sub(r"\x1b\[[0-9;?>=$]*[A-Za-z]", "", written.decode())


def wait_until_stopped(process: subprocess.Popen[bytes]) -> None:
    """Until the process is stopped by a signal."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


def test_closing_the_terminal_ends_it_quietly(terminal: Any) -> None:
    with terminal("real") as session:
        session.read_until(b"quit")
        os.close(session.master)
        session.process.wait(PATIENCE_SECONDS)
        assert session.process.returncode == 0
        session.master = os.open(os.devnull, os.O_RDONLY)


def test_closing_the_terminal_ends_it_though_no_signal_comes(terminal: Any) -> None:
    """As below `make`, which leads a login started with one command, and keeps SIGHUP for itself."""
    with terminal("deaf") as session:
        session.read_until(b"quit")
        os.close(session.master)
        session.process.wait(PATIENCE_SECONDS)
        assert session.process.returncode == 0
        session.master = os.open(os.devnull, os.O_RDONLY)


def test_a_hangup_signal_ends_it(terminal: Any) -> None:
    with terminal("real") as session:
        session.read_until(b"quit")
        session.process.send_signal(signal.SIGHUP)
        assert b"Traceback" not in session.end()
        assert session.process.returncode == 0


def test_ctrl_z_suspends_and_comes_back(terminal: Any) -> None:
    with terminal("real") as session:
        session.read_until(b"quit")
        os.write(session.master, b"\x1a")
        wait_until_stopped(session.process)
        assert state(session.process.pid) == "T"
        session.read_until(b"\x1b[?1049l")
        session.process.send_signal(signal.SIGCONT)
        session.read_until(b"WORKFLOW")  # what never changes is drawn again too
        session.read_until(b"quit")
        os.write(session.master, b"q")
        session.end()
        assert session.process.returncode == 0


@pytest.mark.parametrize(
    ("editor", "told"),
    [
        ("/nonexistent/ed", "/nonexistent/ed cannot be started: No such file or"),
        ("sh -c 'exit 1'", "sh ended with code 1"),  # as vi does after :cq
        ("sh -c 'kill -9 $$'", "sh ended with code -9"),
        ('"', "No closing quotation"),
    ],
)
def test_s1_whatever_the_editor_does_the_terminal_comes_back_with_the_text(
    terminal: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, editor: str, told: str
) -> None:
    monkeypatch.setenv("EDITOR", editor)
    with terminal("quiet", (80, 24), "terminal", str(tmp_path)) as session:
        session.read_until(b"quit")
        session.advance(4)
        for key in (b"n", b"\r"):
            session.press(key)
        session.press(b"[")
        written = session.press(b"\x05")
        left, came_back, after = written.partition(b"\x1b[?1049h")
        assert b"\x1b[?1049l" in left
        assert came_back
        assert f"the text is as it was: {told}" in text_of(after)
        assert "1  [{" in text_of(after), "what was typed is still there"
        assert not termios.tcgetattr(session.master)[3] & termios.ECHO
        assert "x" in text_of(session.press(b"x"))
        assert not list(tmp_path.glob("payload-*"))


def test_the_text_comes_back_as_the_editor_left_it(
    terminal: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "sed -i '1s/^/[\"edited\", /'")
    with terminal("quiet", (80, 24), "terminal", str(tmp_path)) as session:
        session.read_until(b"quit")
        session.advance(4)
        for key in (b"n", b"\r"):
            session.press(key)
        after = session.press(b"\x05").rpartition(b"\x1b[?1049h")[2]
        assert '1  ["edited"' in text_of(after)


def test_term_ends_it_and_gives_the_terminal_back(terminal: Any) -> None:
    with terminal("real") as session:
        session.read_until(b"quit")
        session.process.send_signal(signal.SIGTERM)
        assert b"\x1b[?1049l" in session.end()


def test_a_bug_that_nothing_caught_is_one_line_and_a_log(terminal: Any, tmp_path: Path) -> None:
    with terminal("broken", (80, 24), "terminal", str(tmp_path)) as session:
        written = session.end()
        assert session.process.returncode == 70
        after = written.rpartition(b"\x1b[?1049l")[2]
        assert b"Run Studio ended because of a bug in it (ZeroDivisionError)." in after
        assert b"Traceback" not in written
        assert b"canary-value" not in written
        log = tmp_path / "studio.log"
        assert "ZeroDivisionError" in log.read_text()
        assert log.stat().st_mode & 0o777 == 0o600
