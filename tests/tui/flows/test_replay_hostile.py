"""Texts that try to drive the terminal, through the dialogs of replays: they are drawn, and nothing else."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from textual.app import App

from engine.errors import Invalid
from runstudio_tui.app import StudioApp
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.hostile import EVIL, hostile_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.domain.jsonview import pretty
from runstudio_tui.widgets.json_editor import JsonEditor

INVISIBLE = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\u2028\u2029\ufeff")
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])


@pytest.fixture
def hostile(clock: ManualClock) -> FakeBackend:
    """The hostile world."""
    return hostile_backend(clock)


@pytest.fixture(autouse=True)
def _unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the guard that every line passes last."""
    monkeypatch.setattr(StudioApp, "get_line_filters", App.get_line_filters)


def check(session: Any) -> None:
    """Nothing that could drive a terminal is in any drawn segment."""
    for strip in session.app.screen._compositor.render_strips():
        for segment in strip:
            for char in segment.text:
                assert unicodedata.category(char) not in ("Cc", "Cs"), repr(segment.text)
                assert char not in INVISIBLE, repr(segment.text)


async def press(session: Any, *keys: str) -> None:
    """Press keys and look at the whole screen after each."""
    for key in keys:
        await session.press(key)
        check(session)


@SIZES
async def test_the_dialog_its_preview_and_its_refusals(
    studio: Any, hostile: FakeBackend, size: tuple[int, int]
) -> None:
    async with studio(on=hostile, size=size) as session:
        await press(session, "end", "r")
        await session.until(lambda: "loading" not in session.text)
        check(session)
        assert "Already done" in session.text
        await session.type("because")
        await press(session, "ctrl+t", "down", "end", "ctrl+t")
        editor = session.screen.query_one(JsonEditor)
        value = {EVIL: f"{EVIL}2", "list": [], "new": {EVIL: [EVIL]}}
        editor.text = pretty(value)
        await session.settle()
        check(session)
        assert "edited: " in session.text
        await press(session, "ctrl+t", "end", "ctrl+t")
        editor.text = f'{{"{EVIL[:5]}"}}'
        await session.settle()
        check(session)
        editor.text = pretty({"list": 1})
        hostile.fail_next(
            "runs.replay",
            Invalid(EVIL, EVIL, EVIL, {"issues": [{"pointer": f"/{EVIL}", "message": EVIL, "keyword": EVIL}]}),
        )
        await session.settle()
        await press(session, "ctrl+s", "escape", "escape")
        assert all("internal error" not in entry.text for entry in session.app.studio.journal.entries)


@SIZES
async def test_several(studio: Any, hostile: FakeBackend, size: tuple[int, int]) -> None:
    async with studio(on=hostile, size=size) as session:
        await press(session, "asterisk", "r", "a", "b", "c", "ctrl+s")
        await session.settle()
        check(session)
        await press(session, "ctrl+y", "escape")
        assert "replayed" in session.note


@SIZES
async def test_where_the_source_is_named(studio: Any, hostile: FakeBackend, size: tuple[int, int]) -> None:
    for run in hostile.world.runs.values():
        run.row = replace(run.row, replay_of=EVIL)
    async with studio(on=hostile, size=size) as session:
        await press(session, "enter")
        assert "replay of" in session.text
