"""One sshd for these tests, and terminals from which people log in."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.not_run import needed
from tests.tui.perf.studio_process import DONE
from tests.tui.ssh.server import PATIENCE_SECONDS, PEOPLE, Host, sweep_abandoned, until


@pytest.fixture(scope="session")
def built_host() -> Iterator[Host]:
    """The machine with the console."""
    sshd, ssh, _ = needed("sshd", "ssh", "sudo")
    if os.getuid() != 0:
        pytest.skip("making accounts and switching between them needs root")
    sweep_abandoned()
    made = Host(sshd, ssh)
    try:
        made.build()
        if made.readable():
            pytest.skip(made.readable())
        yield made
    finally:
        made.remove()


@pytest.fixture
def host(built_host: Host) -> Iterator[Host]:
    """The same, with no session and no record; at the end nothing may run there."""
    built_host.settings()
    built_host.forget()
    yield built_host
    for person in PEOPLE:
        until(lambda person=person: not built_host.processes(person), lambda: built_host.processes("alice"))


_LEAVING_SECONDS = 0.5
"""Without a byte, after which an ssh is killed instead."""


class Session:
    """An ssh on a pseudo-terminal; what it writes there is what the studio sent."""

    def __init__(self, master: int, process: subprocess.Popen[bytes], commands: int | None) -> None:
        self.master = master
        self.process = process
        self._commands = commands
        self._unread = b""
        self._pressed = 0

    def read_until(self, wanted: bytes) -> bytes:
        """What came since the last read, up to a text, which must come."""
        while wanted not in self._unread:
            assert self._receive(), f"{wanted!r} never came; got {self._unread[-2000:]!r}"
        before, found, self._unread = self._unread.partition(wanted)
        return before + found

    def end(self) -> bytes:
        """What came up to the end of the session, which must come."""
        while self._receive():
            continue
        self.process.wait(PATIENCE_SECONDS)
        written, self._unread = self._unread, b""
        return written

    def leave(self) -> None:
        """By the studio's key, where that helps: it is sooner gone than when it is cut off."""
        self.type(b"\x11")
        while select.select([self.master], [], [], _LEAVING_SECONDS)[0]:
            try:
                if not os.read(self.master, 65536):
                    return
            except OSError:
                return

    def type(self, keys: bytes) -> None:
        """Press keys, and wait for nothing."""
        os.write(self.master, keys)

    def press(self, key: bytes) -> bytes:
        """Press one key and return what came because of it. Only measured."""
        self.type(key)
        self._pressed += 1
        return self._told("settle 0")

    def press_quickly(self, *keys: bytes) -> None:
        """Press keys, and wait until the studio has dealt with the last of them. Only measured."""
        self.type(b"".join(keys))
        self._pressed += len(keys)
        self._told("glance 0")

    def advance(self, seconds: float) -> bytes:
        """Let time pass. Only measured."""
        return self._told(f"advance {seconds}")

    def _told(self, command: str) -> bytes:
        assert self._commands is not None, "this session is not measured"
        os.write(self._commands, f"{command} {self._pressed}\n".encode())
        return self.read_until(DONE).removesuffix(DONE)

    def _receive(self) -> bool:
        if not select.select([self.master], [], [], PATIENCE_SECONDS)[0]:
            return False
        try:
            chunk = os.read(self.master, 65536)
        except OSError:
            # So Linux tells that nobody has the terminal any more.
            return False
        self._unread += chunk
        return bool(chunk)


SENT = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "COLORTERM": "truecolor"}
"""What a client sends of its environment."""
Login = Callable[..., Any]


@pytest.fixture
def login(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Login:
    """``with login(person) as session`` logs somebody in; ``measured=True``: with a clock that moves when told."""

    @contextmanager
    def logged_in(
        person: str = "alice", measured: bool = False, variables: Mapping[str, str] = SENT, **more: Any
    ) -> Iterator[Session]:
        commands = None
        if measured:
            pipe = host.directory / "commands"
            pipe.unlink(missing_ok=True)
            os.mkfifo(pipe)
            pipe.chmod(0o644)
            commands = os.open(pipe, os.O_RDWR)
            host.settings(measured=str(pipe), **more)
        elif more:
            host.settings(**more)
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        process = subprocess.Popen(
            host.command(person, options=("-tt", "-o", f"SendEnv={' '.join(variables)}")),
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=dict(variables),
        )  # fmt: skip
        os.close(slave)
        session = Session(master, process, commands)
        try:
            yield session
        finally:
            session.leave()
            process.kill()
            process.wait(PATIENCE_SECONDS)
            os.close(master)
            if commands is not None:
                os.close(commands)
                pipe.unlink()

    return logged_in


def text_of(written: bytes) -> str:
    """What was written, without what moves and colours it."""
    return re.sub(r"\x1b(\[[0-9;?<>=$]*[ -/]*[@-~]|[=>])", " ", written.decode("utf-8", "replace"))
