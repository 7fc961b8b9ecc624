"""Starting a run: workflow, version, payload, and what is sent."""

from __future__ import annotations

from typing import Any

import pytest
from textual.widgets import TextArea

from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.domain.models import RunId
from runstudio_tui.ports import Invalid, Unavailable


def sent(backend: FakeBackend) -> list[Any]:
    """The start requests so far."""
    return [call.arguments[0] for call in backend.called("start")]


async def to_editor(session: Any) -> TextArea:
    """Open the dialog on the workflow under the cursor."""
    await session.press("n", "enter")
    await session.pass_time(0.4)
    editor = session.screen.query_one(TextArea)
    assert session.app.focused is editor
    return editor


async def replace_text(session: Any, text: str) -> None:
    """Put another text into the editor, as pasting would."""
    session.screen.query_one(TextArea).text = text
    await session.settle()
    await session.pass_time(0.4)


async def test_the_workflow_of_the_current_run_comes_first_and_its_example_is_there(
    studio: Any, backend: FakeBackend
) -> None:
    async with studio() as session:
        await session.press("n")
        assert "▌order-fulfilment" in session.text
        assert "paused" in session.line("reminder")
        await session.press("enter")
        await session.pass_time(0.4)
        assert "Start order-fulfilment" in session.text
        assert "fits the schema" in session.text
        assert '"order_id": "ORD-1"' in session.text
        await session.press("ctrl+s")
        await session.settle()
        request = sent(backend)[0]
        assert (request.workflow_id, request.version) == ("order-fulfilment", 3)
        assert request.payload == {"order_id": "ORD-1", "amount": 20, "lines": [{"sku": "SKU-1"}]}
        assert session.screen.run_id in backend.world.runs
        assert "started" in session.note


async def test_a_paused_workflow_says_why_it_cannot(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await session.press("n", "end", "up")
        assert "▌reminder" in session.text
        assert "paused" in session.said
        await session.press("enter")
        assert "which workflow?" in session.text
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_another_version(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        session.screen.query_one("#version").focus()
        await session.press("right")
        await session.pass_time(0.4)
        await session.press("ctrl+s")
        assert sent(backend)[0].version == 2


async def test_empty_payload_and_what_the_schema_says(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        session.screen.query_one("#payload").focus()
        await session.press("left")
        await session.pass_time(0.4)
        assert session.screen.query_one(TextArea).text == "{}"
        assert "3 problems" in session.text
        assert "'order_id' is a required property" in session.text
        await session.press("ctrl+s")
        assert sent(backend) == []


async def test_masked_values_of_the_latest_run_must_be_typed(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        session.screen.query_one("#payload").focus()
        await session.press("left", "left")
        await session.pass_time(0.4)
        assert "[REDACTED]" in session.text
        assert "masked in the run it came from, type the real value: /card_token" in session.said
        await session.press("ctrl+s")
        assert sent(backend) == []
        text = session.screen.query_one(TextArea).text.replace("[REDACTED]", "tok_1")
        await replace_text(session, text)
        await session.press("ctrl+s")
        assert sent(backend)[0].payload["card_token"] == "tok_1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"order_id": "A-1",}', "not valid JSON: line 1, column"),
        ("", "not valid JSON: line 1, column 1"),
        ('{"amount": NaN}', "NaN is not JSON"),
        ("[1]", "must be a JSON object"),
        ('{"order_id": "A-1", "order_id": "B-2"}', "given twice"),
    ],
)
async def test_what_cannot_be_sent_says_why(studio: Any, backend: FakeBackend, text: str, said: str) -> None:
    async with studio(size=(120, 36)) as session:
        await to_editor(session)
        await replace_text(session, text)
        assert said in session.text
        await session.press("ctrl+s")
        assert sent(backend) == []


async def test_refusals_stay_in_the_dialog_with_the_text(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        await replace_text(session, '{"order_id": "ORD-9", "amount": 1, "lines": []}')
        backend.fail_next("start", Invalid("Payload refused", "No such SKU.", created_run_id=RunId("run-77")))
        await session.press("ctrl+s")
        assert "Payload refused: No such SKU." in session.said
        assert "A run row was written: run-77" in session.said
        assert "ORD-9" in session.screen.query_one(TextArea).text


async def test_sending_again_after_an_outage_uses_the_same_key(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        backend.fail_next("start", Unavailable("Temporal", "unreachable"))
        await session.press("ctrl+s")
        assert "Temporal: unreachable" in session.said
        await session.press("ctrl+s")
        first, second = sent(backend)
        assert first.idempotency_key == second.idempotency_key


async def test_pressing_twice_sends_once(studio: Any, backend: FakeBackend) -> None:
    gate = backend.hold("start")
    async with studio() as session:
        await to_editor(session)
        await session.press("ctrl+s", "ctrl+s", "escape")
        assert len(sent(backend)) == 1
        assert "on its way" in session.said
        gate.set()
        await session.until(lambda: type(session.screen).__name__ == "RunScreen")


async def test_escape_asks_before_an_edited_payload_is_lost(studio: Any) -> None:
    async with studio() as session:
        await to_editor(session)
        await replace_text(session, '{"order_id": "ORD-9"}')
        await session.press("escape")
        assert "discards the payload" in session.said
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_an_unedited_payload_closes_at_once(studio: Any) -> None:
    async with studio() as session:
        await to_editor(session)
        await session.press("escape")
        assert type(session.screen).__name__ == "RunsScreen"


async def test_the_catalog_may_be_unreachable(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        backend.fail_next("workflows", Unavailable("Postgres", "refused"))
        await session.press("n")
        assert "Postgres: refused" in session.said
        await session.press("escape", "n", "enter")
        assert "Start order-fulfilment" in session.text


async def test_a_started_run_is_picked_up_before_the_eyes(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await to_editor(session)
        await session.press("ctrl+s")
        await session.until(lambda: type(session.screen).__name__ == "RunScreen")
        await session.pass_time(5)
        assert "✔ reserve-stock" in session.text
