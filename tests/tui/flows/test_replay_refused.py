"""Replaying one run: refusals, outages, and leaving without losing anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import Conflict, Unavailable
from engine.records import PLACEHOLDER, Document, JsonChange, Original
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.refunds import PAYLOAD
from runstudio_tui.clock import ManualClock
from runstudio_tui.widgets.json_editor import JsonEditor
from tests.tui.flows.replaying import edit, opened, refunds, runs, sent, title

__all__ = ["refunds", "runs"]


async def test_an_original_that_is_shown_differently_now_is_taken_without_losing_the_text(
    studio: Any, refunds: FakeBackend, runs: dict[str, str]
) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await edit(session, {**PAYLOAD, "amount": 90})
        hidden = {**PAYLOAD, "order_id": PLACEHOLDER}
        refunds.world.runs[runs["failed"]].payload = Document(
            hidden, frozenset({"/order_id", "/card_token", "/customer/api_key"})
        )
        await session.press("ctrl+s")
        assert "your text stays as it is" in session.said
        assert '"amount": 90' in session.text
        assert session.app.focused.id == "rebase"
        await session.press("enter")
        assert "edited: 2 changes" in title(session)
        assert "Take the new original" not in session.text
        await edit(session, {**hidden, "amount": 90})
        await session.press("ctrl+s")
        first, second = sent(refunds)
        assert second[2].changes == (JsonChange("replace", "/amount", 90),)
        assert first[2].base_digest != second[2].base_digest
        assert type(session.screen).__name__ == "RunScreen"


async def test_sending_again_after_an_outage_starts_nothing_twice(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await edit(session, {**PAYLOAD, "amount": 90})
        refunds.fail_next("runs.replay", Unavailable("TEMPORAL", "Temporal cannot be reached."))
        await session.press("ctrl+s")
        assert "Temporal cannot be reached." in session.said
        assert '"amount": 90' in session.text
        await session.press("ctrl+s")
        first, second = sent(refunds)
        assert first == second


async def test_after_a_refusal_there_is_another_key(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await edit(session, {**PAYLOAD, "amount": 90})
        text = session.screen.query_one(JsonEditor).text
        refunds.fail_next("runs.replay", Conflict("CONCURRENCY_LIMIT", "Five runs are active.", "Wait for one to end."))
        await session.press("ctrl+s")
        assert "Five runs are active. Wait for one to end." in session.said
        assert session.screen.query_one(JsonEditor).text == text
        assert "edited: 1 change" in title(session)
        await session.press("ctrl+s")
        first, second = sent(refunds)
        assert first[4] != second[4]


async def test_a_replay_that_went_through_unheard_is_found_again(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        key = "key-of-the-dialog"
        session.screen._flow._key = key
        run_id = session.screen._flow.row.run_id
        started = await refunds.runs.replay(run_id, "mail is back", Original(), idempotency_key=key)
        await session.press("ctrl+s")
        assert session.screen.run_id == started.run_id
        assert "this was started before" in session.note


async def test_pressing_twice_sends_once_and_closing_waits(studio: Any, refunds: FakeBackend) -> None:
    gate = refunds.hold("runs.replay")
    async with studio(on=refunds) as session:
        await opened(session)
        await session.press("ctrl+s", "ctrl+s", "escape", "ctrl+t", "ctrl+e")
        assert len(sent(refunds)) == 1
        assert "on its way" in session.said
        gate.set()
        await session.until(lambda: type(session.screen).__name__ == "RunScreen")


@pytest.mark.parametrize(("lost", "reason"), [("the edit", ""), ("the reason", "mail")])
async def test_escape_asks_before_something_is_lost(studio: Any, refunds: FakeBackend, lost: str, reason: str) -> None:
    async with studio(on=refunds) as session:
        await opened(session, reason=reason)
        if not reason:
            await edit(session, {**PAYLOAD, "amount": 1})
        await session.press("escape")
        assert f"esc again discards {lost}" in session.said
        await session.press("tab", "escape")
        assert type(session.screen).__name__ == "RunsScreen"
        assert sent(refunds) == []


async def test_nothing_typed_closes_at_once_and_a_preview_is_left_first(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await opened(session, reason="")
        await session.press("ctrl+t", "escape")
        assert type(session.screen).__name__ == "ReplayDialog"
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


@pytest.mark.parametrize("name", ["runs.replay_base", "workflows.versions", "runs.attempts"])
async def test_what_cannot_be_read_is_said(studio: Any, refunds: FakeBackend, name: str) -> None:
    async with studio(on=refunds) as session:
        refunds.fail_next(name, Unavailable("POSTGRES", "Postgres refused the connection."))
        await opened(session, reason="")
        assert "Postgres refused the connection." in session.said
        await session.press("ctrl+s", "ctrl+t")
        assert sent(refunds) == []
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_a_paused_workflow_is_told_before(studio: Any, refunds: FakeBackend) -> None:
    workflow = refunds.world.workflows["refund"]
    refunds.world.workflows["refund"] = replace(workflow, info=replace(workflow.info, paused=True))
    async with studio(on=refunds) as session:
        await opened(session)
        assert "The workflow is paused" in session.text
        await session.press("ctrl+s")
        assert "is paused" in session.said


async def test_the_text_is_not_touched_while_the_run_changes(
    studio: Any, refunds: FakeBackend, clock: ManualClock, runs: dict[str, str]
) -> None:
    async with studio(on=refunds, run_id=runs["stuck"]) as session:
        await opened(session)
        await edit(session, {**PAYLOAD, "amount": 90})
        refunds.world.runs[runs["stuck"]].change(refunds.world.now(), step_count=3)
        await session.pass_time(30)
        assert '"amount": 90' in session.text
        assert "edited: 1 change" in title(session)
