"""What is asked of the console but a terminal with the studio in it is refused, on a host that allows it to everybody else."""

from __future__ import annotations

import pwd
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.not_run import needed
from tests.tui.ssh.conftest import SENT
from tests.tui.ssh.server import CARELESS, PATIENCE_SECONDS, Host, recipe, until

NO_COMMAND = "The console runs no command; connect without one."
NO_TERMINAL = "The console needs a terminal: ssh -t asks for one."


def ended(command: list[str], stdin: str = "") -> tuple[int, str, str]:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    return done.returncode, done.stdout, done.stderr.replace("\r\n", "\n").strip()


def test_without_a_terminal(host: Host) -> None:
    assert ended(host.command("alice", options=("-T",)), stdin="id\n") == (2, "", NO_TERMINAL)


@pytest.mark.parametrize("options", [(), ("-tt",)], ids=["plain", "terminal"])
@pytest.mark.parametrize("command", ["id", "/bin/sh -i", "runstudio runs list", "; id", "$(touch here)"])
def test_a_command(host: Host, command: str, options: tuple[str, ...]) -> None:
    code, out, err = ended(host.command("alice", command, options=options))
    # With a terminal there is only one stream.
    assert (code, (out + err).strip()) == (2, NO_COMMAND)
    assert [record for record in host.records() if record["what"] == "start"] == []


@pytest.mark.parametrize("words", [("scp",), ("scp", "-O"), ("sftp", "-b", "-")], ids=["scp", "old scp", "sftp"])
def test_copying_files(host: Host, tmp_path: Path, words: tuple[str, ...]) -> None:
    needed("ssh")
    mine = tmp_path / "authorized_keys"
    mine.write_text("mine")
    before = host.files()
    program, *options = words
    there = host.destination("alice")
    pairs = [[str(mine), f"{there}:"], [f"{there}:/etc/passwd", str(tmp_path / "theirs")]]
    for pair in [[there]] if program == "sftp" else pairs:
        command = [program, *options, *host.options("alice"), "-P", str(host.port), *pair]
        code, _, err = ended(command, stdin=f"put {mine}\n")
        assert code != 0
        # The other two speak a protocol in which sshd has no place for a sentence.
        assert NO_COMMAND in err or "-O" not in options
    assert host.files() == before
    assert not (tmp_path / "theirs").exists()


def test_forwarding_to_a_port_of_the_host(host: Host) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        here = free.getsockname()[1]
    forwarding = ("-N", "-L", f"127.0.0.1:{here}:127.0.0.1:{host.port}")
    process = subprocess.Popen(host.command("alice", options=forwarding))
    try:
        tried = socket.socket()
        until(lambda: tried.connect_ex(("127.0.0.1", here)) == 0, host.log)
        tried.settimeout(PATIENCE_SECONDS)
        # The daemon at the other end would greet.
        assert tried.recv(100) == b""
        tried.close()
    finally:
        # OpenSSH 9.2 can miss a SIGTERM between looking for signals and waiting for data.
        process.kill()
        process.wait(PATIENCE_SECONDS)
    assert "refused local port forward" in host.log()


def test_forwarding_a_port_of_the_host_to_here(host: Host) -> None:
    asked = ("-N", "-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:0:127.0.0.1:9")
    code, _, said = ended(host.command("alice", options=asked))
    assert code != 0
    assert "forwarding failed" in said


def test_what_sshd_makes_of_the_recipe(host: Host) -> None:
    """Of what a client cannot be made to ask for here, and of people outside of the group."""
    for_operators, for_others = host.effective("alice"), host.effective("nobody")
    closed = (
        "allowtcpforwarding",
        "allowstreamlocalforwarding",
        "allowagentforwarding",
        "x11forwarding",
        "permittunnel",
    )
    assert {for_operators[name] for name in (*closed, "permituserrc", "permituserenvironment")} == {"no"}
    assert {for_others[name] for name in (*closed, "permituserrc")} == {"yes"}
    assert for_operators["permittty"] == "yes"
    assert for_operators["forcecommand"] == (
        f"exec /usr/bin/sudo -n -u {host.service} {host.directory}/bin/runstudio --console --demo"
    )
    assert for_operators["authenticationmethods"] == "publickey"
    assert int(for_operators["clientaliveinterval"]) * int(for_operators["clientalivecountmax"]) == 90
    assert for_others["forcecommand"] == "none"


