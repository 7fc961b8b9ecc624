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

from tests.tui.perf.studio_process import DONE

PROGRAM = "tests.tui.perf.studio_process"
ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 240.0
"""For what must come sooner or later, also on a machine that does something else most of the time."""


class Terminal:
    """A terminal with the studio in it."""

    def __init__(self, master: int, process: subprocess.Popen[bytes], commands: int) -> None:
        self.master = master
        self.process = process
        self._commands = commands
        self._unread = b""
        self._pressed = 0

    def read_until(self, wanted: bytes) -> bytes:
        """What was written since the last read, up to a text, which must come."""
        while wanted not in self._unread:
            assert self._receive(), f"{wanted!r} never came; got {self._unread[-2000:]!r}"
        before, found, self._unread = self._unread.partition(wanted)
        return before + found

    def end(self) -> bytes:
        """What was written since the last read, up to the end of the process, which must come."""
        while self._receive():
            continue
        self.process.wait(PATIENCE_SECONDS)
        written, self._unread = self._unread, b""
        return written

    def command(self, text: str) -> bytes:
        """Tell the process something; returns what was written because of it, and because of what was typed before."""
        os.write(self._commands, f"{text} {self._pressed}\n".encode())
        return self.read_until(DONE).removesuffix(DONE)

    def advance(self, seconds: float) -> bytes:
        """Let time pass."""
        return self.command(f"advance {seconds}")

    def press(self, key: bytes) -> bytes:
        """Press one key, or move the mouse once, and return what was written because of it."""
        os.write(self.master, key)
        self._pressed += 1
        return self.command("settle 0")

    def _receive(self) -> bool:
        """Take what was written; False when nothing comes any more."""
        if not select.select([self.master], [], [], PATIENCE_SECONDS)[0]:
            return False
        try:
            chunk = os.read(self.master, 65536)
        except OSError:
            # So Linux tells that nobody has the terminal any more.
            return False
        self._unread += chunk
        return bool(chunk)


@pytest.fixture
def terminal() -> Callable[..., Any]:
    """``with terminal(world, size) as t`` starts the studio there."""

    @contextmanager
    def start(world: str, size: tuple[int, int] = (80, 24), theme: str = "terminal", *more: str) -> Iterator[Terminal]:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        command_out, command_in = os.pipe()

        # A process of pytest-xdist has COLUMNS and LINES, which Textual believes more than the terminal.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TEXTUAL", "NO_COLOR", "COLUMNS", "LINES"))
        }
        environment |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TZ": "UTC", "LANG": "C.UTF-8"}
        process = subprocess.Popen(
            [sys.executable, "-m", PROGRAM, world, theme, str(command_out), *more],
            cwd=ROOT,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            pass_fds=(command_out,),
        )
        os.close(slave)
        made = Terminal(master, process, command_in)
        try:
            yield made
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE_SECONDS)
            for descriptor in (master, command_out, command_in):
                try:
                    os.close(descriptor)
                except OSError:
                    continue

    return start
