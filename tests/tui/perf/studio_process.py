"""The studio in a process of its own, on a terminal, with a clock that moves when told.

``python studio_process.py WORLD THEME COMMANDS ANSWERS``: the last two are file descriptors. Commands (``advance SECONDS``,
``settle``) come a line each, and each is answered with ``ok`` once everything that follows from it has been done.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import termios
from datetime import UTC, datetime
from pathlib import Path

from runstudio_tui.app import StudioApp
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import Clock, ManualClock, SystemClock
from runstudio_tui.config import StudioConfig
from runstudio_tui.domain.models import RunStatus
from runstudio_tui.domain.query import RunQuery
from runstudio_tui.logfile import log_to

NOW = datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC)


def world(name: str, clock: Clock) -> FakeBackend:
    """``demo``, or ``quiet``: the same without anything that goes on."""
    backend = demo_backend(clock, past=150)
    if name == "quiet":
        backend.world._due.clear()
        live = RunQuery(statuses=frozenset({RunStatus.RUNNING, RunStatus.WAITING}))
        for row in backend.world.select(live):
            if row.workflow_id != "reminder":
                del backend.world.runs[row.run_id]
    return backend


async def obey(clock: ManualClock, app: StudioApp, commands: int, answers: int) -> None:
    """Do what the parent says."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(commands, "rb"))
    while line := await reader.readline():
        command, _, argument = line.decode().strip().partition(" ")
        if command == "advance":
            await clock.advance(float(argument))
        for _ in range(200):
            await asyncio.sleep(0)
        done = asyncio.Event()
        app.call_after_refresh(done.set)
        await done.wait()
        os.write(answers, b"ok\n")


def main() -> None:
    """Run until the terminal or the operator ends it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    name, theme = sys.argv[1], sys.argv[2]
    commands, answers = int(sys.argv[3]), int(sys.argv[4])
    real = name == "real"
    clock: Clock = SystemClock() if real else ManualClock(NOW)
    config = StudioConfig(theme=theme, glyphs="unicode", timezone="UTC", multiplexer="none", state_dir="/nonexistent")
    run_id = None
    backend = world("quiet" if name == "quiet" else "demo", clock)
    if name == "run":
        run_id = backend.world.select(RunQuery(workflow="order", statuses=frozenset({RunStatus.WAITING})))[0].run_id
    log_path = log_to(Path(sys.argv[5])) if len(sys.argv) > 5 else None
    app = StudioApp(backend, config, clock, run_id=run_id, log_path=log_path)
    tasks: list[asyncio.Task[None]] = []

    def begin() -> None:
        if isinstance(clock, ManualClock):
            tasks.append(asyncio.create_task(obey(clock, app, commands, answers)))

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
