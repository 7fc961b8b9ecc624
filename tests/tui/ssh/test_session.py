"""The documented console over a real sshd: it opens, works, copies, ends with the connection, and keeps to itself."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.tui.ssh.conftest import SENT, text_of
from tests.tui.ssh.server import CARELESS, Host, until

STATE = {".local", ".local/state", ".local/state/runstudio", ".local/state/runstudio/studio.log"}


def left(session: Any) -> None:
    """Leave the studio by its key."""
    session.type(b"\x11")
    assert b"\x1b[?1049l" in session.end()
    assert session.process.returncode == 0


def test_each_person_is_in_the_studio_under_their_own_account(host: Host, login: Callable[..., Any]) -> None:
    with login("alice") as alice, login("bob") as bob:
        for person, session in (("alice", alice), ("bob", bob)):
            session.read_until(b"order-fulfilment")
            studio = host.processes(person)
            # Neither a shell around it nor anything beside it.
            assert [process.name() for process in studio] == ["runstudio"]
        left(alice)
        left(bob)


def test_leaving_writes_nothing_but_the_log(host: Host, login: Callable[..., Any]) -> None:
    with login("alice") as session:
        session.read_until(b"quit")
        left(session)
    assert set(host.files()) == STATE
    assert host.files()[".local/state/runstudio"] == "drwx------"
    assert host.files()[".local/state/runstudio/studio.log"] == "-rw-------"
    written = {record["of"] for record in host.records() if record["what"] == "write"}
    assert f"{host.home}/.local/state/runstudio/studio.log" in written
    assert written <= {f"{host.home}/{path}" for path in STATE}
    assert [record for record in host.records() if record["what"] == "start"] == []


def test_a_copy_goes_to_the_terminal(login: Callable[..., Any]) -> None:
    with login() as session:
        session.read_until(b"quit")
        session.type(b"y")
        session.read_until(b"\x1b]52;c;")
        copied = base64.b64decode(session.read_until(b"\x07").removesuffix(b"\x07")).decode()
        assert re.fullmatch(r"[0-9a-f-]{36}", copied)
        session.read_until(b"sent run id to the terminal (36 bytes)")


def test_through_a_tmux_at_the_other_end_it_goes_plain_and_wrapped(login: Callable[..., Any]) -> None:
    with login(variables={**SENT, "TERM": "tmux-256color"}) as session:
        session.read_until(b"quit")
        session.type(b"y")
        session.read_until(b"\x1b]52;c;")
        plain = session.read_until(b"\x07")
        assert session.read_until(b"\x07\x1b\\") == b"\x1bPtmux;\x1b\x1b]52;c;" + plain + b"\x1b\\"


@pytest.mark.parametrize("cut", ["client", "daemon"])
def test_a_cut_connection_leaves_no_process(host: Host, login: Callable[..., Any], cut: str) -> None:
    with login() as session:
        session.read_until(b"quit")
        (studio,) = host.processes("alice")
        # The program that is killed is ssh here, or sshd's own side of the session.
        daemon = next(process for process in studio.parents() if process.name() == "sshd")
        (session.process if cut == "client" else daemon).kill()
        until(lambda: not host.processes("alice"), lambda: host.processes("alice"))
    assert [record for record in host.records() if record["what"] == "start"] == []


def test_ctrl_z_suspends_nothing_even_before_the_studio_has_the_terminal(host: Host, login: Callable[..., Any]) -> None:
    with login() as session:
        # Into the first second, in which Python still imports.
        until(lambda: host.processes("alice"), host.log)
        session.type(b"\x1a")
        session.read_until(b"quit")
        session.type(b"\x1a")
        assert "there is no shell behind it" in text_of(session.read_until(b"behind it"))
        assert [process.status() for process in host.processes("alice")] != ["stopped"]
        left(session)


def test_a_studio_that_is_no_console_starts_an_editor_and_that_is_seen(host: Host, login: Callable[..., Any]) -> None:
    """What the other tests watch for is seen where it happens."""
    with login(CARELESS, variables=SENT, open=True) as session:
        session.read_until(b"order-fulfilment")
        session.type(b"n")
        session.read_until(b"Warehouse levels")
        session.type(b"\r")
        session.read_until(b"fits the schema")
        session.type(b"\x05")
        started = until(lambda: [record for record in host.records() if record["what"] == "start"], host.records)
    assert any("/bin/true" in record["of"] for record in started)
