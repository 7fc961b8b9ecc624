"""The six main screens: going to them, what the top line tells, and what Attention and System lead to."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import Unavailable
from engine.records import AttentionKind, HealthPart, OpenWait, PartState, RunStatus, WaitKind
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.fake.world import World
from tests.tui.conftest import WIDE

SCREENS = {
    "1": "RunsScreen",
    "2": "EventsScreen",
    "3": "TasksScreen",
    "4": "WorkflowsScreen",
    "5": "AttentionScreen",
    "6": "SystemScreen",
}


def name(session: Any) -> str:
    return type(session.screen).__name__


def healthy(world: World) -> None:
    world.health = tuple(replace(part, state=PartState.OK) for part in world.health)


def pause_for_quota(world: World, number: int) -> list[str]:
    """Let some live runs wait for quota."""
    live = [run for run in world.runs.values() if not run.row.status.ended and not run.row.read_only][:number]
    for run in live:
        run.change(world.now(), status=RunStatus.WAITING, wait=OpenWait(WaitKind.QUOTA, world.now()), step_count=1)
    return [run.row.run_id for run in live]


async def test_each_key_goes_to_its_screen_from_everywhere(studio: Any) -> None:
    async with studio() as session:
        for start in SCREENS:
            for key, screen in SCREENS.items():
                await session.press(start, key)
                assert name(session) == screen


async def test_a_key_on_top_of_its_own_screen_goes_back_to_it(studio: Any) -> None:
    async with studio() as session:
        await session.press("enter")
        assert name(session) == "RunScreen"
        await session.press("1")
        assert name(session) == "RunsScreen"
        await session.press("enter", "5", "1")
        assert name(session) == "RunScreen", "each main screen keeps what was open on it"


async def test_the_top_line_counts_what_needs_attention(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        await session.pass_time(11)
        kinds = Counter(item.kind for item in (await backend.system.attention()).items)
        assert kinds.keys() >= {
            AttentionKind.WORKERS,
            AttentionKind.STUCK,
            AttentionKind.DELIVERY,
            AttentionKind.FAILED,
            AttentionKind.LATE_TASK,
        }
        assert f"Attention {kinds.total()} " in session.line("Workflows")


async def test_s7_the_top_line_says_when_nobody_works_and_that_it_is_over(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.pass_time(11)
        assert "no worker" in session.line("Workflows")
        healthy(backend.world)
        await session.pass_time(11)
        assert "no worker" not in session.text
        backend.world.health = (HealthPart("temporal", PartState.DOWN), *backend.world.health[2:])
        await session.pass_time(11)
        assert "no Temporal" in session.line("Workflows")


async def test_s7_the_top_line_tells_how_many_work_and_when_postgres_is_away(studio: Any, backend: FakeBackend) -> None:
    healthy(backend.world)
    async with studio() as session:
        await session.pass_time(11)
        for key in SCREENS:
            await session.press(key)
            assert "1 worker " in session.text.split("\n")[0], key
        await session.press("1", "enter")
        assert "1 worker " in session.text.split("\n")[0]
        away = Unavailable("POSTGRES_UNREACHABLE", "Postgres refused the connection.")
        backend.fail_next("system.installation", away, times=50)
        await session.pass_time(11)
        assert "✖ no Postgres" in session.text.split("\n")[0]
        assert "worker" not in session.text.split("\n")[0]
        backend.heal("system.installation")
        await session.pass_time(11)
        assert "1 worker " in session.text.split("\n")[0]


async def test_s7_a_run_in_the_middle_that_nobody_works_on_any_more_is_marked(
    studio: Any, backend: FakeBackend
) -> None:
    running = next(
        run for run in backend.world.runs.values() if run.row.status is RunStatus.RUNNING and run.row.step_count > 10
    )
    backend.world._due.clear()  # the only worker was killed
    running.change(backend.world.now(), step_due_at=backend.world.now() + timedelta(seconds=30))
    async with studio(size=WIDE) as session:
        await session.pass_time(85)
        assert "▲" not in session.line(running.row.run_id[-4:])
        await session.pass_time(10)
        assert "▲ ● running" in session.line(running.row.run_id[-4:])
        assert "no progress" in session.line(running.row.run_id[-4:])
        session.screen._list.move_to(running.row.run_id)
        await session.press("enter")
        await session.pass_time(5)
        assert "no progress for 1m" in session.text.split("\n")[2]
        assert "▲ ● running" in session.text.split("\n")[1]
        assert "No worker is polling" in session.text
        await session.press("5")
        await session.pass_time(5)
        assert "▲ no progress" in session.text


async def test_attention_leads_to_the_run_and_says_why(studio: Any) -> None:
    async with studio() as session:
        await session.press("5")
        await session.pass_time(1)
        assert "▲ stuck" in session.text
        await session.press("down", "enter")
        assert name(session) == "RunScreen"
        await session.press("escape", "w")
        assert name(session) == "WhyDialog"


async def test_no_worker_is_the_first_thing_to_look_at_and_leads_to_the_system(studio: Any) -> None:
    async with studio() as session:
        await session.press("5")
        await session.pass_time(1)
        assert session.line("None is alive").startswith("▌✖ no worker")
        await session.press("enter")
        assert name(session) == "SystemScreen"


async def test_nothing_to_look_at_is_said(studio: Any, backend: FakeBackend) -> None:
    for run_id, run in list(backend.world.runs.items()):
        if run.row.stuck_at(backend.world.now()) or run.row.status is RunStatus.FAILED:
            del backend.world.runs[run_id]
        # What a reconciler has found is told by the audit log.
        run.audit.clear()
    backend.world.events.clear()
    backend.world.tasks.clear()
    backend.world.schedules.clear()
    healthy(backend.world)
    async with studio() as session:
        await session.press("5")
        await session.pass_time(1)
        assert "Nothing needs attention" in session.text


async def test_what_cannot_be_read_is_told_on_the_screen(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        for key, call in (("5", "system.attention"), ("6", "system.installation"), ("4", "workflows.list")):
            backend.fail_next(call, Unavailable("POSTGRES_UNREACHABLE", "Postgres refused the connection."), times=50)
            await session.press(key)
            await session.pass_time(8)
            assert "Postgres refused the connection" in session.note
            assert "live" not in session.text.replace("alive", "")


@pytest.mark.parametrize("size", [(80, 24), WIDE])
async def test_quota_is_resumed_for_one_and_for_all(studio: Any, backend: FakeBackend, size: tuple[int, int]) -> None:
    paused = pause_for_quota(backend.world, 2)
    backend.world.quota = (1000, 10)
    async with studio(size=size) as session:
        await session.press("6")
        await session.pass_time(1)
        await session.press("end", "e")
        assert "Continue 1 run" in session.text
        assert "Reason" not in session.text
        await session.press("ctrl+s")
        assert [call.arguments[0] for call in backend.called("quota.resume")] in ([paused[0]], [paused[1]])
        await session.press("escape")
        await session.pass_time(6)
        await session.press("E", "ctrl+s", "escape")
        assert {call.arguments[0] for call in backend.called("quota.resume")} == set(paused)
        await session.pass_time(6)
        await session.press("E")
        assert "no run waits for quota" in session.note


async def test_a_used_up_quota_refuses_and_says_what_helps(studio: Any, backend: FakeBackend) -> None:
    pause_for_quota(backend.world, 1)
    backend.world.quota = (10, 10)
    async with studio() as session:
        await session.press("6")
        await session.pass_time(1)
        assert "used up" in session.text
        await session.press("end", "e", "ctrl+s")
        assert "failed" in session.text


async def test_s10_pausing_is_one_thing_and_a_new_screen_still_loads(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("P", "4")
        await session.pass_time(1)
        assert "order-fulfilment" in session.text
        asked = len(backend.called("workflows.list"))
        await session.pass_time(60)
        assert len(backend.called("workflows.list")) == asked
        await session.press("P")
        await session.pass_time(5)
        assert len(backend.called("workflows.list")) > asked


async def test_a_filter_that_is_not_understood_is_not_applied(studio: Any) -> None:
    async with studio() as session:
        await session.press("4", "slash")
        await session.type("state:paussed")
        await session.press("enter")
        assert "did you mean paused?" in session.text
        assert session.screen.filter_editing
        assert "order-fulfilment" in session.text
        await session.press("escape")
        assert not session.screen.filter_editing


async def test_a_command_line_goes_and_filters(studio: Any) -> None:
    async with studio() as session:
        await session.press("colon")
        await session.type("filter status:failed")
        await session.press("enter")
        assert session.screen.filter_text() == "status:failed"
        await session.press("colon")
        await session.type("workflows")
        await session.press("tab", "enter")
        assert name(session) == "WorkflowsScreen"


@pytest.mark.parametrize("opening", ["question_mark", "c"])
async def test_s16_a_run_that_was_started_meanwhile_is_seen_behind_a_dialog(
    studio: Any, backend: FakeBackend, opening: str
) -> None:
    async with studio(size=WIDE) as session:
        below = session.screen
        await session.press(opening)
        started = await backend.runs.start("order-fulfilment", {"order_id": "ORD-1", "amount": 1, "lines": []})
        await session.pass_time(10)
        assert below.store.id_at(0) == started.run_id
        assert session.screen is not below
        if opening == "c":  # the help leaves nothing of the list to be seen
            assert f"{started.run_id[-4:]}" in session.text
