"""Texts that try to drive the terminal, through every screen, pane and dialog: they are drawn, and nothing else."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from rich.segment import Segment
from textual.app import App
from textual.color import Color

from engine.errors import Unavailable
from runstudio_tui.app import StudioApp
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.hostile import EVIL, hostile_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.screens.base import StudioScreen
from runstudio_tui.text import safe
from runstudio_tui.themes import LastGuard

INVISIBLE = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\u2028\u2029\ufeff")

# Each way is a sequence of keys from the runs list; after every key the whole screen is looked at.
WAYS: dict[str, list[str]] = {
    "list and preview": ["down", "down", "down"],
    "stuck run": ["enter", "o", "v", "l", "p", "x"],
    "waiting run": ["down", "enter", "o", "i", "p", "x", "l", "v"],
    "failed run": ["down", "down", "enter", "o", "i", "tab", *["down"] * 4, "enter", "escape", "l", "p", "minus"],
    "finished run": ["end", "enter", "home", "down", "right", "down", "right", "down", "i", "v"],
    "timeline": ["down", "enter", "d", "up", "plus", "right"],
    "why": ["w", "escape", "down", "w"],
    "cancel": ["asterisk", "c", "a", "b", "c", "ctrl+s"],
    "export": ["e", "right", "ctrl+s", "escape", "down", "enter", "e", "ctrl+s", "ctrl+s", "escape"],
    "start": ["n", "enter", "tab", "ctrl+s", "escape"],
    "help and palette": ["question_mark", "escape", "ctrl+p", "down"],
    "copy and messages": ["y", "Y", "m"],
    "filter": ["W", "slash", "x", "enter"],
    "events": ["2", "enter", *["down"] * 12, "escape", "y", "space"],
    "dead letters": ["2", "D", "enter", "down", "escape", "space", "r", "a", "b", "c", "ctrl+s", "escape"],
    "submit": ["2", "n", "x", "ctrl+s"],
    "tasks": ["3", "enter", *["down"] * 12, "escape", "h", "escape"],
    "answer": ["3", "a", "tab", "right", "ctrl+s", "ctrl+j", "ctrl+s", "escape"],
    "workflows": ["4", "enter", *["down"] * 12, "end", "escape", "end", "enter", *["down"] * 24, "end", "escape"],
    "pausing and firing": [
        *("4", "down", "p", "a", "b", "c", "ctrl+s", "escape", "escape"),
        *("up", "u", "ctrl+s", "escape", "l", "7", "ctrl+s", "escape", "f", "a", "b", "c", "ctrl+s", "escape"),
    ],
    "versions": [
        *("4", "d", *["down"] * 6, "tab", *["down"] * 6, "escape", "right_curly_bracket", "equals_sign"),
        *("left_square_bracket", "right_square_bracket", "d", "slash", "x", "enter", "n", "y", "Y"),
    ],
    "related": ["enter", "v", "tab", "end", "up", "up", "up", "enter"],
}


TYPED = {"start", "filter", "submit", "answer"}
"""Ways through an editor, which must hold the text as it is: there the last guard alone keeps it harmless."""


@pytest.fixture
def hostile(clock: ManualClock) -> FakeBackend:
    """The hostile world."""
    return hostile_backend(clock)


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the guard that every line passes last: what the screens give to widgets must be harmless by itself."""
    monkeypatch.setattr(StudioApp, "get_line_filters", App.get_line_filters)


def check(session: Any) -> None:
    """Nothing that could drive a terminal is in any drawn segment."""
    for strip in session.app.screen._compositor.render_strips():
        for segment in strip:
            for char in segment.text:
                assert unicodedata.category(char) not in ("Cc", "Cs"), repr(segment.text)
                assert char not in INVISIBLE, repr(segment.text)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
@pytest.mark.parametrize("way", WAYS)
async def test_every_screen_draws_it_harmlessly(
    studio: Any, hostile: FakeBackend, way: str, size: tuple[int, int], request: pytest.FixtureRequest
) -> None:
    if way not in TYPED:
        request.getfixturevalue("unguarded")
    async with studio(size=size, on=hostile) as session:
        check(session)
        assert "wf" in session.text
        for key in WAYS[way]:
            await session.press(key)
            await session.pass_time(0.4)
            check(session)
        screens = [screen for screen in session.app.screen_stack if isinstance(screen, StudioScreen)]
        assert not any(poller.freshness.failures for screen in screens for poller in screen.pollers())
        assert not session.app.studio.journal.entries or all(
            "internal error" not in entry.text for entry in session.app.studio.journal.entries
        )


