"""A value longer than the line, or deeper than the screen is wide, can be read to its end."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from engine.records import Document
from runstudio_tui.backend.fake import FakeBackend
from tests.tui.flows.test_run import waiting_order

LONG = " ".join(f"word{number}" for number in range(200)) + " the-end"


def with_payload(backend: FakeBackend, value: Any) -> str:
    """The id of a run with this payload."""
    run_id = waiting_order(backend)
    backend.world.runs[run_id].payload = Document(value)
    return run_id


def nested(depth: int, inner: Any) -> Any:
    value = inner
    for _ in range(depth):
        value = {"a": value}
    return value


async def test_s12_enter_opens_a_value_whole_and_it_is_copied_as_it_is(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=with_payload(backend, {"note": LONG})) as session:
        await session.press("p", "down")
        assert "the-end" not in session.text
        assert "enter open" in session.text.split("\n")[-1]
        await session.press("enter")
        assert "Value of /note" in session.text
        assert "word0 " in session.text
        await session.press("end")
        assert "the-end" in session.text
        await session.press("ctrl+y")
        sent = session.written[-1].removeprefix("\x1b]52;c;").removesuffix("\x07")
        assert base64.b64decode(sent).decode() == LONG
        await session.press("escape")
        assert session.app.focused.id == "document"


async def test_s12_the_pane_moves_sideways(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=with_payload(backend, {"note": LONG})) as session:
        await session.press("p", "down")
        assert "word30" not in session.text
        await session.press(*["greater_than_sign"] * 5)
        assert "word30" in session.text
        await session.press(*["greater_than_sign"] * 60)
        assert session.text.rstrip().count("the-end") == 1
        await session.press(*["less_than_sign"] * 70)
        assert '"note": "word0' in session.text


async def test_s12_what_stands_deeper_than_the_screen_is_wide_comes_to_sight(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=with_payload(backend, nested(60, {"deep": "treasure"}))) as session:
        await session.press("p", "end", *["up"] * 61)
        assert '"deep": "treasure"' in session.line("▌")
        await session.press("home")
        assert session.line("▌").startswith("▌▾ {")


async def test_s12_a_match_scrolls_into_sight(studio: Any, backend: FakeBackend) -> None:
    async with studio(run_id=with_payload(backend, {"first": 1, "note": LONG})) as session:
        await session.press("p", "slash")
        await session.type("word150")
        await session.press("enter")
        assert "word150" in session.line("▌")


async def test_a_line_of_a_detail_that_is_cut_is_seen_whole(studio: Any, backend: FakeBackend) -> None:
    event = next(iter(backend.world.events.values()))
    backend.world.events[event.row.event_id] = replace(event, payload=Document({"note": LONG}))
    async with studio(size=(120, 36)) as session:
        await session.press("2")
        session.screen.seek(event.row.event_id)
        await session.settle()
        found = session.screen.detail.find("word0")
        session.screen.detail.move_to(found[0])
        await session.press("enter")
        assert "The whole line" in session.text
        await session.press("end")
        assert "the-end" in session.text


@pytest.mark.parametrize("length", range(40, 400, 20))
async def test_s13_no_search_beside_it_cuts_a_message(studio: Any, backend: FakeBackend, length: int) -> None:
    async with studio(run_id=with_payload(backend, {"note": LONG})) as session:
        await session.press("p", "slash")
        await session.type("word")
        await session.press("enter")
        assert "1 of 1" in session.note
        name = f"{'long' * (length // 4)}.txt"
        session.screen.say(f"saved as /{name}")
        await session.settle()
        said = session.note.replace(" ", "")
        assert name in said or said.endswith("…"), "what does not fit into the lines there are looks so"
        assert name in said or length > 230
        await session.press("m")
        whole = "".join(text.strip(" │") for text in session.text.split("\n")).replace(" ", "")
        assert name in whole


async def test_s13_a_long_message_is_read_to_its_end(studio: Any) -> None:
    async with studio() as session:
        session.screen.say(f"saved as {'/a/very/long/folder' * 8}/copied.txt")
        await session.settle()
        assert session.note.replace(" ", "").endswith("copied.txt")
        await session.press("down")
        assert session.screen.query_one("#note").size.height == 1
