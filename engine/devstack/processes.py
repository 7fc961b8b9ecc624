"""Processes that outlive the program that started them, and their identity.

A pid alone names nothing: the kernel gives it to somebody else after the process ends. A process is therefore known by its pid
and the moment it started, and nothing here ever signals a pid whose start does not match.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import psutil

from engine.errors import Unavailable

LOG_LIMIT_BYTES: Final = 10 * 1024 * 1024
POLL_SECONDS: Final = 0.02
_PORTS: Final = range(15_000, 32_768)
"""Below those that systems give to outgoing connections, one of which would take a port before the server has it."""
_CHANCE: Final = random.SystemRandom()

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Processes this very process started. They are ours to reap, or they would stay as zombies until we end."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process for good: ``started`` differs for a later process with the same pid."""

    pid: int
    started: str


def current_process() -> ProcessId:
    """The identity of this process."""
    identity = identify(os.getpid())
    if identity is None:
        raise RuntimeError("the running process is not in the process table")
    return identity


def identify(pid: int) -> ProcessId | None:
    """The identity of the live process with this pid; None when there is none (a zombie is none)."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]
    started = _start_mark(pid)
    return None if started is None else ProcessId(pid, started)


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs."""
    return identify(process.pid) == process


def _start_mark(pid: int) -> str | None:
    if sys.platform == "linux":
        # Ticks since boot do not move when the clock is set, as a start time computed from the clock would.
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The main thread of a killed process is a zombie while other threads still hold its files and ports.
        gone = fields[0] in "ZX" and int(fields[17]) <= 1
        return None if gone else f"{_boot_id()}:{fields[19]}"
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.3f}"
    except psutil.NoSuchProcess:
        return None


@cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_detached(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    directory: Path | None = None,
) -> ProcessId:
    """Starts ``command`` in a session of its own, so that ctrl+c in our terminal does not reach it.

    Output goes to the end of ``log``, which is set aside as ``<log>.1`` above 10 MB. ``user`` needs root. ``environment``
    replaces ours. Raises ``Unavailable`` (``PROGRAM_NOT_STARTED``) when the program cannot be run.
    """
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    log.touch(mode=0o600)
    try:
        with log.open("ab") as output:
            child = subprocess.Popen(  # noqa: S603 (callers pass programs they found themselves, never a payload)
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=directory,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                start_new_session=True,
                # Histories and logs hold what runs hold: they are their owner's alone.
                umask=0o077,
            )
    except OSError as error:
        raise Unavailable(
            "PROGRAM_NOT_STARTED",
            f"{command[0]} cannot be run: {error.strerror}.",
            "Check the file and its permissions.",
        ) from error
    _children[child.pid] = child
    # A process that ended within microseconds has no start mark left; it is then simply not alive.
    return identify(child.pid) or ProcessId(child.pid, "ended")


def send(process: ProcessId, signal_number: signal.Signals) -> bool:
    """Signals exactly this process; False when it is gone."""
    if not is_alive(process):
        return False
    try:
        os.kill(process.pid, signal_number)
    except ProcessLookupError:
        return False
    return True


def wait_gone(process: ProcessId, seconds: float) -> bool:
    """Waits up to ``seconds`` for the process to end; whether it did."""
    deadline = time.monotonic() + seconds
    while is_alive(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def stop(process: ProcessId, *, grace: float, first: signal.Signals = signal.SIGTERM) -> None:
    """Ends the process: ``first``, then after ``grace`` seconds SIGKILL. Returns when it is gone."""
    send(process, first)
    if not wait_gone(process, grace):
        send(process, signal.SIGKILL)
        wait_gone(process, 10)


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on."""
    while not port_is_free(port := _CHANCE.choice(_PORTS)):
        pass
    return port


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still in TIME_WAIT is free for a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def listens(process: ProcessId, port: int) -> bool:
    """Whether exactly this process is the one that serves the port."""
    try:
        connections = psutil.Process(process.pid).net_connections(kind="tcp")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return is_alive(process) and any(
        connection.status == psutil.CONN_LISTEN and connection.laddr.port == port for connection in connections
    )


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log file, for an error's details; empty when there is no log."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
