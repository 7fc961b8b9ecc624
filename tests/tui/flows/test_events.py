"""Events by keys: list, filter, detail, submitting, and dead letters made again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import Invalid
from runstudio_tui.backend.fake import FakeBackend
from tests.tui.conftest import WIDE


async def at_event(session: Any, event_id: str) -> None:
    """The events screen, with the cursor on an event and its detail open."""
    await session.press("2")
    await session.pass_time(1)
    assert session.screen.listing.move_to(event_id)
    await session.pass_time(1)
    await session.press("enter")


@pytest.mark.parametrize("size", [(80, 24), WIDE])
async def test_the_list_tells_state_key_age_and_run(studio: Any, size: tuple[int, int]) -> None:
    async with studio(size=size) as session:
        await session.press("2")
        await session.pass_time(1)
        for word in ("✔ matched", "◇ unmatched", "✖ error", "ORD-1042"):
            assert word in session.text


async def test_times_are_read_as_everywhere(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        await session.press("2", "slash")
        await session.type("since:40m until:5m name:carrier.picked")
        await session.press("backspace", "enter")
        await session.pass_time(1)
        wanted = backend.called("events.list")[-1].arguments[0]
        assert (wanted.before - wanted.since).total_seconds() == pytest.approx(35 * 60)
        await session.press("slash")
        await session.type(" since:soon")
        await session.press("enter")
        assert "is no time" in session.text


async def test_a_relative_time_means_the_same_on_every_page(studio: Any, backend: FakeBackend) -> None:
    first = next(iter(backend.world.events.values()))
    for number in range(250):
        at = backend.world.now() - timedelta(seconds=number)
        row = replace(first.row, event_id=f"many-{number:03}", created_at=at)
        backend.world.events[row.event_id] = replace(first, row=row)
    async with studio() as session:
        await session.press("2", "slash")
        await session.type("since:1h")
        await session.press("enter")
        await session.pass_time(1)
        await session.press("end")
        await session.until(lambda: not session.screen.rows.more)
        asked = [call.arguments[0] for call in backend.called("events.list")][-2:]
        assert asked[0] == asked[1], "one question on every page"
        assert session.note == ""
        oldest = session.screen.rows.id_at(len(session.screen.rows) - 1)
        age = backend.world.now() - backend.world.events[oldest].row.created_at
        await session.pass_time(3600 - age.total_seconds() + 5)
        assert session.screen.rows.get(oldest) is None, "what ages out meanwhile is gone"


async def test_the_detail_stands_beside_a_list_that_keeps_its_columns(studio: Any) -> None:
    async with studio(size=(140, 30)) as session:
        await session.press("2")
        await session.pass_time(1)
        assert "│" in session.text
        await session.resize(120, 30)
        await session.settle()
        assert "│" not in session.text
        await session.press("z")
        assert "│" in session.text
        await session.press("z", "enter")
        assert "STATUS" not in session.text, "the detail takes the list's place"
        await session.press("escape")
        await session.resize(90, 30)
        await session.press("z")
        assert "needs 100 columns; this terminal has 90" in session.note


async def test_an_event_nobody_took_says_so(studio: Any) -> None:
    async with studio() as session:
        await at_event(session, "carrier-76")
        assert "No target took it" in session.text


async def test_the_detail_tells_what_every_delivery_is_at(studio: Any) -> None:
    async with studio(size=WIDE) as session:
        await at_event(session, "carrier-77")
        assert "◔ pending" in session.text
        assert "4 attempts" in session.text
        assert "next attempt in" in session.text
        assert "TEMPORAL_UNAVAILABLE" in session.text
        assert "⚿" in session.text


async def test_the_detail_leads_to_the_run(studio: Any) -> None:
    async with studio() as session:
        await at_event(session, "shop-8000")
        detail = session.screen.detail
        place = next(key for key, row in detail._rows.items() if row.link.startswith("run:"))
        detail.move_to(place)
        await session.press("enter")
        assert type(session.screen).__name__ == "RunScreen"


async def test_submitting_goes_to_the_event(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        await session.press("2", "n", "ctrl+s")
        assert "an event needs a name" in session.text
        await session.type("order.paid")
        await session.press("tab")
        await session.type("ORD-1")
        await session.press("ctrl+s")
        [call] = backend.called("events.submit")
        name, payload, key, event_id, schema = call.arguments
        assert (name, payload, key, schema) == ("order.paid", {}, "ORD-1", None)
        await session.pass_time(3)
        assert session.screen.listing.cursor == event_id
        assert "Not routed yet" in session.text


async def test_a_refusal_stands_at_its_field_and_the_id_stays(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        await session.press("2", "n")
        await session.type("order.paid")
        backend.fail_next("events.submit", Invalid("KEY_INVALID", "The key is too long.", "Use a short text."))
        await session.press("ctrl+s")
        lines = session.text.split("\n")
        [place] = [place for place, text in enumerate(lines) if "Key" in text and "paths" in text]
        assert "✖ The key is too long." in lines[place + 1]
        await session.press("ctrl+s")
        first, second = backend.called("events.submit")
        assert first.arguments[3] == second.arguments[3], "the same event, not a second one"


async def test_dead_letters_are_made_again_each_on_its_own(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        await session.press("2", "D")
        await session.pass_time(1)
        assert "Dead letters" in session.text
        assert session.text.count("⊘ skipped") >= 3
        await session.press("R")
        assert "Redeliver 4 deliveries" in session.text
        await session.type("Temporal is back")
        await session.press("ctrl+s")
        assert len(backend.called("events.redeliver")) == 4
        told = " ".join(target.text for target in session.screen._flow.targets)
        assert "is over: canceled" in told
        assert "could not make a payload" in told
        await session.press("ctrl+y", "escape")
        assert "redeliver: 2 to be made again, 2 left alone" in session.note


async def test_one_dead_letter_needs_a_reason(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("2", "D")
        await session.pass_time(1)
        await session.press("r", "ctrl+s")
        assert "a reason" in session.said
        assert backend.called("events.redeliver") == []
        await session.press("escape", "escape")
        assert type(session.screen).__name__ == "EventsScreen"