HOSTILE = {
    "EDITOR": "sh", "VISUAL": "sh", "PAGER": "sh", "BROWSER": "sh", "SHELL": "/bin/bash", "ENV": "/etc/profile",
    "PATH": "/tmp", "HOME": "/tmp", "XDG_STATE_HOME": "/tmp", "XDG_CONFIG_HOME": "/tmp",
    "RUNSTUDIO_CONSOLE": "false", "RUNSTUDIO_EDITOR": "sh", "RUNSTUDIO_STATE_DIR": "/tmp", "RUNSTUDIO_CLIPBOARD": "file",
    "TEXTUAL_DRIVER": "os:system", "TEXTUAL_LOG": "/tmp/log", "TEXTUAL_SCREENSHOT": "1", "TEXTUAL_ALLOW_SIGNALS": "1",
    "DATABASE_URL": "postgresql://mine.example/x", "_RUNSTUDIO_COMPLETE": "source_bash", "SSH_ORIGINAL_COMMAND": "",
    "SUDO_USER": "root", "SUDO_UID": "0",
}  # fmt: skip


KEPT = {
    *("COLORTERM", "DATABASE_URL", "HOME", "LANG", "LOGNAME", "SSH_CONNECTION", "SUDO_UID", "SUDO_USER"),
    *("TEMPORAL_ADDRESS", "TERM", "USER"),
}


def environment(host: Host) -> dict[str, str]:
    """The variables that the studio has."""
    (kept,) = (record["of"] for record in host.records() if record["what"] == "environment")
    return dict(kept)


def test_the_recipe_takes_only_what_the_terminal_looks_like(host: Host, login: Callable[..., Any]) -> None:
    with login("alice", variables={**SENT, **HOSTILE, "LC_TIME": "C"}) as session:
        session.read_until(b"order-fulfilment")
        session.type(b"\x11")
        session.end()
    assert set(environment(host)) == {*KEPT, "LC_TIME"}


def test_no_variable_of_the_client_is_a_way_out(host: Host, login: Callable[..., Any]) -> None:
    with login(CARELESS, variables={**SENT, **HOSTILE}) as session:
        session.read_until(b"order-fulfilment")
        (studio,) = host.processes(CARELESS)
        session.type(b"n")
        session.read_until(b"Warehouse levels")
        session.type(b"\r")
        session.read_until(b"fits the schema")
        session.type(b"\x05")
        session.read_until(b"starts no other program")
        session.type(b"\x1a")
        session.read_until(b"no shell behind it")
        assert host.processes(CARELESS) == [studio]
        session.type(b"\x11")
        session.end()
    assert set(environment(host)) == KEPT
    # Where the database is, and who asks, is not for the client to say.
    assert f"DATABASE_URL={environment(host)['DATABASE_URL']}\n" in recipe("/etc/runstudio/environment")
    (actor,) = (record["of"] for record in host.records() if record["what"] == "actor")
    assert actor == [host.account(CARELESS), "sudo", "127.0.0.1"]
    assert environment(host)["HOME"] == str(host.home)
    assert [record for record in host.records() if record["what"] == "start"] == []
    home = str(host.home)
    assert all(record["of"].startswith(home) for record in host.records() if record["what"] == "write")


def test_a_client_steers_no_interpreter(host: Host, login: Callable[..., Any]) -> None:
    with login(CARELESS, variables={**SENT, "PYTHONINSPECT": "1", "PYTHONPATH": "/tmp"}) as session:
        session.read_until(b"order-fulfilment")
        session.type(b"\x11")
        assert b">>>" not in session.end()
    assert set(environment(host)) == KEPT


def test_a_person_has_no_part_in_the_process_and_not_what_it_knows(host: Host, login: Callable[..., Any]) -> None:
    with login("alice") as session:
        session.read_until(b"order-fulfilment")
        (studio,) = host.processes("alice")
        entry = pwd.getpwnam(host.account("alice"))
        for secret in (f"/proc/{studio.pid}/environ", f"/proc/{studio.pid}/mem", str(host.directory / "environment")):
            tried = subprocess.run(
                ["cat", secret],
                user=entry.pw_uid,
                group=entry.pw_gid,
                extra_groups=(),
                capture_output=True,
                check=False,
            )
            assert tried.returncode != 0, secret
            assert b"Permission denied" in tried.stderr, secret


def test_sudo_runs_the_console_and_nothing_else(host: Host) -> None:
    entry = pwd.getpwnam(host.account("alice"))
    console = f"{host.directory}/bin/runstudio"
    for words in (["id"], [console], [console, "runs", "list"], [console, "--console", "--demo", "runs", "list"]):
        tried = subprocess.run(
            ["sudo", "-n", "-u", host.service, *words],
            user=entry.pw_uid, group=entry.pw_gid, extra_groups=(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (tried.returncode, "password is required" in tried.stderr) == (1, True), words
