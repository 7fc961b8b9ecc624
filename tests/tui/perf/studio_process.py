"""The studio in a process of its own, on a terminal, with a clock that moves when told.

``python -m tests.tui.perf.studio_process WORLD THEME COMMANDS [LOG]``, where COMMANDS is a file descriptor. Commands come a line
each: ``advance SECONDS INPUTS`` and ``settle 0 INPUTS``, where INPUTS is how many keys and mouse moves were sent until then. Each
is answered on the terminal itself with ``DONE``, behind everything that was written because of it. ``glance 0 INPUTS`` is
answered sooner: when what was typed has been dealt with, drawn or not.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import termios
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from textual.driver import Driver
from textual.events import InputEvent
from textual.message import Message
from textual.pilot import Pilot

from engine.records import Level, RunFilter, RunStatus
from runstudio_tui.app import StudioApp
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import Clock, ManualClock, SystemClock
from runstudio_tui.config import StudioConfig
from runstudio_tui.logfile import log_to
from tests.tui.perf.mixed_world import mixed_backend

NOW = datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC)
DONE = b"\x1b_done\x1b\\"
"""Ends what was written because of a command. It is for the terminal program, so the studio never writes it."""
QUIET_ROUNDS = 3
"""After so many in a row in which nothing was drawn, nothing more comes: what is drawn may lead to something else that is."""


def world(name: str, clock: Clock) -> FakeBackend:
    """``demo``; ``quiet``: the same without anything that goes on; ``many``: as ``quiet``, over 3,000 runs; ``mixed``: rows of
    every kind in turns, seen by an admin, or with ``mixed-operate`` by an operator."""
    if name.startswith("mixed"):
        return mixed_backend(clock, Level.OPERATE if name.endswith("operate") else Level.ADMIN)
    backend = demo_backend(clock, past=3000 if name == "many" else 150)
    if name in ("quiet", "many"):
        backend.world._due.clear()
        live = RunFilter(statuses=frozenset({RunStatus.RUNNING, RunStatus.WAITING}))
        for row in backend.world.select(live):
            if row.workflow_id != "reminder":
                del backend.world.runs[row.run_id]
    return backend


class Inputs:
    """Counts what was typed and has arrived in the app."""

    def __init__(self, driver: Driver) -> None:
        self._arrived = 0
        self._news = asyncio.Event()
        loop, process = asyncio.get_running_loop(), driver.process_message

        def counting(message: Message) -> None:
            """In the driver's thread."""
            process(message)
            if isinstance(message, InputEvent):
                loop.call_soon_threadsafe(self._count)

        driver.process_message = counting  # type: ignore[method-assign] # watched

    async def until(self, number: int) -> None:
        """Wait until so many have arrived."""
        while self._arrived < number:
            self._news.clear()
            await self._news.wait()

    def _count(self) -> None:
        self._arrived += 1
        self._news.set()


class Writes:
    """Counts what was written to the terminal."""

    def __init__(self, driver: Driver) -> None:
        self.count = 0
        write = driver.write

        def counting(data: str) -> None:
            self.count += 1
            write(data)

        driver.write = counting  # type: ignore[method-assign] # watched


async def obey(clock: ManualClock, app: StudioApp, commands: int, done: Callable[[], None] = lambda: None) -> None:
    """Do what the parent says; ``done`` is called whenever something was."""
    loop = asyncio.get_running_loop()
    driver = app._driver
    assert driver is not None
    inputs, writes, pilot = Inputs(driver), Writes(driver), Pilot(app)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(commands, "rb"))
    while line := await reader.readline():
        command, seconds, number = line.decode().split()
        await inputs.until(int(number))
        if command == "advance":
            await clock.advance(float(seconds))
        quiet = 0
        while quiet < QUIET_ROUNDS:
            before = writes.count
            for _ in range(200):
                await asyncio.sleep(0)
            if command == "glance":
                break
            await pilot.pause()
            quiet = quiet + 1 if writes.count == before else 0
        done()
        driver.write(DONE.decode())


def main() -> None:
    """Run until the terminal or the operator ends it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    name, theme = sys.argv[1], sys.argv[2]
    commands = int(sys.argv[3])
    real = name in ("real", "deaf")
    if name == "deaf":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    clock: Clock = SystemClock() if real else ManualClock(NOW)
    log_path = log_to(Path(sys.argv[4])) if len(sys.argv) > 4 else None
    config = StudioConfig(
        theme=theme,
        glyphs="unicode",
        timezone="UTC",
        multiplexer="none",
        state_dir=str(log_path.parent) if log_path is not None else "/nonexistent",
        editor=os.environ.get("EDITOR", ""),
    )
    run_id = None
    backend = world(name, clock)
    if name == "run":
        run_id = backend.world.select(RunFilter(workflow="order", statuses=frozenset({RunStatus.WAITING})))[0].run_id
    app = StudioApp(backend, config, clock, run_id=run_id, log_path=log_path)
    tasks: list[asyncio.Task[None]] = []

    def begin() -> None:
        if isinstance(clock, ManualClock):
            tasks.append(asyncio.create_task(obey(clock, app, commands)))

    def break_down() -> None:
        secret = "canary-value"
        raise ZeroDivisionError(len(secret))

    app.call_later(begin)
    if name == "broken":
        app.call_later(break_down)
    app.run()
    sys.exit(app.return_code or 0)


if __name__ == "__main__":
    main()
