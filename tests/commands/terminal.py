"""A pseudo-terminal for a command's output, and everything that is written to it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Terminal:
    """One that is open."""

    device: str
    """Its path, for a process to open."""
    chunks: list[bytes] = field(default_factory=list)

    @property
    def written(self) -> str:
        """What was written to it, once it is closed."""
        return b"".join(self.chunks).decode()


@contextmanager
def terminal(columns: int = 100) -> Iterator[Terminal]:
    """A terminal; it is read all the time, because who writes to a full one waits."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    opened = Terminal(os.ttyname(slave))
    reader = threading.Thread(target=_read, args=(master, opened.chunks))
    reader.start()
    try:
        yield opened
    finally:
        os.close(slave)
        reader.join()
        os.close(master)


def _read(master: int, chunks: list[bytes]) -> None:
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            # So Linux tells that nobody has the other end any more.
            return
        if not chunk:
            return
        chunks.append(chunk)
