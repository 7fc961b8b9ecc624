"""What somebody reads who may only read, and what is told where something cannot be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.records import Level
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.widgets.line import plain
from tests.tui.conftest import WIDE
from tests.tui.flows.test_run import failed_invoice
from tests.tui.refusals import level_taken_away, postgres_away


@pytest.fixture
def reader(backend: FakeBackend) -> FakeBackend:
    """The demo world for somebody with the level read."""
    backend.world.session = replace(backend.world.session, level=Level.READ)
    return backend


def told(session: Any) -> str:
    """What the detail says, as one line."""
    return " ".join(" ".join(plain(row.line) for row in session.screen.detail._rows.values()).split())


async def test_dead_letters_are_read_by_everybody_and_made_again_by_admins(studio: Any, reader: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        await session.press("2", "D")
        await session.pass_time(1)
        assert session.text.count("⊘ skipped") >= 3
        keys = session.text.split("\n")[-1]
        assert "redeliver" not in keys
        for key in ("r", "R"):
            await session.press(key)
            assert "this needs the admin level; you have read" in session.note
            assert type(session.screen).__name__ == "DeadLettersScreen"
    assert reader.called("events.redeliver") == []


async def test_the_audit_and_the_error_are_read_by_everybody_masked(studio: Any, reader: FakeBackend) -> None:
    async with studio(size=WIDE, run_id=failed_invoice(reader)) as session:
        assert "PO_NOT_FOUND: No purchase order 4500012 for supplier Nordwind." in session.text.split("\n")[2]
        await session.press("u")
        assert "run start  admin (admin)" in session.text
        assert "cancel" not in session.text.split("\n")[-1]


@pytest.mark.parametrize(
    ("keys", "method"),
    [(("2",), "events.get"), (("3",), "tasks.get"), (("4",), "workflows.versions")],
    ids=["an event", "a task", "a workflow"],
)
async def test_a_detail_that_cannot_be_read_says_why(
    studio: Any, backend: FakeBackend, keys: tuple[str, ...], method: str
) -> None:
    backend.fail_next(method, postgres_away(), times=9)
    async with studio(size=WIDE) as session:
        await session.press(*keys)
        await session.pass_time(1)
        await session.press("enter")
        await session.pass_time(1)
        assert postgres_away().message in told(session)
        backend.heal(method)
        await session.press("ctrl+r")
        await session.pass_time(5)
        assert postgres_away().message not in told(session)


async def test_an_event_tells_its_keys_its_payload_and_its_run(studio: Any, backend: FakeBackend) -> None:
    run_id = next(iter(backend.world.runs))
    event = backend.world.events["carrier-77"]
    backend.world.events["carrier-77"] = replace(event, row=replace(event.row, matched_run=run_id))
    async with studio(size=WIDE) as session:
        await session.press("2")
        await session.pass_time(1)
        assert session.screen.listing.move_to("carrier-77")
        await session.pass_time(1)
        await session.press("enter")
        assert "keys       ORD-1042" in session.text
        assert '"order_id": "ORD-1042"' in session.text
        assert '"card_token": "[REDACTED]" ⚿' in session.text
        assert f"run        {run_id}" in session.text


async def test_a_level_that_is_given_counts_in_the_session_that_is_open(studio: Any, reader: FakeBackend) -> None:
    """An admin gives it to whoever is on call, who has been looking for hours and need not leave for it."""
    async with studio(size=WIDE) as session:
        await session.press("c")
        assert "this needs the admin level; you have read" in session.note
        reader.world.session = replace(reader.world.session, level=Level.ADMIN)
        await session.pass_time(11)
        assert session.note.strip().startswith("your level is now admin")
        await session.press("c")
        assert type(session.screen).__name__ == "CancelDialog"


async def test_a_level_that_is_taken_away_is_told_and_its_keys_go(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        backend.world.session = replace(backend.world.session, level=Level.READ)
        await session.pass_time(11)
        assert session.note.strip().startswith("your level is now read")
        assert "cancel" not in session.text.split("\n")[-1]
        backend.world.session = replace(backend.world.session, level=Level.NONE)
        await session.pass_time(11)
        assert session.note.strip().startswith("your level is now none")
        backend.world.session = replace(backend.world.session, level=Level.OPERATE)
        await session.pass_time(11)
        assert session.note.strip().startswith("your level is now operate")


@pytest.mark.parametrize(
    ("read", "keys"),
    [("runs.list", ""), ("runs.get", "enter"), ("events.list", "2"), ("tasks.list", "3"), ("system.attention", "5")],
)
async def test_what_may_not_be_read_any_more_is_not_live_and_comes_back(
    studio: Any, backend: FakeBackend, read: str, keys: str
) -> None:
    async with studio(size=WIDE) as session:
        if keys:
            await session.press(keys)
        backend.fail_next(read, level_taken_away(), times=3)
        await session.pass_time(12)
        assert "● live" not in session.text
        assert "○ refused" in session.text
        assert "This needs the level read" in session.text
        await session.pass_time(60)
        assert "○ refused" not in session.text
        assert "This needs the level read" not in session.text
