"""A look at the machine's processes that does not believe the stack's record, and a worker that is only a process."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from engine.devstack.fetching import Progress
from engine.devstack.processes import identify
from engine.devstack.stack import DevStack

FAKE_WORKER = (sys.executable, str(Path(__file__).parent / "fake_worker.py"))

MakeStack = Callable[..., DevStack]


def leave_schema_alone(_url: str, _owned: bool, _progress: Progress) -> None:
    """The stack's own behaviour does not depend on the schema; test_whole_stack.py has the real one."""


def silent(_text: str) -> None:
    """Progress that nobody reads."""


def processes_of(data_dir: Path) -> dict[int, str]:
    """Every live process that has to do with the directory, by command line, working directory or environment."""
    found = {}
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == psutil.Process().pid:
                continue
            command = process.cmdline()
            traces = [*command, process.cwd(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if any(str(data_dir) in trace for trace in traces):
            found[process.pid] = " ".join(command)
    return found


def kill(*pids: int) -> None:
    """SIGKILL, and waits until the processes are gone or only their parent's to bury."""
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()
    while any(identify(pid) is not None for pid in pids):
        time.sleep(0.01)
