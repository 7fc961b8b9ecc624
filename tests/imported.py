"""Starts Python programs of ours from a process that has our modules imported already: importing is most of what a start costs.

Each is a process of its own, with its own environment, files, signals and exit code. Only the first import is shared. Forking is
sound because that process does nothing but import: it has one thread, so no lock can be held by a thread that the child has not,
and no connection, loop or server that two processes would share. Every child makes sure of that.
"""

from __future__ import annotations

import asyncio
import faulthandler
import importlib
import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Final, TextIO

import psutil

from engine import fault_points

ROOT: Final = Path(__file__).parents[1]
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.preloaded"])


@dataclass(frozen=True, slots=True)
class Start:
    """``python -m module arguments``."""

    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    before: str = ""
    """Python statements that make it another build than the one of this repository. It imports everything anew after them."""
    seconds: float | None = None
    """After so long it says on its standard error where it hangs, and ends with 1."""


class Program:
    """A started program."""

    def __init__(self, start: Start, *, stdin: int, stdout: int, stderr: int) -> None:
        """The descriptors stay the caller's."""
        self._process = _CONTEXT.Process(target=_Becoming(start, {0: stdin, 1: stdout, 2: stderr}))
        self._process.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code; negative: the signal that ended it; None while it lives."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def wait(self, seconds: float | None = None) -> int:
        """The exit code, once it has ended. Raises ``TimeoutError`` when it lives longer than that."""
        self._process.join(seconds)
        if self.returncode is None:
            raise TimeoutError(f"It still runs after {seconds} s.")
        return self.returncode

    async def ended(self, seconds: float | None = None) -> int:
        """As ``wait``, while the loop goes on."""
        return await asyncio.to_thread(self.wait, seconds)


def logged(start: Start, log: Path) -> Program:
    """A program that reads nothing, and writes to the end of a file."""
    with log.open("ab") as output, open(os.devnull, "rb") as nothing:
        return Program(start, stdin=nothing.fileno(), stdout=output.fileno(), stderr=output.fileno())


def heard(start: Start) -> tuple[Program, TextIO]:
    """A program that reads nothing, and its standard output, to be closed; what it says on its standard error is lost."""
    reading, writing = os.pipe()
    with open(os.devnull, "r+b") as nothing:
        program = Program(start, stdin=nothing.fileno(), stdout=writing, stderr=nothing.fileno())
    os.close(writing)
    return program, open(reading, encoding="utf-8")


class _Becoming:
    """What the child does; takes the descriptors along when it is sent to the process that forks."""

    def __init__(self, start: Start, descriptors: Mapping[int, int]) -> None:
        self._start = start
        self._descriptors: Mapping[int, Any] = descriptors

    def __getstate__(self) -> tuple[Start, dict[int, Any]]:
        return self._start, {number: DupFd(own) for number, own in self._descriptors.items()}

    def __setstate__(self, state: tuple[Start, dict[int, Any]]) -> None:
        self._start, self._descriptors = state

    def __call__(self) -> None:
        start = self._start
        if "tests.preloaded" not in sys.modules:
            raise RuntimeError("Nothing was imported beforehand: tests run in the directory of the repository.")
        if psutil.Process(os.getppid()).num_threads() != 1:
            raise RuntimeError("A module started a thread when it was imported; forking is not safe any more.")
        received = {number: duplicate.detach() for number, duplicate in self._descriptors.items()}
        # Away from the numbers they are to have, so that none is closed by another that takes its place.
        above = max(*received, *received.values()) + 1
        for offset, (number, own) in enumerate(list(received.items())):
            os.dup2(own, above + offset)
            os.close(own)
            received[number] = above + offset
        for number, own in received.items():
            os.dup2(own, number)
            os.close(own)
        for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(start.environment)
        time.tzset()
        os.chdir(ROOT)
        if start.before:
            program = (
                f"{start.before}\nimport runpy; runpy.run_module({start.module!r}, run_name='__main__', alter_sys=True)"
            )
            os.execve(sys.executable, [sys.executable, "-c", program, *start.arguments], os.environ)  # noqa: S606 - no shell is meant
        # It reads its variable when it is imported.
        importlib.reload(fault_points)
        if start.seconds is not None:
            faulthandler.dump_traceback_later(start.seconds, exit=True, file=sys.stderr)
        sys.argv = [start.module, *start.arguments]
        runpy.run_module(start.module, run_name="__main__", alter_sys=True)
