"""Runs from before the cutover: read-only, with the snapshots that were kept of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import NotFound, Unavailable
from engine.records import RunFilter
from runstudio_tui.actions import BY_ID, Situation, refusal
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.before_cutover import before_cutover_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.store.run import SETTLE
from runstudio_tui.widgets.line_list import LineList

REST = SETTLE + 0.05


def the_run(backend: FakeBackend) -> str:
    return backend.world.select(RunFilter())[0].run_id


@pytest.fixture
def old(clock: ManualClock) -> Callable[[int], FakeBackend]:
    """A world with one run of that many snapshots."""
    return lambda snapshots: before_cutover_backend(clock, snapshots)


async def look(session: Any, *keys: str) -> None:
    """Press keys and let the cursor rest after each."""
    for key in keys:
        await session.press(key)
        await session.pass_time(REST)


def bodies(backend: FakeBackend) -> list[int]:
    """Numbers of the snapshots whose body was read, from 1."""
    return [int(call.arguments[1][-12:]) + 1 for call in backend.called("runs.snapshot_body")]


async def test_it_is_marked_and_read_only(studio: Any, old: Any) -> None:
    backend = old(3)
    async with studio(on=backend, run_id=the_run(backend)) as session:
        assert session.text.split("\n")[3].startswith("─ ◇ before the cutover, read-only ─")
        assert session.text.split("\n")[1].startswith(" ◇ ✔ succeeded")
        assert " cancel" not in session.text.split("\n")[-1]
        await session.press("c")
        assert "cancel: this run is from before the cutover. Replay it instead: key r" in session.note
        assert type(session.screen).__name__ == "RunScreen"


async def test_it_can_be_replayed(studio: Any, old: Any) -> None:
    backend = old(3)
    run = backend.world.runs[the_run(backend)].row
    now = Situation(level=backend.world.session.level, run=run)
    assert refusal(BY_ID["run.replay"], now) == ""
    assert refusal(BY_ID["runs.replay"], now) == ""
    assert "before the cutover" in refusal(BY_ID["runs.cancel"], now)
    async with studio(on=backend, run_id=run.run_id) as session:
        await session.press("r")
        assert "Replay" in session.text


async def test_its_state_cannot_be_computed_and_its_snapshots_are_offered(studio: Any, old: Any) -> None:
    backend = old(3)
    async with studio(on=backend, run_id=the_run(backend)) as session:
        await session.press("a")
        assert "State: this run is from before the cutover: s shows its snapshots" in session.note
        await session.press("enter")
        assert "s Snapshots" in session.text
        assert "a State" not in session.text
        await session.pass_time(REST)
        assert backend.called("runs.state") == []


async def test_a_snapshot_shows_what_changed_since_the_one_before(studio: Any, old: Any) -> None:
    backend = old(12)
    async with studio(size=(120, 36), on=backend, run_id=the_run(backend)) as session:
        await look(session, "s")
        assert "  1  6 Dec 10:43:23   sleep  root.steps[0]" in session.text
        assert "1 of 12" in session.text
        assert "there is none before it to compare with" in session.text
        await look(session, "down")
        assert "2 of 12" in session.text
        assert "2 changed, 1 added" in session.text
        assert '~       "round": 1  was 0' in session.text
        assert '+     ▾ "sent": {' in session.text
        assert '"api_key": "[REDACTED]" ⚿' in session.text
        await look(session, "down")
        assert '-     ▾ "sent": {' in session.text


async def test_the_parts_of_an_envelope(studio: Any, old: Any) -> None:
    backend = old(12)
    async with studio(size=(120, 36), on=backend, run_id=the_run(backend)) as session:
        await look(session, "s", "down", "down", "down", "down", "t")
        assert '"to": "ada@example.com"' in session.text
        assert '"round"' not in session.text
        await look(session, "t")
        assert '"round": 4' in session.text
        assert '"api_key": "[REDACTED]" ⚿' in session.text
        await look(session, "t")
        assert '"traceId": "t-1"' in session.text
        await look(session, "t")
        assert '"code": "SMTP_450"' in session.text
        await look(session, "up")
        assert "This snapshot has no error." in session.text
        await look(session, "t")
        assert "changed" in session.text


async def test_one_that_was_too_large_says_how_large(studio: Any, old: Any) -> None:
    backend = old(12)
    async with studio(size=(120, 36), on=backend, run_id=the_run(backend)) as session:
        await look(session, "s", *["down"] * 6)
        assert "▲ too large  262.8 KB" in session.line("│▌")
        pane = " ".join(" ".join(line.partition("│")[2].split()) for line in session.text.split("\n"))
        assert "This snapshot was too large to be kept: 262.8 KB; at most 256.0 KB were." in pane
        await look(session, "down")
        assert "the one before was too large to be kept, so nothing is" in session.text
        assert '"round": 7' in session.text


async def test_previous_and_next_from_wherever_the_keyboard_is(studio: Any, old: Any) -> None:
    backend = old(3)
    async with studio(size=(120, 36), on=backend, run_id=the_run(backend)) as session:
        await look(session, "s", "right_square_bracket")
        assert "2 of 3" in session.text
        await look(session, "enter", "right_square_bracket")
        assert "3 of 3" in session.text
        await look(session, "right_square_bracket")
        assert "there is no snapshot after" in session.note
        await look(session, "tab", "left_square_bracket", "left_square_bracket")
        assert "1 of 3" in session.text
        await look(session, "left_square_bracket")
        assert "there is no snapshot before" in session.note


async def test_a_step_leads_to_its_latest_snapshot(studio: Any, old: Any) -> None:
    backend = old(8)
    async with studio(size=(120, 36), on=backend, run_id=the_run(backend)) as session:
        await look(session, "s", "escape", "home")
        assert "7 of 8" in session.text
        await look(session, "down")
        assert "8 of 8" in session.text


async def test_three_hundred_scroll_as_three_do(studio: Any, old: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is read once, a body when the cursor rests, and no more lines are drawn than there is room for."""
    drawn: list[str] = []
    draw = LineList._line_of
    monkeypatch.setattr(LineList, "_line_of", lambda self, key, *rest: (drawn.append(key), draw(self, key, *rest))[1])
    calls: dict[int, list[str]] = {}
    lines: dict[int, int] = {}
    for snapshots in (3, 300):
        backend = old(snapshots)
        async with studio(size=(120, 36), on=backend, run_id=the_run(backend)) as session:
            await look(session, "s", "down")
            drawn.clear()
            await look(session, "down")
            lines[snapshots] = len(drawn)
            calls[snapshots] = [call.name for call in backend.calls if call.name.startswith("runs.snap")]
    assert (
        calls[3] == calls[300] == ["runs.snapshots", "runs.snapshot_body", "runs.snapshot_body", "runs.snapshot_body"]
    )
    assert lines[300] <= lines[3] / 3 * 12


