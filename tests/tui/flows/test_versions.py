"""One version of a workflow by keys: its steps, their fields, the difference to another version, searching, copying."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engine.errors import Unavailable
from engine.records import Issue, Version
from runstudio_tui.backend.fake import FakeBackend
from tests.tui.conftest import WIDE
from tests.tui.flows.test_workflows import ORDER, at_workflow, flat, shown_detail


async def at_version(session: Any, workflow_id: str = ORDER) -> None:
    """The published version, compared with the one before it."""
    await at_workflow(session, workflow_id)
    await session.press("d")
    await session.pass_time(0.5)
    assert type(session.screen).__name__ == "VersionScreen"


def fields(session: Any) -> str:
    """All lines of the fields that are shown."""
    pane = session.screen.fields
    return "\n".join("".join(span.text for span in pane._line_of(key, 80, None)) for key in pane._compared)


@pytest.mark.parametrize("size", [(80, 24), WIDE])
async def test_the_difference_is_told_step_by_step(studio: Any, size: tuple[int, int]) -> None:
    async with studio(size=size) as session:
        await at_version(session)
        assert "order-fulfilment v3" in session.line("Workflows ▸")
        assert "v3  in force  published 2026-01-12 09:52:21 by ada" in session.text
        assert "compared with v2: 3 changed, 1 added, 1 removed" in session.text
        for text, step in (("~", "charge-card"), ("-", "email-warehouse"), ("+", "notify-customer")):
            assert session.line(step).lstrip("▌ ").startswith(text)
        assert session.screen.parts.current.part.label == "definition", "the cursor begins at the first difference"


async def test_the_fields_of_a_changed_step_are_a_difference_of_json(studio: Any) -> None:
    async with studio(size=WIDE) as session:
        await at_version(session)
        await session.press("right_curly_bracket", "right_curly_bracket")
        assert session.screen.parts.current.part.step_id == "charge-card"
        shown = fields(session)
        assert '+       ▾ "card": {' in shown
        assert '"actionId": "pay.charge"' in shown
        await session.press("right_curly_bracket")
        assert '"$expr": "payload.amount > 100"  was "payload.amount > 200"' in fields(session)
        assert '"then"' not in fields(session), "steps inside are steps of their own"
        await session.press("left_curly_bracket", "left_curly_bracket")
        assert session.screen.parts.current.part.step_id == "email-warehouse"
        assert all(line.startswith("-") for line in fields(session).split("\n"))
        await session.press("left_curly_bracket", "left_curly_bracket")
        assert "nothing differs there" in session.note


async def test_narrow_the_steps_come_first_and_enter_opens_the_fields(studio: Any) -> None:
    async with studio() as session:
        await at_version(session)
        assert "STEPS" in session.text
        await session.press("end", "up", "enter")
        assert "STEPS" not in session.text
        assert '"id": "notify-customer"' in session.text
        await session.press("down")
        assert session.note.endswith(" /id")
        await session.press("escape")
        assert "STEPS" in session.text
        assert session.screen.parts.current.part.step_id == "notify-customer"
        await session.press("escape")
        assert type(session.screen).__name__ == "WorkflowsScreen"


async def test_a_version_alone_has_its_fields_open_and_no_marks(studio: Any) -> None:
    async with studio(size=WIDE) as session:
        await at_version(session)
        await session.press("d")
        await session.pass_time(0.2)
        assert "d shows what is different from the version before" in session.text
        assert "email-warehouse" not in session.text
        session.screen.parts.move_to("=root.steps[2]")
        await session.settle()
        assert session.screen.parts.current.part.step_id == "charge-card"
        assert '"$expr": "payload.card_token"' in fields(session)
        assert not [line for line in fields(session).split("\n") if line[:1] in "+-~"]
        await session.press("right_curly_bracket")
        assert "only while two versions are compared: d" in session.note


async def test_older_and_newer_versions(studio: Any) -> None:
    async with studio(size=WIDE) as session:
        await at_version(session)
        await session.press("left_square_bracket")
        await session.pass_time(0.2)
        assert "v2  older  published 2025-12-01 10:09:21 by grace" in session.text
        assert "nothing to compare it with: there is none before it" in session.text
        assert "email-warehouse" in session.text
        await session.press("left_square_bracket")
        assert "there is no older version" in session.note
        await session.press("right_square_bracket")
        await session.pass_time(0.2)
        assert "compared with v2" in session.text
        await session.press("right_square_bracket")
        assert "there is no newer version" in session.note


async def test_a_pinned_version_is_what_others_are_compared_with(studio: Any, backend: FakeBackend) -> None:
    workflow = backend.world.workflows[ORDER]
    later = {**workflow.definitions[3], "version": 4, "steps": workflow.definitions[3]["steps"][1:]}
    backend.world.workflows[ORDER] = replace(
        workflow,
        info=replace(workflow.info, published_version=4),
        definitions={**workflow.definitions, 4: later},
        published={**workflow.published, 4: Version(4, datetime(2026, 1, 14, tzinfo=UTC), None, "ada")},
    )
    async with studio(size=WIDE) as session:
        await at_version(session)
        assert "compared with v3: 1 removed" in session.text
        await session.press("left_square_bracket", "left_square_bracket")
        await session.pass_time(0.2)
        await session.press("equals_sign")
        assert "v2 is pinned" in session.note
        await session.press("right_square_bracket", "right_square_bracket")
        await session.pass_time(0.2)
        assert "compared with the pinned v2: 3 changed, 1 added, 2 removed" in session.text
        await session.press("left_square_bracket", "left_square_bracket", "equals_sign")
        assert "let go" in session.note
        await session.press("right_square_bracket", "right_square_bracket")
        await session.pass_time(0.2)
        assert "compared with v3: 1 removed" in session.text


async def test_a_step_of_the_detail_is_opened_at_its_place(studio: Any) -> None:
    async with studio(size=WIDE) as session:
        await at_workflow(session, ORDER)
        session.screen.open_link("version:3#root.steps[3].then.steps[0]")
        await session.settle()
        await session.pass_time(0.2)
        assert session.screen.parts.current.part.step_id == "gift"
        assert '"actionId": "crm.note"' in fields(session)


async def test_steps_and_fields_are_searched(studio: Any) -> None:
    async with studio(size=WIDE) as session:
        await at_version(session)
        await session.press("slash")
        await session.type("mail.send")
        await session.press("enter")
        found = session.screen.parts.current.part.step_id
        await session.press("n")
        assert {found, session.screen.parts.current.part.step_id} <= {"email-warehouse", "thank", "notify-customer"}
        assert session.screen.parts.current.part.step_id != found
        assert "mail.send" in session.note
        await session.press("escape", "tab", "slash")
        await session.type("actionid")
        await session.press("enter")
        assert "/config/actionId" in session.screen.fields.path
        await session.press("escape", "escape", "n")
        assert "search first: /" in session.note


async def test_a_step_a_value_and_all_fields_are_copied(studio: Any) -> None:
    async with studio(size=WIDE) as session:
        await at_version(session)
        await session.press("end", "up", "y")
        assert "step id" in session.note
        await session.press("Y")
        assert "all fields" in session.note
        await session.press("tab", "down", "y")
        assert "what is under the cursor" in session.note
        assert len(session.written) == 3


async def test_what_the_checks_warned_of_stands_at_its_step(studio: Any, backend: FakeBackend) -> None:
    warning = Issue("warning", "root.steps[2]", "charge-card", "NO_RETRY", "It is tried once.", "Give it a retry.")
    workflow = backend.world.workflows[ORDER]
    workflow.published[3] = replace(workflow.published[3], warnings=(warning,))
    async with studio(size=WIDE) as session:
        await at_workflow(session, ORDER)
        await session.pass_time(0.5)
        assert "by ada, 1 warning" in shown_detail(session)
        await session.press("d")
        await session.pass_time(0.5)
        assert "1 warning" in session.line("in force")
        assert "▲ NO_RETRY" in session.line("charge-card")
        session.screen.parts.move_to("=root.steps[2]")
        await session.settle()
        assert "▲ NO_RETRY: It is tried once." in session.text


async def test_hidden_values_are_said_not_to_be_compared(studio: Any, backend: FakeBackend) -> None:
    definitions = backend.world.workflows[ORDER].definitions
    for number in (2, 3):
        definitions[number] = {**definitions[number], "token": "[REDACTED]"}
    async with studio(size=WIDE) as session:
        await at_version(session)
        assert "1 hidden value is not compared" in session.text
        assert "[REDACTED]" in session.text


async def test_what_cannot_be_read_is_told_and_read_again(studio: Any, backend: FakeBackend) -> None:
    away = Unavailable("POSTGRES_UNREACHABLE", "Postgres is away.", "Wait for it.")
    async with studio(size=WIDE) as session:
        await at_workflow(session, ORDER)
        await session.pass_time(0.5)
        backend.fail_next("workflows.definition", away, times=2)
        await session.press("d")
        await session.pass_time(0.5)
        assert "Postgres is away. Wait for it." in flat(session)
        await session.pass_time(11)
        assert "compared with v2" in session.text
        backend.fail_next("workflows.versions", away, times=99)
        await session.pass_time(30)
        assert "Postgres is away" in session.note
        assert "charge-card" in session.text


async def test_a_version_is_read_once(studio: Any, backend: FakeBackend) -> None:
    async with studio(size=WIDE) as session:
        await at_workflow(session, ORDER)
        await session.pass_time(0.5)
        asked = len(backend.called("workflows.definition"))
        await session.press("d")
        await session.pass_time(60)
        await session.press("d", "d", "left_square_bracket", "right_square_bracket")
        await session.pass_time(1)
        assert len(backend.called("workflows.definition")) == asked + 2