FAILING: dict[str, list[str]] = {
    "runs.payload": ["enter", "p"],
    "runs.logs": ["enter", "l"],
    "runs.why": ["w"],
    "runs.rows": ["c", "a", "b", "c", "ctrl+s"],
    "runs.cancel": ["c", "a", "b", "c", "ctrl+s"],
    "workflows.list": ["n"],
    "workflows.examples": ["n", "enter"],
    "workflows.versions": ["4", "enter"],
    "workflows.callers": ["4", "enter"],
    "workflows.definition": ["4", "d"],
    "workflows.pause": ["4", "down", "p", "a", "b", "c", "ctrl+s"],
    "schedules.next_times": ["4", "enter"],
    "schedules.fires": ["4", "enter"],
}
"""By call that fails: the keys by which its error comes to the screen."""


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.usefixtures("unguarded")
async def test_what_the_backend_refuses_is_told_harmlessly(studio: Any, hostile: FakeBackend, name: str) -> None:
    evil = "\x1b]52;c;eA==\x07\u202e[red]"
    async with studio(size=(120, 36), on=hostile) as session:
        hostile.fail_next(name, Unavailable("EVIL", evil, evil), times=9)
        for key in FAILING[name]:
            await session.press(key)
            await session.pass_time(0.4)
            check(session)
        assert safe(evil)[:6] in session.text


async def test_errors_of_the_backend_are_harmless_too(studio: Any, hostile: FakeBackend) -> None:
    evil = "\x1b]52;c;eA==\x07\u202e[red]"
    async with studio(on=hostile) as session:
        hostile.fail_next("runs.list", Unavailable("EVIL", evil, evil), times=9)
        await session.pass_time(15)
        check(session)
        assert safe(evil)[:6] in session.note
    hostile.fail_next("open", Unavailable("EVIL", evil, evil))
    async with studio(on=hostile, settle=False) as session:
        await session.settle()
        check(session)
        assert "␛" in session.text


def test_the_last_guard_lets_nothing_through() -> None:
    guard = LastGuard(ascii_only=False)
    made = guard.apply([Segment(EVIL), Segment("fine ✔")], Color(0, 0, 0))
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for segment in made for char in segment.text)
    assert made[1].text == "fine ✔"
    assert all(segment.text.isascii() for segment in LastGuard(ascii_only=True).apply(made, Color(0, 0, 0)))


@pytest.mark.usefixtures("unguarded")
@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
async def test_findings_of_a_hostile_file_are_told_harmlessly(
    studio: Any, hostile: FakeBackend, tmp_path: Path, size: tuple[int, int]
) -> None:
    twice = {"id": EVIL, "type": EVIL, EVIL: EVIL}
    body = {"id": EVIL, "name": EVIL, "payloadSchemaRef": EVIL, "steps": [twice, twice]}
    (tmp_path / "evil.json").write_text(json.dumps(body), encoding="utf-8")
    async with studio(size=size, on=hostile) as session:
        await session.press("4", "N")
        dialog = session.screen
        for name in ("evil.json", "evil\x1b[31m\u202e.json"):
            dialog.query_one("#field-path").value = str(tmp_path / name)
            for _ in range(3):
                await session.press("ctrl+s")
                await asyncio.gather(*dialog._tasks)
                await session.settle()
                # What is typed stands in an editor as it is; everything else is drawn by us.
                for line in session.text.split("\n"):
                    if "evil" not in line:
                        assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in line), repr(line)
            await session.press("ctrl+y")


async def test_markup_is_text(studio: Any, hostile: FakeBackend) -> None:
    async with studio(size=(120, 36), on=hostile) as session:
        await session.press("down", "down", "enter")
        assert "[bold red]markup[/]" in session.text


async def test_ascii_mode_writes_ascii_only(studio: Any, hostile: FakeBackend) -> None:
    async with studio(size=(120, 36), on=hostile, glyphs="ascii") as session:
        for key in ["enter", "v", "l", "escape", "escape", "c", "escape", "question_mark"]:
            await session.press(key)
            assert session.text.isascii()


async def test_without_colour_no_colour_is_written(studio: Any, hostile: FakeBackend) -> None:
    async with studio(on=hostile, color=False) as session:
        for strip in session.app.screen._compositor.render_strips():
            for segment in strip:
                style = segment.style
                assert style is None or style.color is None or style.color.is_default
