"""Pictures of replaying. What must be looked at stands in the docstring of each."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from engine.errors import Unavailable
from engine.records import PLACEHOLDER, Document
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.refunds import PAYLOAD, refunds_backend
from runstudio_tui.clock import ManualClock
from runstudio_tui.domain.jsonview import pretty
from runstudio_tui.widgets.json_editor import JsonEditor
from tests.tui.snapshots.test_pictures import Picture, looks, sizes


@pytest.fixture
def refunds(clock: ManualClock) -> FakeBackend:
    """The world about replays."""
    return refunds_backend(clock)


def edited() -> Any:
    """The input with one member changed, one added, one removed."""
    value = copy.deepcopy(PAYLOAD)
    value["amount"] = 90
    value["customer"]["vip"] = True
    del value["lines"][1]["quantity"]
    return value


async def opened(session: Any, value: Any = None) -> None:
    """The dialog on the first run, with a reason and perhaps another text."""
    await session.press("r")
    await session.until(lambda: "loading" not in session.text)
    await session.type("mail is back")
    if value is not None:
        session.screen.query_one(JsonEditor).text = value if isinstance(value, str) else pretty(value)
        await session.settle()


@sizes
async def test_unedited(studio: Any, picture: Picture, refunds: FakeBackend, size: tuple[int, int]) -> None:
    """Title says original input; what is sent and what is done again under the text; hidden values have a lock."""
    async with studio(on=refunds, size=size) as session:
        await session.press("r")
        await session.until(lambda: "loading" not in session.text)
        picture(session, "unedited")


@sizes
async def test_edited(studio: Any, picture: Picture, refunds: FakeBackend, size: tuple[int, int]) -> None:
    """Signs before the numbers of changed lines, what was there at their end; the paths in the sentence under the text."""
    async with studio(on=refunds, size=size) as session:
        await opened(session, edited())
        picture(session, "edited")


@looks
async def test_edited_in_every_look(studio: Any, picture: Picture, refunds: FakeBackend, look: dict[str, Any]) -> None:
    """The same: signs and words alone must tell."""
    async with studio(on=refunds, size=(120, 36), **look) as session:
        await opened(session, edited())
        picture(session, "edited")


@sizes
async def test_not_json(studio: Any, picture: Picture, refunds: FakeBackend, size: tuple[int, int]) -> None:
    """Line and column in the title, why on the line and below, Replay dim."""
    async with studio(on=refunds, size=size) as session:
        await opened(session, '{\n  "order_id": "ORD-1042",\n  "amount": 90\n  "lines": []\n}')
        picture(session, "not-json")


async def test_a_typed_placeholder(studio: Any, picture: Picture, refunds: FakeBackend) -> None:
    """Its place below the text, whole, and a sign at its line."""
    async with studio(on=refunds) as session:
        await opened(session, {**PAYLOAD, "order_id": PLACEHOLDER})
        picture(session, "placeholder")


@sizes
async def test_preview_that_stops(studio: Any, picture: Picture, refunds: FakeBackend, size: tuple[int, int]) -> None:
    """What differs, what is done again, where it stops with then and now, what lies behind."""
    async with studio(on=refunds, size=size) as session:
        await opened(session, edited())
        await session.press("ctrl+t")
        picture(session, "stops")


@sizes
async def test_preview_of_another_branch(
    studio: Any, picture: Picture, refunds: FakeBackend, size: tuple[int, int]
) -> None:
    """The branch, the step that would not be executed, the one nobody knows, and what is not done again."""
    async with studio(on=refunds, size=size) as session:
        await opened(session, {**PAYLOAD, "amount": 150})
        await session.press("ctrl+t")
        picture(session, "branch")


async def test_preview_that_ends(studio: Any, picture: Picture, refunds: FakeBackend) -> None:
    """As it ended then, with its error."""
    async with studio(on=refunds, size=(120, 36)) as session:
        await opened(session)
        await session.press("ctrl+t")
        picture(session, "ends")


async def test_what_the_schema_refuses(studio: Any, picture: Picture, refunds: FakeBackend) -> None:
    """At its field, and below."""
    async with studio(on=refunds) as session:
        await opened(session, {**PAYLOAD, "amount": -1})
        await session.press("ctrl+s")
        picture(session, "refused")


async def test_edited_with_few_bytes(studio: Any, picture: Picture, refunds: FakeBackend) -> None:
    """The dialog of a low-bandwidth session: edited, and its preview."""
    async with studio(on=refunds, low_bandwidth=True) as session:
        await opened(session, edited())
        picture(session, "edited")
        await session.press("ctrl+t")
        picture(session, "preview")


@sizes
async def test_a_read_only_session_has_no_replay(
    studio: Any, picture: Picture, refunds: FakeBackend, size: tuple[int, int]
) -> None:
    """No replay and no cancel in the line of keys; the key says what it needs, on the list and on a run."""
    async with studio(on=refunds, size=size, read_only=True) as session:
        await session.press("r")
        picture(session, "list")
        await session.press("enter", "r")
        picture(session, "run")


async def test_an_original_that_changed(studio: Any, picture: Picture, refunds: FakeBackend) -> None:
    """A button takes the new one; the text is still there."""
    async with studio(on=refunds) as session:
        await opened(session, edited())
        first = next(iter(refunds.world.runs.values()))
        first.payload = Document({**PAYLOAD, "order_id": PLACEHOLDER}, frozenset({"/order_id"}))
        await session.press("ctrl+s")
        picture(session, "base-changed")


@sizes
async def test_what_cannot_be_replayed(
    studio: Any, picture: Picture, refunds: FakeBackend, size: tuple[int, int]
) -> None:
    """Why, and the command that can; nothing to confirm."""
    async with studio(on=refunds, size=size) as session:
        await session.press("down", "down", "down", "r")
        await session.until(lambda: "loading" not in session.text)
        picture(session, "no-input")


@sizes
async def test_the_new_run(studio: Any, picture: Picture, refunds: FakeBackend, size: tuple[int, int]) -> None:
    """Its header names the run it replays, whole."""
    async with studio(on=refunds, size=size) as session:
        await opened(session)
        await session.press("ctrl+s")
        await session.pass_time(3)
        picture(session, "new-run")


@sizes
async def test_several(studio: Any, picture: Picture, refunds: FakeBackend, size: tuple[int, int]) -> None:
    """Targets, what happens to them, then a result for each."""
    async with studio(on=refunds, size=size) as session:
        await session.press("asterisk", "r")
        picture(session, "asking")
        refunds.fail_next("runs.replay", Unavailable("TEMPORAL", "Temporal cannot be reached.", "Try again."))
        await session.type("mail is back")
        await session.press("ctrl+s")
        await session.until(lambda: "Repeat 1 failed" in session.text)
        picture(session, "results")
