"""What is on the screen when a server does not answer: nothing says live that is not, and trouble is never hidden."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from engine.records import RunStatus
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.screens.dialogs.base import Dialog
from runstudio_tui.screens.dialogs.why import WhyDialog
from tests.tui.conftest import WIDE
from tests.tui.flows.test_advertised_keys import DIALOGS
from tests.tui.flows.test_main_screens import healthy
from tests.tui.flows.test_run import waiting_order
from tests.tui.refusals import postgres_away


async def test_s5_a_server_that_stands_still_is_told_with_the_age_of_the_data(
    studio: Any, backend: FakeBackend
) -> None:
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


async def test_s5_a_run_that_is_opened_while_a_server_stands_still_says_so(studio: Any, backend: FakeBackend) -> None:
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


async def test_after_a_stop_all_is_read_at_once_and_nothing_is_told_as_away(studio: Any, backend: FakeBackend) -> None:
    healthy(backend.world)
    async with studio() as session:
        await session.pass_time(11)
        assert "1 worker " in session.text.split("\n")[0]
        asked = ("runs.list", "system.installation")
        held = [backend.hold(name) for name in asked]
        await session.pass_time(10)
        before = [len(backend.called(name)) for name in asked]
        session.clock.stop_for(300)
        session.app.app_resume_signal.publish(session.app)  # as Textual does after ctrl+z and after an editor
        await session.pass_time(0)
        assert "no Postgres" not in session.text
        assert [len(backend.called(name)) for name in asked] == [number + 1 for number in before]
        for gate in held:
            gate.set()
        await session.settle()
        assert "1 worker " in session.text.split("\n")[0]
        assert "● live" in session.text


async def test_s6_trouble_outranks_what_was_said(studio: Any, backend: FakeBackend) -> None:
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


async def test_a_key_is_answered_beside_a_pause_and_a_refusal(studio: Any) -> None:
    """Neither is trouble: what a key did, or why it did nothing, is seen, and then the other again."""
    async with studio() as session:
        await session.press("P")
        await session.press("y")
        assert "run id" in session.note
        await session.pass_time(30)
        assert "paused" in session.note
    async with studio(run_id="0198c2aa-0000-7000-8000-000000000000") as session:
        await session.pass_time(5)
        refused = session.note
        assert "There is no run" in refused
        await session.press("c")
        assert session.note.startswith(" cancel: ")
        await session.pass_time(30)
        assert session.note == refused


async def test_s6_what_was_said_ends_by_time(studio: Any) -> None:
    async with studio() as session:
        await session.press("escape")
        assert session.note == " q leaves the studio"
        await session.pass_time(30)
        assert "q leaves the studio" not in session.text


async def test_s10_a_run_opened_while_all_is_paused_still_loads(studio: Any) -> None:
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


async def test_s10_a_pause_begun_on_a_run_is_that_of_every_screen(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("enter", "P", "escape")
        assert "‖ paused" in session.text
        assert "● live" not in session.text
        await session.press("j", "enter")
        await session.pass_time(5)
        assert "loading" not in session.text
        assert "STEPS" in session.text
        await session.press("P", "escape")
        await session.pass_time(5)
        assert "● live" in session.text


@pytest.mark.parametrize("keys", DIALOGS.values(), ids=DIALOGS)
async def test_s15_ctrl_z_and_ctrl_c_work_in_dialogs(studio: Any, monkeypatch: pytest.MonkeyPatch, keys: Any) -> None:
    stopped: list[int] = []
    async with studio() as session:
        await session.press(*keys)
        assert isinstance(session.screen, Dialog)
        monkeypatch.setattr(type(session.app), "action_suspend_process", lambda _: stopped.append(signal.SIGTSTP))
        await session.press("ctrl+z")
        assert stopped == [signal.SIGTSTP]
        await session.press("ctrl+c")
        assert session.app._exit


async def test_s16_why_is_shown_over_a_list_that_goes_on(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("w")
        assert isinstance(session.screen, WhyDialog)
        asked = len(backend.called("runs.list"))
        await session.pass_time(12)
        assert len(backend.called("runs.list")) >= asked + 2


async def test_s29_why_is_kept_current_while_it_is_open(studio: Any, backend: FakeBackend) -> None:
    run = backend.world.runs[waiting_order(backend)]
    answer = backend.hold("runs.why")
    async with studio(run_id=run.row.run_id) as session:
        await session.press("w")
        assert "asking Temporal…" in session.text
        answer.set()
        await session.until(lambda: "WAITING_EVENT" in session.text)
        run.finish(backend.world.now(), RunStatus.CANCELED, None)
        await session.pass_time(11)
        assert "WAITING_EVENT" not in session.text


async def test_s30_the_time_at_the_top_is_named(studio: Any, backend: FakeBackend) -> None:
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
