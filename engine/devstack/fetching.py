"""Downloading or building a program into the cache: by one process at a time, with progress, and atomically."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from engine.errors import Unavailable
from engine.settings import home_dir

Progress = Callable[[str], None]
"""Called with a line of text: ``<topic>: <how far>`` again and again while something goes on, or a line of its own."""

TICK_SECONDS: Final = 1.0

T = TypeVar("T")


class ProgressLine:
    """Progress on standard error. What moves is, on a terminal, one line that is rewritten; elsewhere, a line every half minute.

    A text with a colon, ``<topic>: <how far>``, moves: the next one of the same topic takes its place. Any other is a line of its
    own. Leaving the context, or ``close``, ends a line that is still open.
    """

    def __init__(self, *, interval: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        """``interval``: seconds between the lines of one topic without a terminal, by ``clock``."""
        self._interval = interval
        self._clock = clock
        self._topic = ""
        self._written_at = 0.0
        self._open_columns = 0

    def __call__(self, text: str) -> None:
        topic, colon, _ = text.partition(": ")
        same = bool(colon) and topic == self._topic
        self._topic = topic
        if not same:
            self.close()
        if colon and sys.stderr.isatty():
            self._rewrite(text)
        elif not same or self._clock() - self._written_at >= self._interval:
            self._written_at = self._clock()
            sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the line that is still open."""
        if self._open_columns:
            sys.stderr.write("\n")
            self._open_columns = 0

    def _rewrite(self, text: str) -> None:
        # One column less than there are, or the cursor would go on to the next line; blanks, for terminals that know no more.
        shown = text[: max(20, shutil.get_terminal_size().columns - 1)]
        sys.stderr.write(f"\r{shown.ljust(self._open_columns)}")
        self._open_columns = len(shown)


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


@dataclass(frozen=True, slots=True)
class Counted:
    """Lines of a program's output that say how far it is."""

    line: re.Pattern[str]
    """Matches such a line as a whole."""
    unit: str
    """What one of them is, and of how many: ``of about 160 modules``."""


def run_visibly(
    command: Sequence[str],
    *,
    progress: Progress,
    text: str,
    seconds: float,
    environment: dict[str, str] | None = None,
    counted: Sequence[Counted] = (),
) -> None:
    """Runs ``command`` to its end, telling ``<text>: <how far>, <elapsed> s`` each second.

    How far is the count of the last of ``counted`` that has begun. Raises ``Unavailable`` (``PROGRAM_FAILED``, the end of its
    output without the counted lines in details) when it fails or takes more than ``seconds``.
    """
    with tempfile.NamedTemporaryFile() as output:
        written = Path(output.name)
        news = _News(progress, text, lambda: _counts(_lines(written), counted))
        try:
            child = subprocess.Popen(  # noqa: S603 (callers pass fixed words and programs found on PATH)
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
            )
        except OSError as error:
            raise Unavailable("PROGRAM_FAILED", f"{command[0]} cannot be run: {error.strerror}.") from error
        try:
            while child.poll() is None:
                if news.elapsed() >= seconds:
                    raise Unavailable(
                        "PROGRAM_FAILED",
                        f"`{' '.join(command[:3])} ...` was not done after {news.so_far()} and was ended.",
                        "Try again: what it has done is kept.",
                    )
                with suppress(subprocess.TimeoutExpired):
                    child.wait(TICK_SECONDS)
                news.tell()
        finally:
            # Also on ctrl+c: nothing goes on in the background.
            if child.poll() is None:
                child.kill()
            child.wait()
        if child.returncode != 0:
            said = [line for line in _lines(written) if not any(one.line.fullmatch(line) for one in counted)]
            raise Unavailable(
                "PROGRAM_FAILED",
                f"`{' '.join(command[:3])} ...` ended with code {child.returncode} after {news.elapsed():.0f} s.",
                "Read the output in the details; a network that does not reach the download is the usual reason.",
                {"output": "\n".join(said[-8:])},
            )


def await_visibly(
    work: Coroutine[Any, Any, T], *, progress: Progress, text: str, seconds: float, how_far: Callable[[], str]
) -> T:
    """Runs a coroutine to its end from code that is not asynchronous, telling ``<text>: <how far>, <elapsed> s`` each second.

    Works with and without a running event loop. Raises ``TimeoutError`` after ``seconds``, and what the coroutine raises.
    """
    news = _News(progress, text, how_far)
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(asyncio.run, asyncio.wait_for(work, seconds))
        while True:
            try:
                return future.result(TICK_SECONDS)
            except FutureTimeout:
                if future.done():
                    raise
                news.tell()


class _News:
    """Tells how far something is, and for how long it has been going on; at once and then when asked to."""

    def __init__(self, progress: Progress, text: str, how_far: Callable[[], str]) -> None:
        self._progress = progress
        self._text = text
        self._how_far = how_far
        self._started = time.monotonic()
        self.tell()

    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def so_far(self) -> str:
        far = self._how_far()
        return f"{far}, {self.elapsed():.0f} s" if far else f"{self.elapsed():.0f} s"

    def tell(self) -> None:
        self._progress(f"{self._text}: {self.so_far()}")


def _lines(output: Path) -> list[str]:
    return output.read_text(encoding="utf-8", errors="replace").splitlines()


def _counts(lines: Sequence[str], counted: Sequence[Counted]) -> str:
    """The count of the last that has begun; empty when none has."""
    for one in reversed(counted):
        count = sum(one.line.fullmatch(line) is not None for line in lines)
        if count:
            return f"{count} {one.unit}"
    return ""


def tool_environment() -> dict[str, str]:
    """Our environment with a HOME, which Go and Maven need and a bare container may lack."""
    return {**os.environ, "HOME": str(home_dir())}
