"""Workflows by keys: the list and its filter, the detail, pausing, limiting, firing, starting."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import Conflict, Unavailable
from engine.records import HealthPart, Level, PartState
from runstudio_tui.backend.fake import FakeBackend
from tests.tui.conftest import WIDE

ORDER, STOCK, REMINDER = "order-fulfilment", "stock-sync", "reminder"


async def at_workflow(session: Any, workflow_id: str) -> None:
    """The workflows screen, with the cursor on a workflow."""
    await session.press("4")
    await session.pass_time(1)
    assert session.screen.listing.move_to(workflow_id)
    await session.settle()


def shown_detail(session: Any) -> str:
    """All lines of the detail as one text, whatever of it is on the screen."""
    return " ".join(session.screen.detail.all_text.split())


def flat(session: Any) -> str:
    """What is drawn as one line, without the frame of a dialog."""
    return " ".join(session.text.replace("│", " ").split())


async def open_detail(session: Any, workflow_id: str) -> str:
    """Its text, once everything of it was read."""
    await at_workflow(session, workflow_id)
    await session.press("enter")
    await session.pass_time(0.5)
    return shown_detail(session)


@pytest.mark.parametrize("size", [(80, 24), WIDE])
async def test_the_list_tells_state_active_runs_and_the_next_time(studio: Any, size: tuple[int, int]) -> None:
    async with studio(size=size) as session:
        await at_workflow(session, ORDER)
        row = session.line("event order.placed")
        assert ORDER in row
        assert "2 of 20" in row
        assert "▲ paused: the mail" in session.line(REMINDER)
        assert "10:45:00" in session.line(STOCK)
        assert "v7" in session.line(STOCK)


async def test_a_full_and_an_overdue_workflow_are_marked(studio: Any, backend: FakeBackend) -> None:
    await backend.workflows.limit(STOCK, 1)
    backend.world.change_schedule("month-end", overdue=True, next_fire_at=backend.world.now() - timedelta(minutes=9))
    async with studio() as session:
        await at_workflow(session, STOCK)
        assert "◔ full" in session.line(STOCK)
        assert "▲ overdue" in session.line("month-end")
        assert "10:34:21" in session.line("month-end")
        detail = await open_detail(session, "month-end")
        assert "overdue since 10:34:21. No worker has decided about it" in detail
        assert "no other is started until one ends" in await open_detail_again(session, STOCK)


async def open_detail_again(session: Any, workflow_id: str) -> str:
    """From an open detail to that of another one."""
    await session.press("escape")
    return await open_detail(session, workflow_id)


@pytest.mark.parametrize(
    ("words", "shown", "hidden"),
    [
        ("state:paused", REMINDER, ORDER),
        ("state:active", ORDER, REMINDER),
        ("by:event", ORDER, STOCK),
        ("by:time", STOCK, ORDER),
        ("by:hand", "invoice-intake", STOCK),
        ("month", "month-end", ORDER),
    ],
)
async def test_the_filter(studio: Any, words: str, shown: str, hidden: str) -> None:
    async with studio() as session:
        await at_workflow(session, ORDER)
        await session.press("slash")
        await session.type(words)
        await session.press("enter")
        await session.pass_time(1)
        assert shown in session.text
        assert hidden not in session.text
        await session.press("escape")
        await session.pass_time(1)
        assert hidden in session.text


async def test_the_detail_tells_what_starts_it_and_what_it_has(studio: Any) -> None:
    async with studio(size=WIDE) as session:
        detail = await open_detail(session, "invoice-intake")
        assert "parent month-end v1 (calls v2)" in detail
        assert "hand n starts a run" in detail
        assert "v2 2025-12-26 10:09 by grace" in detail
        assert "try matching" in detail
        assert "match-po erp.match_po@1" in detail
        assert "example: one invoice" in detail
        assert '"required": [' in detail
        assert "state" not in detail.split("started by")[0], "a healthy workflow has no state to tell"


async def test_a_pause_is_told_with_who_and_why(studio: Any) -> None:
    async with studio() as session:
        detail = await open_detail(session, REMINDER)
        assert "▲ paused since 2026-01-14 08:43:21 by grace; u lets it start runs again" in detail
        assert "why the mail provider moves to another address" in detail
        assert "No schema: any JSON object will do." in detail


async def test_owner_and_runbook_stand_there_when_the_definition_has_them(studio: Any, backend: FakeBackend) -> None:
    definitions = backend.world.workflows[ORDER].definitions
    definitions[3] = {**definitions[3], "owner": "team-checkout", "runbook": "https://runbooks.example/orders"}
    async with studio() as session:
        detail = await open_detail(session, ORDER)
        assert "owner team-checkout" in detail
        assert "runbook https://runbooks.example/orders" in detail


async def test_the_next_five_times_in_the_viewers_zone_and_what_came_of_the_last(studio: Any) -> None:
    async with studio(timezone="Asia/Tokyo") as session:
        detail = await open_detail(session, STOCK)
        times = [f"2026-01-15 {time}:00" for time in ("19:45", "20:00", "20:15", "20:30", "20:45")]
        assert f"next {times[0]} {times[1]}" in detail
        assert all(time in detail for time in times)
        assert "21:00" not in detail
        assert "when */15 * * * * UTC" in detail
        assert "CONCURRENCY_LIMIT: The workflow stock-sync has 2 active runs" in detail
        row = next(row for row in session.screen.detail._rows.values() if row.link.startswith("run:"))
        session.screen.open_link(row.link)
        await session.settle()
        assert session.screen.run_id == row.link.removeprefix("run:")


async def test_without_temporal_the_rest_is_told_and_comes_back(studio: Any, backend: FakeBackend) -> None:
    backend.world.health = (*backend.world.health[:1], HealthPart("temporal", PartState.DOWN))
    async with studio() as session:
        detail = await open_detail(session, STOCK)
        assert "2026-01-15 10:45:00 as far as is known. Temporal could not describe the schedule" in detail
        assert "steps of v7" in detail
        backend.world.health = (*backend.world.health[:1], HealthPart("temporal", PartState.OK))
        await session.pass_time(20)
        assert "11:45:00" in shown_detail(session)


async def test_what_is_not_there_yet_says_so(studio: Any, backend: FakeBackend) -> None:
    gates = [backend.hold("schedules.next_times"), backend.hold("workflows.callers")]
    async with studio() as session:
        detail = await open_detail(session, STOCK)
        assert "next asking Temporal…" in detail
        assert "parents asking which workflows start it…" in detail
        for gate in gates:
            gate.set()
        await session.pass_time(1)
        assert "next 2026-01-15 10:45:00" in shown_detail(session)
        assert "asking" not in shown_detail(session)


async def test_what_costs_more_is_asked_seldom(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        await at_workflow(session, STOCK)
        await session.pass_time(0.5)
        names = ("workflows.callers", "schedules.next_times", "workflows.definition", "workflows.versions")
        before = {name: len(backend.called(name)) for name in names}
        await session.pass_time(14)
        grown = {name: len(backend.called(name)) - before[name] for name in names}
        assert grown["workflows.definition"] == 0
        assert grown["workflows.callers"] <= 1
        assert grown["schedules.next_times"] <= 1
        assert grown["workflows.versions"] >= 3


async def test_a_detail_that_cannot_be_read_says_why(studio: Any, backend: FakeBackend) -> None:
    backend.fail_next("workflows.versions", Unavailable("POSTGRES_UNREACHABLE", "Postgres is away.", "Wait."), times=9)
    async with studio() as session:
        assert "Postgres is away." in await open_detail(session, ORDER)
        backend.heal("workflows.versions")
        await session.pass_time(4)
        assert "steps of v3" in shown_detail(session)


async def test_callers_lead_to_each_other(studio: Any) -> None:
    async with studio() as session:
        await open_detail(session, "invoice-intake")
        detail = session.screen.detail
        detail.move_to(next(key for key, row in detail._rows.items() if row.link.startswith("workflow:")))
        await session.press("enter")
        await session.pass_time(1)
        assert session.screen.listing.cursor == "month-end"
        assert "workflow invoice-intake v2" in shown_detail(session)


async def test_no_workflow_at_all_says_what_helps(studio: Any, backend: FakeBackend) -> None:
    backend.world.workflows.clear()
    async with studio() as session:
        await session.press("4")
        await session.pass_time(1)
        assert "No workflow yet. N publishes one from a file" in session.text
        await session.press("d")
        assert "the list is empty" in session.note


# --- doing something --------------------------------------------------------------------------------------------------


async def test_a_pause_needs_a_reason_and_is_sent_with_it(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await at_workflow(session, ORDER)
        await session.press("p")
        assert "Pause 1 workflow" in session.text
        assert "Runs that are under way go on." in flat(session)
        await session.press("ctrl+s")
        assert "a reason of at least 3 characters is needed" in session.said
        assert backend.called("workflows.pause") == []
        await session.type("prices are wrong")
        await session.press("ctrl+s")
        [call] = backend.called("workflows.pause")
        assert call.arguments == (ORDER, "prices are wrong")
        await session.press("escape")
        await session.pass_time(1)
        assert "pause: 1 paused" in session.note
        assert "▲ paused: prices are" in session.line(ORDER)
        await session.press("p")
        assert "skipped: already paused" in session.text
        assert "nothing here can be paused" in session.said


async def test_marked_workflows_are_paused_and_what_is_paused_is_skipped(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        await at_workflow(session, STOCK)
        await session.press("asterisk", "p")
        assert "Pause 5 workflows" in session.text
        assert "skipped: already paused" in session.text
        backend.fail_next("workflows.pause", Unavailable("POSTGRES_UNREACHABLE", "Postgres is away.", "Wait."))
        await session.type("all of it")
        await session.press("ctrl+s")
        assert len(backend.called("workflows.pause")) == 4
        assert "failed: Postgres is away." in session.text
        assert "Repeat 1 failed" in session.text
        await session.press("ctrl+s")
        assert len(backend.called("workflows.pause")) == 5
        await session.press("ctrl+y")
        assert session.written


async def test_a_refusal_leaves_the_reason_in_the_dialog(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await at_workflow(session, ORDER)
        await session.press("p")
        await session.type("prices are wrong")
        backend.fail_next("workflows.get", Unavailable("POSTGRES_UNREACHABLE", "Postgres is away.", "Wait."))
        await session.press("ctrl+s")
        assert "nothing was sent: Postgres is away." in session.said
        assert "prices are wrong" in session.text
        await session.press("escape")
        assert "esc again discards the reason" in session.said
        await session.press("ctrl+s")
        assert len(backend.called("workflows.pause")) == 1


async def test_an_unpause_says_who_paused_it_and_asks_for_no_reason(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await at_workflow(session, ORDER)
        await session.press("u")
        assert "it is not paused" in session.note
        await at_workflow(session, REMINDER)
        await session.press("u")
        text = flat(session)
        assert "paused Wed 08:43 by grace: the mail provider moves to another address" in text
        assert "Reason" not in session.text
        assert backend.called("workflows.unpause") == []
        await session.press("ctrl+s")
        [call] = backend.called("workflows.unpause")
        assert call.arguments == (REMINDER, None)
        await session.press("escape")
        await session.pass_time(1)
        assert "paused" not in session.line("reminder  ")


@pytest.mark.parametrize(("typed", "sent"), [("7", 7), ("none", 0), ("NONE", 0)])
async def test_a_limit_is_a_number_or_none(studio: Any, backend: FakeBackend, typed: str, sent: int) -> None:
    async with studio() as session:
        await at_workflow(session, ORDER)
        await session.press("l")
        assert session.screen.query_one("#limit").value == "20"
        session.screen.query_one("#limit").value = ""
        for wrong in ("0", "-1", "1.5", "many", "99999999999", "٧"):
            session.screen.query_one("#limit").value = wrong
            await session.press("ctrl+s")
            assert "type how many runs may be active at once" in session.said
        session.screen.query_one("#limit").value = ""
        await session.type(typed)
        await session.press("ctrl+s")
        assert [call.arguments for call in backend.called("workflows.limit")] == [(ORDER, sent)]
        await session.press("escape")
        await session.pass_time(1)
        assert (f"2 of {sent}" if sent else " 2   ") in session.line(ORDER)


async def test_a_schedule_is_fired_once_however_often_it_is_repeated(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        await at_workflow(session, ORDER)
        await session.press("f")
        assert "not started by time; n starts a run" in session.note
        await at_workflow(session, STOCK)
        await session.press("f")
        assert "next by itself 10:45:00" in session.text
        assert "Its own times come all the same." in flat(session)
        backend.fail_next("schedules.fire", Conflict("CONCURRENCY_LIMIT", "It is full.", "Wait."))
        await session.type("the last one was lost")
        await session.press("ctrl+s")
        assert "failed: It is full. Wait." in session.text
        await session.press("ctrl+s")
        first, second = backend.called("schedules.fire")
        assert first.arguments == second.arguments, "with one key, which starts nothing twice"
        assert first.arguments[:2] == (STOCK, "the last one was lost")
        assert first.arguments[2]
        await session.press("escape")
        await session.pass_time(3)
        assert "Fired by admin: the last one was lost" in shown_detail(session)


@pytest.mark.parametrize(
    ("status", "told"),
    [("scheduled", "what comes due meanwhile is queued"), ("paused", "next none while the workflow is")],
)
async def test_the_schedule_of_a_paused_workflow_is_not_fired(
    studio: Any, backend: FakeBackend, status: str, told: str
) -> None:
    """Where triggers are to be skipped at such times, it rests."""
    await backend.workflows.pause(STOCK, reason="by the test")
    backend.world.change_schedule(STOCK, status=status)
    async with studio() as session:
        detail = await open_detail(session, STOCK)
        assert told in detail
        assert "f fires it once" not in detail
        await session.press("f")
        assert "paused: u lets it start runs again" in session.note


async def test_a_run_is_started_of_the_workflow_under_the_cursor(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        await at_workflow(session, ORDER)
        await session.press("n")
        await session.pass_time(0.5)
        assert "Start order-fulfilment" in session.text
        await session.press("ctrl+s")
        [call] = backend.called("runs.start")
        assert call.arguments[0] == ORDER
        assert type(session.screen).__name__ == "RunScreen"
        await session.press("4", "escape")
        await at_workflow(session, REMINDER)
        await session.press("n")
        assert "paused: u lets it start runs again" in session.note


@pytest.mark.parametrize("level", [Level.READ, Level.OPERATE])
async def test_keys_that_need_a_higher_level_say_so(studio: Any, backend: FakeBackend, level: Level) -> None:
    backend.world.session = replace(backend.world.session, level=level)
    async with studio() as session:
        await at_workflow(session, STOCK)
        for key in ("p", "l", "f", "N"):
            await session.press(key)
            assert f"needs the admin level; you have {level.word}" in session.note
        assert "pause" not in session.text.split("\n")[-1]
        await session.press("n")
        assert (type(session.screen).__name__ == "PayloadDialog") == (level is Level.OPERATE)


async def test_a_read_only_session_changes_nothing(studio: Any, backend: FakeBackend) -> None:
    async with studio(read_only=True) as session:
        await at_workflow(session, STOCK)
        for key in ("n", "p", "u", "l", "f", "N"):
            await session.press(key)
            assert type(session.screen).__name__ == "WorkflowsScreen"
        changing = ("pause", "unpause", "limit", "publish")
        assert not any(backend.called(f"workflows.{name}") for name in changing)
        assert backend.called("schedules.fire") == []
