"""What a session lets its viewer do: never more than is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.errors import EngineError
from engine.records import Level
from runstudio_tui.actions import ACTIONS, Situation, refusal
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.demo import demo_backend
from runstudio_tui.clock import ManualClock, ServerTime
from runstudio_tui.store.feed import ChangeFeed
from runstudio_tui.store.journal import Journal
from runstudio_tui.store.session import Studio
from tests.tui.refusals import postgres_away

CHANGING = [action for action in ACTIONS if action.needs > Level.READ]


def session(*, level: Level = Level.ADMIN, read_only: bool = False) -> tuple[Studio, FakeBackend]:
    """A session that was not opened yet, of a viewer with a level."""
    clock = ManualClock(datetime(2026, 1, 15, tzinfo=UTC))
    backend = demo_backend(clock, past=60)
    backend.world.session = replace(backend.world.session, level=level)
    feed = ChangeFeed(clock, backend.system)
    studio = Studio(backend, clock, UTC, 3.0, Journal(clock), ServerTime(clock), feed, print, read_only=read_only)
    return studio, backend


async def test_before_it_is_known_nothing_may_be_done() -> None:
    studio, backend = session()
    backend.fail_next("system.session", postgres_away())
    with pytest.raises(EngineError):
        await studio.open()
    assert studio.level is Level.NONE
    assert len(CHANGING) > 10
    for action in CHANGING:
        assert "you have none" in refusal(action, Situation(level=studio.level)), action.id


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("read_only", [False, True])
async def test_a_read_only_session_lowers_the_level_and_never_raises_it(level: Level, read_only: bool) -> None:
    studio, _ = session(level=level, read_only=read_only)
    await studio.open()
    assert studio.level is (min(level, Level.READ) if read_only else level)
