"""Pictures of the main screens that have no file of their own, and of all of them in every look. What must be looked at stands
in the docstring of each."""

from __future__ import annotations

from typing import Any

import pytest

from runstudio_tui.backend.fake import FakeBackend
from tests.tui.flows.test_jobs import job
from tests.tui.refusals import postgres_away
from tests.tui.snapshots.test_pictures import Picture, sizes

PLACES = {"runs": "1", "events": "2", "tasks": "3", "workflows": "4", "attention": "5", "system": "6"}
LOOKS = [
    pytest.param({"glyphs": "ascii"}, id="ascii"),
    pytest.param({"color": False}, id="no-colour"),
    pytest.param({"theme": "dark"}, id="dark"),
    pytest.param({"read_only": True}, id="read-only"),
    pytest.param({"low_bandwidth": True}, id="low-bandwidth"),
]
EMPTY_OF = {"events": "events", "tasks": "tasks", "attention": "runs"}
"""What has to go from the world for a screen to be empty."""
CALLS = {
    "events": "events.list",
    "tasks": "tasks.list",
    "attention": "system.attention",
    "system": "system.installation",
}


async def at(session: Any, place: str) -> None:
    """A main screen, read, with the top line's counts."""
    await session.pass_time(11)
    await session.press(PLACES[place])
    await session.pass_time(1)


@sizes
async def test_events(studio: Any, picture: Picture, size: tuple[int, int]) -> None:
    """State, name, key, time and run in columns; the detail beside it where there is room; then dead letters, one made again."""
    async with studio(size=size) as session:
        await at(session, "events")
        picture(session, "list")
        await session.press("enter")
        await session.pass_time(1)
        picture(session, "detail")
        await session.press("escape", "n")
        picture(session, "submit")
        await session.press("escape", "D")
        await session.pass_time(1)
        picture(session, "dead")
        await session.press("asterisk", "r")
        picture(session, "redeliver")


@sizes
async def test_tasks(studio: Any, picture: Picture, size: tuple[int, int]) -> None:
    """The late one is marked; one field a line, the required first; the same as JSON; a finding at its field."""
    async with studio(size=size) as session:
        await at(session, "tasks")
        picture(session, "list")
        await session.press("end")
        await session.pass_time(0.2)  # the detail beside the list is that of the row
        await session.press("a")
        picture(session, "form")
        await session.press("ctrl+s")
        picture(session, "refused")
        await session.press("ctrl+j")
        picture(session, "json")


@sizes
async def test_attention_and_system(studio: Any, picture: Picture, size: tuple[int, int]) -> None:
    """A line a thing, counted above by kind; each part of the system with what is the case."""
    async with studio(size=size) as session:
        await at(session, "attention")
        picture(session, "attention")
        await session.press("6")
        await session.pass_time(1)
        picture(session, "system")
        await session.press("colon")
        await session.type("at")
        picture(session, "command")


@sizes
async def test_jobs(studio: Any, picture: Picture, backend: FakeBackend, size: tuple[int, int]) -> None:
    """What, the filter, the reason and the number; then how far each is, one that something keeps, and all of it; ending it."""
    async with studio(size=size, filter_text="status:waiting,failed wf:invoice") as session:
        await session.press("J")
        picture(session, "job")
        await session.press("right", "right", "tab")
        await session.type("for the auditors")
        picture(session, "export")
        await session.press("ctrl+s")
        job(backend)
        await at(session, "system")
        await session.press("end")
        await session.pass_time(1)
        picture(session, "system")
        await session.press("enter")
        picture(session, "whole")
        await session.press("escape", "c")
        picture(session, "end")


@pytest.mark.parametrize("look", LOOKS)
async def test_every_main_screen_in_every_look(studio: Any, picture: Picture, look: dict[str, Any]) -> None:
    """Glyph and word alone must tell the state; read-only offers no key that changes something."""
    async with studio(filter_text="since:24h", **look) as session:
        for place in PLACES:
            await at(session, place)
            picture(session, place)


@pytest.mark.parametrize("place", CALLS)
async def test_empty_and_away(studio: Any, picture: Picture, backend: FakeBackend, place: str) -> None:
    """What is not there is said, with what helps; what cannot be read says why and how old the rest is."""
    if place in EMPTY_OF:
        getattr(backend.world, EMPTY_OF[place]).clear()
        backend.world._due.clear()
        if place == "attention":
            for gone in (backend.world.events, backend.world.tasks, backend.world.schedules):
                gone.clear()
    async with studio() as session:
        await at(session, place)
        picture(session, "empty")
        backend.fail_next(CALLS[place], postgres_away(), times=50)
        await session.pass_time(14)
        picture(session, "away")
