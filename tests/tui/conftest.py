"""The studio under test: a fake world, a clock that stands still until told, no environment of whoever runs the tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sized
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from runstudio_tui.app import StudioApp
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.config import StudioConfig
from runstudio_tui.docs import draw
from runstudio_tui.screens.base import StudioScreen
from runstudio_tui.widgets.painted import Painted

NOW = datetime(2026, 1, 15, 10, 43, 21, tzinfo=UTC)
NARROW = (80, 24)
WIDE = (120, 36)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("TEXTUAL", "RUNSTUDIO_", "NO_COLOR", "COLORTERM", "TMUX", "STY")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("LANG", "C.UTF-8")


async def nothing_left(*_seconds: float) -> None:
    """Return when no task and no callback of the loop can go on by itself."""
    ready: Sized = asyncio.get_running_loop()._ready  # type: ignore[attr-defined] # the loop says it nowhere else
    quiet = 0
    while quiet < 2:
        await asyncio.sleep(0)
        quiet = 0 if len(ready) else quiet + 1


@pytest.fixture(autouse=True)
def _idle_by_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's pilot guesses from the processor time of 20 ms whether the app is idle."""
    monkeypatch.setattr("textual.pilot.wait_for_idle", nothing_left)
    monkeypatch.setattr("textual.app.wait_for_idle", nothing_left)


@pytest.fixture
def clock() -> ManualClock:
    """Stands at ``NOW``."""
    return ManualClock(NOW)


@pytest.fixture
def config(tmp_path: Path) -> StudioConfig:
    """Settings of every test: nothing from this machine."""
    return StudioConfig(
        glyphs="unicode", timezone="UTC", state_dir=str(tmp_path), multiplexer="none", editor="false", clipboard="auto"
    )


@pytest.fixture
def backend(clock: ManualClock) -> FakeBackend:
    """The demo world."""
    return demo_backend(clock, past=140)


@dataclass
class Session:
    """One open studio."""

    app: StudioApp
    pilot: Pilot[None]
    clock: ManualClock
    backend: FakeBackend
    written: list[str]
    """What was sent to the terminal beside the screen: clipboard sequences."""

    async def settle(self) -> None:
        """Let everything that can happen now happen."""
        for _ in range(2):
            await nothing_left()
            await self.pilot.pause()
            await draw(self.app, nothing_left)

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, each seen through."""
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def type(self, text: str) -> None:
        """Type a text into what has the focus."""
        names = {" ": "space", ":": "colon", "-": "minus", ".": "full_stop", "@": "at", ",": "comma", "_": "underscore"}
        for char in text:
            await self.pilot.press(names.get(char, char))
        await self.settle()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, and everything that happens in it."""
        await self.clock.advance(seconds)
        await self.settle()

    async def resize(self, width: int, height: int) -> None:
        """Give the terminal another size."""
        await self.pilot.resize_terminal(width, height)
        while self.app._resize_event is not None:  # noqa: ASYNC110 # Textual tells of it nowhere
            await asyncio.sleep(0.01)  # Textual collects sizes for some milliseconds of real time
        await self.settle()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, without waiting for any length of time."""
        for _ in range(200):
            if condition():
                return
            await self.settle()
        raise AssertionError(f"did not come true; the screen shows:\n{self.text}")

    @property
    def screen(self) -> Any:
        """The screen on top."""
        return self.app.screen

    @property
    def text(self) -> str:
        """What is drawn, as text: all lines of the top screen from top to bottom."""
        strips = self.app.screen._compositor.render_strips()  # the one way to read a whole frame as text
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    def line(self, containing: str) -> str:
        """The first drawn line containing a text; fails when there is none."""
        found = [text for text in self.text.split("\n") if containing in text]
        assert found, f"no line contains {containing!r}:\n{self.text}"
        return found[0]

    @property
    def note(self) -> str:
        """What the topmost full screen says below, as one line."""
        screens = [screen for screen in self.app.screen_stack if isinstance(screen, StudioScreen)]
        return screens[-1].query_one("#note", Painted).text.replace("\n", " ")

    @property
    def said(self) -> str:
        """What the open dialog says, as one line."""
        return self.screen.query_one("#said", Painted).text.replace("\n", " ")


Open = Callable[..., Any]


@pytest.fixture
def studio(clock: ManualClock, config: StudioConfig, backend: FakeBackend) -> Open:
    """``async with studio(size=..., **settings) as session`` opens the studio and waits for its first screen."""

    @asynccontextmanager
    async def opened(
        *,
        size: tuple[int, int] = NARROW,
        on: FakeBackend | None = None,
        filter_text: str = "",
        run_id: str | None = None,
        settle: bool = True,
        **settings: Any,
    ) -> AsyncIterator[Session]:
        used = on or backend
        app = StudioApp(used, replace(config, **settings), clock, filter_text=filter_text, run_id=run_id)
        written: list[str] = []
        app.clipboard_out._write = written.append
        async with app.run_test(size=size, notifications=True) as pilot:
            session = Session(app, pilot, clock, used, written)
            if settle:
                await session.until(lambda: isinstance(app.screen, StudioScreen))
                await session.pass_time(0.5)
            yield session

    return opened


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> Callable[[Session, str], None]:
    """``picture(session, name)`` compares what is drawn with the picture of that name."""

    def compare(session: Session, name: str) -> None:
        drawn = session.app.export_screenshot(title="Run Studio", simplify=True)
        assert drawn == snapshot(name=name, extension_class=SVGImageExtension)

    return compare
