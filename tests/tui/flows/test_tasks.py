"""Human tasks by keys: the list, the form and its JSON, refusals at their field, claiming, handing over, canceling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import Unavailable
from engine.records import Level, TaskClosed
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.screens.tasks.form_fields import FormFields
from tests.tui.conftest import WIDE

INVOICE = "0198c2aa-7a5c-7000-8000-000000000001"
ORDER = "0198c2aa-7a5c-7000-8000-000000000002"
LATE = "0198c2aa-7a5c-7000-8000-000000000003"


async def at_task(session: Any, task_id: str) -> None:
    """The tasks screen, with the cursor on a task."""
    await session.press("3")
    await session.pass_time(1)
    assert session.screen.listing.move_to(task_id)
    await session.settle()


def as_operator(backend: FakeBackend) -> None:
    backend.world.session = replace(backend.world.session, actor="ada", level=Level.OPERATE)


@pytest.mark.parametrize("size", [(80, 24), WIDE])
async def test_open_tasks_with_the_late_one_marked(studio: Any, size: tuple[int, int]) -> None:
    async with studio(size=size) as session:
        await at_task(session, LATE)
        assert any("▲ late" in text and "Check the" in text[:50] for text in session.text.split("\n"))
        assert "● claimed" in session.text
        assert "completed" not in session.text
        await session.press("enter")
        assert "48m" in session.text
        assert "ago" in session.text
        assert "context" in session.text


async def test_the_detail_leads_to_the_run(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await at_task(session, INVOICE)
        await session.press("enter")
        detail = session.screen.detail
        place = next(key for key, row in detail._rows.items() if row.link.startswith("run:"))
        detail.move_to(place)
        await session.press("enter")
        assert session.screen.run_id == backend.world.tasks[INVOICE].row.run_id


async def test_an_answer_is_made_in_the_form_and_sent_as_the_schema_wants_it(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        await at_task(session, INVOICE)
        await session.press("a")
        assert "Approve it? *" in session.text
        await session.press("right", "tab", "right", "right")
        assert "one of" not in session.text, "the choices stand in the field"
        await session.press("tab")
        await session.type("12.5")
        await session.press("ctrl+s")
        [call] = backend.called("tasks.complete")
        assert call.arguments == (
            INVOICE, {"approved": True, "cost_center": "4200 stock", "amount": 12.5, "pay_in_days": 30}, None, False, None,
        )  # fmt: skip
        assert "its run goes on" in session.note
        assert backend.world.tasks[INVOICE].row.status == "completed"


async def test_what_was_typed_goes_to_the_json_and_back(studio: Any) -> None:
    async with studio(size=WIDE) as session:
        await at_task(session, INVOICE)
        await session.press("a", "right", "ctrl+j")
        editor = session.screen.query_one("#editor")
        assert '"approved": true' in editor.text
        editor.load_text('{"approved": false, "supplier": {"name": "Nordwind"}, "extra": [1]}')
        await session.press("ctrl+j")
        filled = session.screen.query_one(FormFields).filled
        assert filled.texts["/supplier/name"] == "Nordwind"
        assert filled.texts["/approved"] == "false"
        assert "also sent" in session.line("extra")
        await session.press("ctrl+j")
        assert '"extra"' in editor.text
        editor.load_text('{"approved": ')
        await session.press("ctrl+j")
        assert "not valid JSON" in session.said
        assert editor.text == '{"approved": '


async def test_findings_stand_at_their_field_and_an_admin_may_override_with_a_reason(
    studio: Any, backend: FakeBackend
) -> None:
    async with studio(size=WIDE) as session:
        await at_task(session, INVOICE)
        await session.press("a", "right", "tab", "tab")
        await session.type("-3")
        await session.press("ctrl+s")
        lines = session.text.split("\n")
        below = {name: lines[place + 1] for place, text in enumerate(lines) for name in ("Amount",) if name in text}
        assert "✖" in below["Amount"]
        assert "RESPONSE_REJECTED" not in session.text
        assert "Override, because" in session.text
        session.screen.query_one("#reason").focus()
        await session.type("ok")
        await session.press("ctrl+s")
        assert "a reason of at least 3" in session.said
        await session.type(" by phone")
        await session.press("ctrl+s")
        assert backend.called("tasks.complete")[-1].arguments[3:] == (True, "ok by phone")


async def test_a_number_that_is_none_is_told_at_its_field_and_nothing_is_sent(
    studio: Any, backend: FakeBackend
) -> None:
    async with studio(size=WIDE) as session:
        await at_task(session, INVOICE)
        await session.press("a", "tab", "tab")
        await session.type("much")
        await session.press("ctrl+s")
        assert "must be a number" in session.text
        assert backend.called("tasks.complete") == []
        await session.press("escape")
        assert "esc again discards the answer" in session.said


async def test_a_run_that_is_told_later_is_said(
    studio: Any, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def accepted(task_id: str, *_: Any, **__: Any) -> TaskClosed:
        return TaskClosed(task_id, "run", "completed", delivered=False, message="Accepted, not delivered yet: away.")

    monkeypatch.setattr(backend.tasks, "complete", accepted)
    async with studio(size=WIDE) as session:
        await at_task(session, ORDER)
        await session.press("a", "ctrl+s")
        assert "not delivered yet" in session.note


async def test_claim_and_release(studio: Any, backend: FakeBackend) -> None:
    as_operator(backend)
    async with studio() as session:
        await at_task(session, INVOICE)
        await session.press("t")
        assert backend.world.tasks[INVOICE].row.claimed_by == "ada"
        await session.pass_time(6)
        await session.press("t")
        assert "ada has this task already" in session.note
        await session.press("u")
        assert backend.world.tasks[INVOICE].row.claimed_by is None


async def test_an_operator_hands_over_only_what_they_hold(studio: Any, backend: FakeBackend) -> None:
    as_operator(backend)
    async with studio() as session:
        await at_task(session, INVOICE)
        await session.press("h")
        assert "Claim it first: key t" in session.note
        session.screen.listing.move_to(ORDER)
        await session.press("h", "ctrl+s")
        assert "say who gets it" in session.said
        await session.type("grace")
        session.screen.query_one("#reason").focus()
        await session.type("my shift is over")
        await session.press("ctrl+s")
        assert backend.called("tasks.assign")[0].arguments == (ORDER, "grace", "my shift is over")
        assert "claimed by grace" in session.text


async def test_marked_tasks_are_canceled_each_on_its_own(studio: Any, backend: FakeBackend) -> None:
    async with studio() as session:
        await at_task(session, INVOICE)
        await session.press("asterisk", "c")
        assert "Cancel 3 tasks" in session.text
        backend.fail_next("tasks.cancel", Unavailable("POSTGRES_UNREACHABLE", "Postgres refused the connection."))
        await session.type("not needed")
        await session.press("ctrl+s")
        assert len(backend.called("tasks.cancel")) == 3
        assert "Repeat 1 failed" in session.text
        await session.press("ctrl+y")
        assert "to the terminal" in session.said


async def test_a_viewer_only_looks(studio: Any, backend: FakeBackend) -> None:
    async with studio(read_only=True) as session:
        await at_task(session, INVOICE)
        for key in ("a", "t", "h", "c"):
            await session.press(key)
            assert "needs the" in session.note
        assert not backend.called("tasks.claim")
