"""What is on the screen when a server does not answer: nothing says live that is not, and trouble is never hidden."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.screens.dialogs.why import WhyDialog
from tests.tui.conftest import WIDE
from tests.tui.refusals import postgres_away


async def test_a_server_that_stands_still_is_told_with_the_age_of_the_data(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        assert "● live" in session.text
        for name in ("runs.list", "system.installation"):
            backend.hold(name)
        await session.pass_time(13)
        assert "● live" not in session.text
        assert "○ not current" in session.text
        assert "old" in session.note
        await session.pass_time(60)
        assert "● live" not in session.text
        assert "data 1m" in session.note
        assert "No answer within 10 s." in session.note
        assert "✖ no Postgres" in session.text.split("\n")[0]


async def test_a_run_that_is_opened_while_a_server_stands_still_says_so(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        backend.hold("runs.get")
        await session.press("enter")
        assert type(session.screen).__name__ == "RunScreen"
        await session.pass_time(30)
        assert "live" not in session.text
        assert "no data yet" in session.note
        assert "No answer within 10 s." in session.note


@pytest.mark.parametrize(
    ("asked", "to", "key"),
    [
        ("system.attention", "5", "enter"),
        ("tasks.list", "3", "a"),
        ("workflows.list", "4", "p"),
        ("events.list", "2", "enter"),
    ],
)
async def test_a_list_that_was_not_read_yet_is_neither_live_nor_empty(
    studio: Any, backend: FakeBackend, asked: str, to: str, key: str
) -> None:
    async with studio() as session:
        answer = backend.hold(asked)
        await session.press(to)
        assert "● live" not in session.text
        assert "○ loading" in session.text
        await session.press(key)
        assert "the list is still loading" in session.note
        answer.set()
        await session.until(lambda: "● live" in session.text)


async def test_a_run_that_was_not_read_yet_is_not_live(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        answer = backend.hold("runs.get")
        await session.press("enter")
        assert "○ loading" in session.text
        assert "● live" not in session.text
        answer.set()
        await session.until(lambda: "● live" in session.text)
        backend.hold("runs.get")
        await session.pass_time(12)
        assert "○ not current" in session.text, "an answer is overdue by two polls"


async def test_trouble_outranks_what_was_said(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        backend.fail_next("runs.list", postgres_away(), times=50)
        await session.pass_time(12)
        assert "data 12s old" in session.note
        await session.press("escape")
        assert "q leaves the studio" not in session.note
        assert "old" in session.note
        await session.pass_time(3)
        assert "data 15s old" in session.note
        await session.press("m")
        assert "q leaves the studio" in session.text, "all that was said is kept"


async def test_what_was_said_ends_by_time(studio: Any) -> None:
    async with studio() as session:
        await session.press("escape")
        assert session.note == " q leaves the studio"
        await session.pass_time(30)
        assert "q leaves the studio" not in session.text


async def test_a_run_opened_while_all_is_paused_still_loads(studio: Any) -> None:
    async with studio() as session:
        await session.press("P", "j", "enter")
        await session.pass_time(5)
        assert "loading…" not in session.text
        assert "place-order" in session.text or "STEPS" in session.text
        assert "paused by hand" in session.note
        await session.press("escape")
        assert "‖ paused" in session.text
        await session.press("P", "enter")
        await session.pass_time(5)
        assert "paused" not in session.note


@pytest.mark.parametrize("keys", [("question_mark",), ("w",), ("c",), ("n",), ("n", "enter"), ("ctrl+p",), ("colon",)])
async def test_ctrl_z_and_ctrl_c_work_in_dialogs(studio: Any, monkeypatch: pytest.MonkeyPatch, keys: Any) -> None:
    stopped: list[int] = []
    async with studio() as session:
        await session.press(*keys)
        monkeypatch.setattr(type(session.app), "action_suspend_process", lambda _: stopped.append(signal.SIGTSTP))
        await session.press("ctrl+z")
        assert stopped == [signal.SIGTSTP]
        await session.press("ctrl+c")
        assert session.app._exit


async def test_why_is_shown_over_a_list_that_goes_on(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("w")
        assert isinstance(session.screen, WhyDialog)
        asked = len(backend.called("runs.list"))
        await session.pass_time(12)
        assert len(backend.called("runs.list")) >= asked + 2


async def test_the_time_at_the_top_is_named(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        await session.press("slash")
        await session.type("status:failed")
        await session.press("enter")
        backend.world._due.clear()
        await session.pass_time(5)
        before = session.text.split("\n")[0]
        assert "changed 10:43:" in before
        await session.pass_time(20)
        assert session.text.split("\n")[0] == before, "it is not the time of day"
