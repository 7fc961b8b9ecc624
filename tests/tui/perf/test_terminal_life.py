"""The terminal goes away, the studio is put into the background, the process is ended: it behaves."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.tui.perf.conftest import PATIENCE_SECONDS


def state(pid: int) -> str:
    """The state letter of a process."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


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
        assert b"WORKFLOW" in session.read_until(b"quit")
        os.write(session.master, b"q")
        session.end()
        assert session.process.returncode == 0


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