async def test_a_held_key_reads_no_body_on_the_way(studio: Any, old: Any) -> None:
    backend = old(300)
    async with studio(size=(120, 36), on=backend, run_id=the_run(backend)) as session:
        await look(session, "s")
        assert bodies(backend) == [1]
        for _ in range(100):
            await session.pilot.press("down")
        await session.settle()
        assert bodies(backend) == [1]
        await session.pass_time(REST)
        assert bodies(backend) == [1, 100, 101]
        assert "101 of 300" in session.text
        await look(session, "end")
        assert bodies(backend)[3:] == [299, 300]
        await look(session, "up", "up")
        assert bodies(backend)[5:] == [298, 297]
        assert len(backend.called("runs.snapshots")) == 1


async def test_what_was_read_is_not_read_again(studio: Any, old: Any) -> None:
    backend = old(300)
    async with studio(size=(120, 36), on=backend, run_id=the_run(backend)) as session:
        await look(session, "s", "down", "down", "up", "down", "o", "s", "ctrl+r")
        assert bodies(backend) == [1, 2, 3]
        assert len(backend.called("runs.snapshots")) == 1


async def test_what_cannot_be_read_says_why_and_is_read_again(studio: Any, old: Any) -> None:
    backend = old(3)
    backend.fail_next("runs.snapshots", Unavailable("POSTGRES_UNREACHABLE", "Postgres cannot be reached."))
    backend.fail_next("runs.snapshot_body", NotFound("SNAPSHOT_NOT_FOUND", "This run has no snapshot 1."))
    async with studio(size=(120, 36), on=backend, run_id=the_run(backend)) as session:
        await look(session, "s")
        assert "Postgres cannot be reached." in session.text
        await look(session, "ctrl+r")
        assert "This run has no snapshot 1." in session.text
        await look(session, "down")
        assert "2 changed, 1 added" in session.text


async def test_a_run_of_which_none_was_kept(studio: Any, old: Any) -> None:
    backend = old(0)
    async with studio(on=backend, run_id=the_run(backend)) as session:
        await session.press("s")
        assert "no snapshot of this run was kept" in session.note
        await session.press("a")
        assert "from before the cutover: too little of it was recorded" in session.note


async def test_a_run_of_today_has_no_snapshots(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=the_run(backend)) as session:
        await session.press("s")
        assert "only runs from before the cutover have snapshots" in session.note
        assert backend.called("runs.snapshots") == []
