"""Before a replay is sent: what was done already and is done again, and the preview."""

from __future__ import annotations

from typing import Any

from engine.records import Original
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.worlds.refunds import PAYLOAD
from runstudio_tui.widgets.json_editor import JsonEditor
from tests.tui.flows.replaying import edit, opened, refunds, runs, sent, title

__all__ = ["refunds", "runs"]


async def test_what_was_done_already_is_said(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds, size=(120, 36)) as session:
        await opened(session)
        told = " ".join(session.text.replace("│", " ").split())
        assert "Already done or tried, and done again: " in told
        assert "tell-manager (mail.send), take-back (erp.return, 2 times), refund (pay.refund), confirm (" in told
        assert "tried, may have acted" in told.partition("confirm (")[2], "it failed, and may have acted before"
    async with studio(on=refunds, size=(120, 36)) as session:
        await session.press("down")
        await opened(session)
        assert "The original run has done nothing yet" in session.text


async def test_the_preview_shows_what_would_differ_and_sends_nothing(
    studio: Any, refunds: FakeBackend, runs: dict[str, str]
) -> None:
    async with studio(on=refunds, size=(120, 36)) as session:
        await opened(session)
        await edit(session, {**PAYLOAD, "customer": {**PAYLOAD["customer"], "email": "ada@new.example"}})
        await session.press("ctrl+t")
        text = session.text
        assert "~ /customer/email" in text
        assert "Up to there every step goes the same way." in text
        again = text.index("Done again, with the same input")
        stop = text.index("The preview stops at confirm")
        assert again < text.index("↻ refund (pay.refund)") < stop
        assert 'was "ada@example.com", now "ada@new.example"' in text
        assert sent(refunds) == []
        assert len(refunds.world.runs) == len(runs)
        await session.press("ctrl+t")
        assert session.app.focused is session.screen.query_one(JsonEditor)
        assert "kept from original" in session.text
        await session.press("ctrl+s")
        assert sent(refunds)[0][2] == refunds.called("runs.preview")[0].arguments[1]


async def test_the_preview_shows_other_branches(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds, size=(120, 36)) as session:
        await opened(session)
        await edit(session, {**PAYLOAD, "amount": 120})
        await session.press("ctrl+t")
        assert "branch else → then" in session.line("large")
        assert "would not be executed (was succeeded)" in session.line("tell-manager  ")
        assert "The preview stops at ask-manager" in session.text
        assert session.text.index("Not done again") < session.text.index("↻ tell-manager (mail.send)")


async def test_the_preview_of_the_original_ends_as_it_did(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds, size=(120, 36)) as session:
        await opened(session)
        await session.press("ctrl+t")
        assert "Every step goes the same way." in session.text
        assert "failed: MAIL_DOWN: The mail server refused the connection." in session.text
        await session.press("ctrl+s")
        assert sent(refunds)[0][2] == Original()


async def test_what_the_schema_refuses_stands_at_its_field(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await edit(session, {**PAYLOAD, "amount": -1})
        await session.press("ctrl+t")
        assert "The schema refuses this input" in session.text
        await session.press("ctrl+t")
        assert "✖  3" in session.line('"amount": -1')
        assert "less than the minimum" in session.line('"amount": -1')
        assert "/amount" in session.said
        await session.press("ctrl+s")
        assert "does not fit its schema" in session.said
        assert type(session.screen).__name__ == "ReplayDialog"
        await edit(session, {**PAYLOAD, "amount": 1})
        assert "less than the minimum" not in session.text
        await session.press("ctrl+s")
        assert type(session.screen).__name__ == "RunScreen"


async def test_a_refusal_of_the_schema_marks_the_field_without_a_preview(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await edit(session, {**PAYLOAD, "amount": -1})
        await session.press("ctrl+s")
        assert "less than the minimum" in session.line('"amount": -1')
        assert len(refunds.world.runs) == 5


async def test_what_one_version_refuses_is_not_said_of_another(studio: Any, refunds: FakeBackend) -> None:
    async with studio(on=refunds) as session:
        await opened(session)
        await edit(session, {**PAYLOAD, "amount": -1})
        await session.press("ctrl+s")
        assert "less than the minimum" in session.line('"amount": -1')
        session.screen.query_one("#version").focus()
        await session.press("right")
        assert "less than the minimum" not in session.line('"amount": -1')
        assert "edited: 1 change" in title(session)


async def test_a_preview_that_cannot_be_made_says_why(studio: Any, refunds: FakeBackend, runs: dict[str, str]) -> None:
    async with studio(on=refunds, run_id=runs["old"], size=(120, 36)) as session:
        await opened(session)
        await session.press("ctrl+t")
        assert "before the cutover" in session.said
        assert "kept from original" in session.text


async def test_the_preview_is_of_the_version_that_is_chosen(
    studio: Any, refunds: FakeBackend, runs: dict[str, str]
) -> None:
    async with studio(on=refunds, run_id=runs["failed"], size=(120, 36)) as session:
        await opened(session)
        await session.press("ctrl+t")
        assert "Preview: nothing was sent" in session.text
        await session.press("ctrl+t")
        session.screen.query_one("#version").focus()
        await session.press("right", "ctrl+t")
        number = refunds.called("runs.preview")[-1].arguments[2]
        assert number != 3
        assert f"Preview of version {number}: nothing was sent" in session.text
        session.screen.query_one("#version").focus()
        await session.press("left")
        assert "Preview of" not in session.text, "another version is chosen: it is not what would be sent any more"
        await session.press("ctrl+t")
        assert refunds.called("runs.preview")[-1].arguments[2] is None


async def test_an_answer_to_a_preview_that_was_left_is_not_shown(studio: Any, refunds: FakeBackend) -> None:
    gate = refunds.hold("runs.preview")
    async with studio(on=refunds) as session:
        await opened(session)
        await session.press("ctrl+t")
        assert "asking…" in session.text
        await session.press("escape")
        gate.set()
        await session.settle()
        assert "asking…" not in session.text
        assert "Every step goes the same way" not in session.text
        assert '"order_id"' in session.text
