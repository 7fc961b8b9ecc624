"""A process is known by its pid and its start, and only that very process is ever signalled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from engine.devstack.processes import (
    LOG_LIMIT_BYTES,
    ProcessId,
    current_process,
    free_port,
    identify,
    is_alive,
    last_lines,
    listens,
    port_is_free,
    send,
    start_detached,
    stop,
    wait_gone,
)
from engine.errors import Unavailable

IGNORES_TERM = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
LISTENS = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print('ready', flush=True); s.accept()"
LEADER_ENDS_FIRST = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print('ready', flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


def started(code: str, log: Path, *arguments: str) -> ProcessId:
    """A Python program that says when it is ready."""
    process = start_detached([sys.executable, "-c", code, *arguments], log=log)
    while "ready" not in log.read_text():
        assert is_alive(process)
        time.sleep(0.01)
    return process


def test_a_later_process_with_the_same_pid_is_another_one() -> None:
    me = current_process()
    assert is_alive(me)
    before = ProcessId(me.pid, me.started + "0")
    assert not is_alive(before)
    # If it were signalled, this test would not get to its next line.
    assert not send(before, signal.SIGKILL)
    stop(before, grace=0)


def test_a_child_that_nobody_waits_for_is_gone_when_it_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = identify(child.pid)
    assert identity is not None
    child.kill()
    assert wait_gone(identity, 60)
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    child.wait()


def test_a_process_whose_main_thread_ended_still_holds_its_files(tmp_path: Path) -> None:
    process = started(LEADER_ENDS_FIRST, tmp_path / "log")
    # Linux calls the whole process a zombie then; elsewhere it stays what it was.
    while sys.platform == "linux" and psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert is_alive(process)
    stop(process, grace=0)
    assert not is_alive(process)


def test_who_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = started(IGNORES_TERM, tmp_path / "log")
    stop(process, grace=0.2)
    assert not is_alive(process)


def test_a_started_process_has_a_session_of_its_own(tmp_path: Path) -> None:
    process = started(IGNORES_TERM, tmp_path / "log")
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    stop(process, grace=0)


def test_a_program_that_is_not_there_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refusal:
        start_detached(["/no/such/program"], log=tmp_path / "logs" / "log")
    assert refusal.value.code == "PROGRAM_NOT_STARTED"
    assert "/no/such/program" in refusal.value.message


def test_a_large_log_is_set_aside_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * (LOG_LIMIT_BYTES + 1))
    process = start_detached(["echo", "fresh"], log=log)
    assert wait_gone(process, 60)
    assert log.read_text() == "fresh\n"
    assert (tmp_path / "log.1").stat().st_size == LOG_LIMIT_BYTES + 1


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_lines(log) == ""
    log.write_bytes(b"\xff" + b"".join(b"line %d\n" % number for number in range(5000)))
    assert last_lines(log, 2) == "line 4998\nline 4999"


def test_ports_and_who_serves_them(tmp_path: Path) -> None:
    port = free_port()
    assert port < 32_768
    assert port_is_free(port)
    process = started(LISTENS, tmp_path / "log", str(port))
    assert not port_is_free(port)
    assert listens(process, port)
    assert not listens(current_process(), port)
    stop(process, grace=0)
    assert not listens(process, port)
    assert port_is_free(port)
