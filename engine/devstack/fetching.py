"""How a program we need but do not ship gets into the cache: once, visibly, and whole or not at all."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from engine.errors import Unavailable
from engine.settings import home_dir

Progress = Callable[[str], None]
"""Called with a line of text. A line that starts like the one before, up to the colon, is news of the same thing."""

TICK_SECONDS: Final = 1.0

T = TypeVar("T")


class ProgressLine:
    """Progress on a terminal: one line that is rewritten. Without a terminal: a line at a start, then one every 15 seconds."""

    def __init__(self, interval: float = 15.0) -> None:
        self._interval = interval
        self._topic = ""
        self._written_at = float("-inf")
        self._open = False

    def __call__(self, text: str) -> None:
        topic = text.partition(":")[0]
        if sys.stderr.isatty():
            self._terminal_line(text, same=topic == self._topic)
        elif topic != self._topic or time.monotonic() - self._written_at >= self._interval:
            self._written_at = time.monotonic()
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
        self._topic = topic

    def close(self) -> None:
        """Ends the line that is still open."""
        if self._open:
            sys.stderr.write("\n")
            self._open = False

    def _terminal_line(self, text: str, *, same: bool) -> None:
        if self._open and not same:
            sys.stderr.write("\n")
        width = max(20, shutil.get_terminal_size().columns - 1)
        sys.stderr.write(f"\r\x1b[2K{text[:width]}")
        sys.stderr.flush()
        self._open = True


@contextmanager
def exclusive(lock: Path, *, seconds: float, waiting: Callable[[float], None]) -> Iterator[None]:
    """Holds the lock file, so that two processes do not do the same work twice.

    The system releases it when its holder dies, so it cannot go stale. ``waiting`` hears, each second, how long we wait for
    another process. Raises ``Unavailable`` (``LOCK_NOT_FREE``) after ``seconds``.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    started = heard = time.monotonic()
    with lock.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                now = time.monotonic()
            if now - started > seconds:
                raise Unavailable(
                    "LOCK_NOT_FREE",
                    f"Another process has held {lock} for {now - started:.0f} s.",
                    "Wait for it, or end it, then try again.",
                )
            if now - heard >= TICK_SECONDS:
                heard = now
                waiting(now - started)
            time.sleep(0.05)
        yield


@contextmanager
def scratch_directory(beside: Path) -> Iterator[Path]:
    """A new directory on the same file system as ``beside``, so that what is made in it can be moved there at one stroke."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=f".{beside.name}-", dir=beside.parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def run_visibly(
    command: Sequence[str], *, progress: Progress, text: str, seconds: float, environment: dict[str, str] | None = None
) -> None:
    """Runs ``command`` to its end, telling ``<text>: <elapsed> s`` each second.

    Raises ``Unavailable`` (``PROGRAM_FAILED``, the end of its output in details) when it fails or takes more than ``seconds``.
    """
    started = time.monotonic()
    progress(f"{text}: 0 s")
    with tempfile.TemporaryFile() as output:
        try:
            child = subprocess.Popen(  # noqa: S603 (callers pass fixed words and programs found on PATH)
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
            )
        except OSError as error:
            raise Unavailable("PROGRAM_FAILED", f"{command[0]} cannot be run: {error.strerror}.") from error
        try:
            while time.monotonic() - started < seconds:
                try:
                    child.wait(TICK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    progress(f"{text}: {time.monotonic() - started:.0f} s")
        finally:
            # Also on ctrl+c: nothing goes on in the background.
            if child.poll() is None:
                child.kill()
            child.wait()
        if child.returncode != 0:
            output.seek(0)
            tail = output.read().decode(errors="replace").splitlines()[-8:]
            raise Unavailable(
                "PROGRAM_FAILED",
                f"`{' '.join(command[:3])} ...` ended with code {child.returncode} after {time.monotonic() - started:.0f} s.",
                "Read the output in the details; a network that does not reach the download is the usual reason.",
                {"output": "\n".join(tail)},
            )


def await_visibly(work: Coroutine[Any, Any, T], *, progress: Progress, text: str, seconds: float) -> T:
    """Runs a coroutine to its end from code that is not asynchronous, telling ``<text>: <elapsed> s`` each second.

    Works with and without a running event loop. Raises ``TimeoutError`` after ``seconds``, and what the coroutine raises.
    """
    started = time.monotonic()
    progress(f"{text}: 0 s")
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(asyncio.run, asyncio.wait_for(work, seconds))
        while True:
            try:
                return future.result(TICK_SECONDS)
            except FutureTimeout:
                if future.done():
                    raise
                progress(f"{text}: {time.monotonic() - started:.0f} s")


def tool_environment() -> dict[str, str]:
    """Our environment with a HOME, which Go and Maven need and a bare container may lack."""
    return {**os.environ, "HOME": str(home_dir())}
