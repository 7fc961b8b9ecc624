"""The studio with a list of many loaded runs, for measuring it from outside: ``python -m tests.bench.long_list ROWS``.

Its clock stands still, so that nothing but a key makes it draw. ``READY`` is written once everything is loaded.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.records import Page, RunFilter, RunRow
from runstudio_tui.app import StudioApp
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.config import StudioConfig
from runstudio_tui.screens.runs.screen import RunsScreen

NOW = datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC)
READY = b"\x1b_ready\x1b\\"
"""For the one that measures; a terminal shows nothing of it."""


def with_runs(backend: FakeBackend, number: int) -> None:
    """Let the list of runs have so many, whatever the filter, those of the world by turns."""
    world = backend.world
    world._due.clear()
    known = [run.row for run in world.runs.values()]
    rows = [_row(world, known[place % len(known)], place) for place in range(number)]

    async def pages(_: RunFilter = RunFilter(), *, after: str | None = None, limit: int = 50) -> Page[RunRow]:
        begin = int(after or 0)
        end = begin + limit
        return Page(tuple(rows[begin:end]), str(end) if end < number else None, world.now())

    backend.runs.list = pages  # type: ignore[method-assign] # the world itself would sort all of them for every page


def _row(world: Any, like: RunRow, place: int) -> RunRow:
    at = world.now() - timedelta(hours=1, seconds=place)
    return replace(like, run_id=world.fresh_id(at), started_at=at)


async def _load(app: StudioApp, clock: ManualClock) -> None:
    while not isinstance(app.screen, RunsScreen) or not app.screen.store.loaded:  # nobody tells
        await clock.advance(0.1)
        await asyncio.sleep(0.01)
    screen = app.screen
    while screen.store.more:
        await screen.store.load_more()
    screen.redraw_list()
    await asyncio.sleep(1)
    driver = app._driver
    assert driver is not None
    driver.write(READY.decode())


def main() -> None:
    """Run until somebody ends it."""
    clock = ManualClock(NOW)
    backend = demo_backend(clock)
    with_runs(backend, int(sys.argv[1]))
    config = StudioConfig(glyphs="unicode", timezone="UTC", multiplexer="none", state_dir="/nonexistent", editor="")
    app = StudioApp(backend, config, clock)
    tasks: list[asyncio.Task[None]] = []
    app.call_later(lambda: tasks.append(asyncio.create_task(_load(app, clock))))
    app.run()


if __name__ == "__main__":
    main()
