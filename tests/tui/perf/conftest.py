"""The studio on a pseudo-terminal, every byte it writes counted."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parent / "studio_process.py"
QUIET = 0.15
"""Seconds without a byte after which what was caused is taken to be written. Only how long the test takes depends on it: the
process has said before that nothing is left to do."""


class Terminal:
    """A terminal with the studio in it."""

    def __init__(self, master: int, process: subprocess.Popen[bytes], commands: int, answers: int) -> None:
        self.master = master
        self.process = process
        self._commands = commands
        self._answers = answers
        self.all = b""

    def read(self, patience: float = QUIET) -> bytes:
        """What was written since the last read, up to a pause."""
        got = b""
        while select.select([self.master], [], [], patience)[0]:
            try:
                chunk = os.read(self.master, 65536)
            except OSError:
                break
            if not chunk:
                break
            got += chunk
        self.all += got
        return got

    def read_until(self, wanted: bytes) -> bytes:
        """What is written until a text has come."""
        got = b""
        while wanted not in got:
            assert select.select([self.master], [], [], 30)[0], f"{wanted!r} never came; got {got[-2000:]!r}"
            got += os.read(self.master, 65536)
        return got + self.read()

    def command(self, text: str) -> bytes:
        """Tell the process something, and wait until it is done; returns what was written because of it."""
        os.write(self._commands, f"{text}\n".encode())
        assert select.select([self._answers], [], [], 30)[0], "no answer"
        assert os.read(self._answers, 16) == b"ok\n"
        return self.read()

    def advance(self, seconds: float) -> bytes:
        """Let time pass."""
        return self.command(f"advance {seconds}")

    def press(self, keys: bytes) -> bytes:
        """Type, and return what was written because of it."""
        os.write(self.master, keys)
        got = self.read(1.0)
        return got + self.command("settle")


@pytest.fixture
def terminal() -> Callable[..., Any]:
    """``with terminal(world, size) as t`` starts the studio there."""

    @contextmanager
    def start(world: str, size: tuple[int, int] = (80, 24), theme: str = "terminal", *more: str) -> Iterator[Terminal]:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        command_out, command_in = os.pipe()
        answer_out, answer_in = os.pipe()

        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("TEXTUAL", "NO_COLOR"))
        }
        environment |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TZ": "UTC", "LANG": "C.UTF-8"}
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), world, theme, str(command_out), str(answer_in), *more],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            pass_fds=(command_out, answer_in),
        )
        os.close(slave)
        made = Terminal(master, process, command_in, answer_out)
        try:
            yield made
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(10)
            for descriptor in (master, command_out, command_in, answer_out, answer_in):
                try:
                    os.close(descriptor)
                except OSError:
                    continue

    return start
