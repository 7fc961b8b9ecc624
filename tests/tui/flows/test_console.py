"""The studio as a console: what reaches outside is not offered, and says why when it is asked for."""

from __future__ import annotations

import os
from typing import Any

import pytest

from runstudio_tui.actions import ACTIONS, Scope, Situation, console_refusal, footer
from runstudio_tui.clipboard import OSC52_CAP

IN_CONSOLE = Situation(console=True)
OUTSIDE = [action for action in ACTIONS if action.not_in_console]


@pytest.fixture(autouse=True)
def _no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*_: object) -> None:
        raise AssertionError("something outside the studio was reached")

    monkeypatch.setattr("runstudio_tui.flows.edit_text", reached)
    monkeypatch.setattr(os, "kill", reached)


def test_what_starts_a_program_or_leaves_the_studio_is_marked_in_the_table() -> None:
    outside = {"app.suspend", "dialog.editor", "run.export", "runs.export", "workflows.publish"}
    assert outside <= {action.id for action in OUTSIDE}
    for action in OUTSIDE:
        assert console_refusal(action, IN_CONSOLE) == f"not in the console: {action.not_in_console}"
        assert console_refusal(action, Situation()) == ""


@pytest.mark.parametrize("scope", Scope)
def test_no_line_of_keys_offers_it(scope: Scope) -> None:
    assert not {action.id for action in footer(scope, IN_CONSOLE)} & {action.id for action in OUTSIDE}


async def test_ctrl_z_says_why_it_does_nothing(studio: Any) -> None:
    async with studio(console=True) as session:
        await session.press("ctrl+z")
        assert "suspend: not in the console: there is no shell behind it" in session.note
        await session.press("w", "ctrl+z")
        assert "not in the console: there is no shell behind it" in session.said


async def test_ctrl_z_would_suspend_without_a_console(studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with studio() as session:
        suspended: list[str] = []
        monkeypatch.setattr(session.app, "action_suspend_process", lambda: suspended.append("yes"))
        await session.press("ctrl+z")
        assert suspended == ["yes"]


async def test_the_palette_and_the_help_say_why(studio: Any) -> None:
    async with studio(console=True, size=(120, 60)) as session:
        await session.press("ctrl+p")
        await session.type("suspend")
        assert session.said == "not now: not in the console: there is no shell behind it"
        await session.press("enter")
        assert "suspend: not in the console" in session.note
        await session.press("colon")
        await session.type("suspend")
        await session.press("enter")
        assert "suspend: not in the console" in session.note
        await session.press("question_mark")
        told = " ".join(session.screen._list.all_text.split())
        for action in (action for action in OUTSIDE if action.scope in (Scope.EVERYWHERE, Scope.DIALOG)):
            assert f"not now: not in the console: {action.not_in_console}" in told


OPENED = {
    "start": ("1", "n", "enter"),
    "replay": ("1", "down", "r"),
    "submit": ("2", "n", "x"),
    "answer": ("3", "a"),
}


@pytest.mark.parametrize("keys", OPENED.values(), ids=OPENED)
async def test_no_dialog_offers_or_starts_an_editor(studio: Any, keys: tuple[str, ...]) -> None:
    async with studio() as session:
        await session.press(*keys)
        assert "ctrl+e" in session.text
    async with studio(console=True) as session:
        await session.press(*keys)
        assert "ctrl+e" not in session.text
        await session.press("ctrl+e")
        assert session.said == "not in the console: it starts no other program"


async def test_a_copy_that_is_too_large_is_told_in_the_dialog_too(studio: Any) -> None:
    async with studio(console=True, clipboard="osc52") as session:
        session.app.studio.journal.note("y" * OSC52_CAP)
        await session.press("m", "ctrl+y")
        assert "text was not copied" in session.said
        assert session.written == []


@pytest.mark.parametrize("console", [False, True])
async def test_a_payload_is_read_from_no_file(studio: Any, console: bool) -> None:
    async with studio(console=console) as session:
        await session.press("1", "n", "enter", "shift+tab")
        chosen: list[str] = []
        for _ in range(8):
            chosen.append(session.line("Payload "))
            await session.press("right")
        assert any("file…" in line for line in chosen) is not console
        assert any("empty" in line for line in chosen)
