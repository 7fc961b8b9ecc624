"""Keys that come faster than they are looked at, as they do over a slow line: each acts on what was typed before it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from textual import events

from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.widgets.json_editor import JsonEditor
from tests.tui.flows.replaying import opened, refunds, runs, sent
from tests.tui.flows.test_start import sent as started
from tests.tui.flows.test_start import to_editor
from tests.tui.flows.test_tasks import INVOICE, at_task

__all__ = ["refunds", "runs"]


async def at_once(session: Any, *keys: str) -> None:
    """Press all of them before the first is looked at."""
    for key in keys:
        session.app.post_message(events.Key(key, key if len(key) == 1 else None))
    await session.settle()
    await session.settle()


async def in_the_text(session: Any) -> None:
    """The keyboard goes to the first name of the object."""
    editor = session.screen.query_one(JsonEditor)
    editor.focus()
    editor.move_cursor((1, editor.document.get_line(1).index('"') + 1))
    await session.settle()


async def test_a_start_sends_what_was_typed_just_before(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        await in_the_text(session)
        await at_once(session, "Z", "Q", "ctrl+s")
        assert [next(iter(one.payload)) for one in started(backend)] == ["ZQorder_id"]


async def test_a_replay_sends_what_was_typed_just_before(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds, size=(120, 36)) as session:
        await opened(session)
        await in_the_text(session)
        await at_once(session, "Z", "Q", "ctrl+s")
        [replay] = sent(refunds)
        assert "ZQorder_id" in str(replay)


async def test_a_preview_is_of_what_was_typed_just_before(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds, size=(120, 36)) as session:
        await opened(session)
        await in_the_text(session)
        await at_once(session, "Z", "Q", "ctrl+t")
        assert "Preview: nothing was sent" in session.text, session.text


async def test_the_editor_gets_what_was_typed_just_before(
    studio: Any, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []

    def in_editor(text: str) -> str:
        given.append(text)
        return text

    async with studio() as session:
        monkeypatch.setattr(session.app, "edit_outside", in_editor)
        await to_editor(session)
        await in_the_text(session)
        await at_once(session, "Z", "Q", "ctrl+e")
        assert [next(iter(json.loads(text))) for text in given] == ["ZQorder_id"]


async def test_the_json_of_an_answer_has_what_was_typed_just_before(studio: Any) -> None:
    async with studio(size=(120, 36)) as session:
        await at_task(session, INVOICE)
        await session.press("a", "right", "tab", "right", "right", "tab")
        await at_once(session, "1", "2", "ctrl+j")
        assert '"amount": 12' in session.screen.query_one(JsonEditor).text
