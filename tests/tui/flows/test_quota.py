"""Runs that wait for quota, let go on from the runs list and from their own screen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import Unavailable
from engine.records import Level, OpenWait, RunFilter, RunStatus, WaitKind
from runstudio_tui.backend.fake import FakeBackend

FOR_QUOTA = "waiting:quota"
LIVE = frozenset({RunStatus.RUNNING, RunStatus.WAITING})
ENDED = frozenset({RunStatus.SUCCEEDED})


@pytest.fixture
def paused(backend: FakeBackend) -> list[str]:
    """Three live runs that wait for quota, of which there is some."""
    world = backend.world
    world.quota = (1000, 10)
    newest = [world.runs[row.run_id] for row in world.select(RunFilter(statuses=LIVE))[:3]]
    for run in newest:
        run.change(world.now(), status=RunStatus.WAITING, wait=OpenWait(WaitKind.QUOTA, world.now()), step_count=1)
    return [run.row.run_id for run in newest]


def asked(backend: FakeBackend) -> list[str]:
    """Ids of the runs asked to go on, in the order of asking."""
    return [call.arguments[0] for call in backend.called("quota.resume")]


def newest_ended(backend: FakeBackend) -> str:
    """The newest run that is over."""
    return backend.world.select(RunFilter(statuses=ENDED))[0].run_id


async def on_run(session: Any, run_id: str) -> None:
    """Put the cursor of the runs list on a run."""
    session.screen._list.move_to(run_id)
    await session.settle()


def keys(session: Any) -> str:
    """The line of keys."""
    return str(session.text.split("\n")[-1])


async def test_marked_runs_each_with_its_result(studio: Any, backend: FakeBackend, paused: list[str]) -> None:
    async with studio(size=(120, 36)) as session:
        for run_id in (*paused, newest_ended(backend)):
            await on_run(session, run_id)
            await session.press("space")
        await session.press("E")
        assert "Continue 4 runs" in session.text
        assert "Reason" not in session.text
        assert session.text.count("skipped: does not wait for quota") == 1
        backend.fail_next("quota.resume", Unavailable("TEMPORAL_AWAY", "Temporal does not answer.", "Try it again."))
        await session.press("ctrl+s")
        assert sorted(asked(backend)) == sorted(paused)
        assert session.text.count("asked to go on") == 2
        assert "failed: Temporal does not answer. Try it again." in session.text
        assert "Repeat 1 failed" in session.text
        await session.press("ctrl+s")
        assert len(asked(backend)) == 4
        assert session.text.count("asked to go on") == 3
        await session.press("escape")
        assert "quota: 3 asked to go on, 1 skipped" in session.note
        assert "marked" not in session.note.removeprefix("quota: ")
        assert not any(backend.world.runs[run_id].row.waits_for_quota for run_id in paused)


async def test_all_that_wait_are_marked_through_the_filter(
    studio: Any, backend: FakeBackend, paused: list[str]
) -> None:
    async with studio(filter_text=FOR_QUOTA) as session:
        await session.press("asterisk", "E")
        assert "Continue 3 runs" in session.text
        await session.press("ctrl+s")
        assert sorted(asked(backend)) == sorted(paused)


async def test_without_marks_it_is_about_the_run_under_the_cursor(
    studio: Any, backend: FakeBackend, paused: list[str]
) -> None:
    async with studio() as session:
        await on_run(session, paused[1])
        await session.press("E")
        assert "Continue 1 run" in session.text
        await session.press("ctrl+s")
        assert asked(backend) == [paused[1]]


async def test_it_is_offered_only_where_a_run_waits_for_quota(
    studio: Any, backend: FakeBackend, paused: list[str]
) -> None:
    other = newest_ended(backend)
    async with studio(size=(200, 36)) as session:
        await on_run(session, paused[0])
        assert "E go on" in keys(session)
        await on_run(session, other)
        assert "E go on" not in keys(session)
        await session.press("E")
        assert "this run does not wait for quota" in session.note
        await session.press("space", "E")
        assert "none of the marked runs waits for quota" in session.note
        await on_run(session, paused[0])
        await session.press("space")
        assert "E go on" in keys(session)
    assert asked(backend) == []


async def test_it_needs_the_level_admin(studio: Any, backend: FakeBackend, paused: list[str]) -> None:
    backend.world.session = replace(backend.world.session, level=Level.OPERATE)
    async with studio(size=(200, 36), filter_text=FOR_QUOTA) as session:
        assert "E go on" not in keys(session)
        await session.press("asterisk", "E")
        assert "this needs the admin level; you have operate" in session.note
    assert asked(backend) == []


async def test_a_used_up_quota_refuses_each_and_says_what_helps(
    studio: Any, backend: FakeBackend, paused: list[str]
) -> None:
    backend.world.quota = (10, 10)
    async with studio(size=(120, 36), filter_text=FOR_QUOTA) as session:
        await session.press("asterisk", "E", "ctrl+s")
        assert session.text.count("failed: The quota is used up.") == 3
        assert "runstudio quota set" in session.text
    assert all(backend.world.runs[run_id].row.waits_for_quota for run_id in paused)


async def test_all_that_wait_are_more_than_the_system_screen_shows(studio: Any, backend: FakeBackend) -> None:
    ended = [backend.world.runs[row.run_id] for row in backend.world.select(RunFilter(statuses=ENDED))]
    assert len(ended) >= 120
    backend.world.quota = (1000, 10)
    for run in ended[:120]:
        run.change(
            backend.world.now(),
            status=RunStatus.WAITING,
            wait=OpenWait(WaitKind.QUOTA, backend.world.now()),
            completed_at=None,
        )
    async with studio(size=(120, 36)) as session:
        await session.press("6")
        await session.pass_time(1)
        await session.press("E")
        assert "Continue 120 runs" in session.text
        await session.type("120")
        await session.press("ctrl+s")
        await session.until(lambda: len(asked(backend)) == 120)


async def test_from_the_screen_of_the_run(studio: Any, backend: FakeBackend, paused: list[str]) -> None:
    async with studio(size=(120, 36), run_id=paused[0]) as session:
        assert "E go on" in keys(session)
        await session.press("E", "ctrl+s", "escape")
        assert asked(backend) == [paused[0]]
        assert "quota: 1 asked to go on" in session.note
        assert "E go on" not in keys(session)
        await session.press("E")
        assert "this run does not wait for quota" in session.note
